// Package client asks a gateway's admin API.
package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/status"
)

// DefaultAddress is where the admin API listens unless configured otherwise.
const DefaultAddress = "127.0.0.1:8081"

// Config says which gateway is asked and how. The zero value asks the one on this host.
type Config struct {
	// Address is host:port or a URL. Without a host, or with the address of all interfaces, it is this host.
	// Default: [DefaultAddress].
	Address string
	// Token is sent as a bearer token; "": none.
	Token string
	// Timeout bounds a question from the dial to the end of the answer. Default: 5s.
	Timeout time.Duration
}

// Client asks one gateway. Make it with [New]. It is safe for concurrent use.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// New makes a client. It fails when the address is none.
func New(cfg Config) (*Client, error) {
	base, err := baseURL(cmp.Or(cfg.Address, DefaultAddress))
	if err != nil {
		return nil, err
	}
	return &Client{base: base, token: cfg.Token, http: &http.Client{
		Timeout: cmp.Or(max(cfg.Timeout, 0), 5*time.Second),
		// Not through a proxy, and not on to elsewhere: the token is for this gateway alone.
		Transport:     &http.Transport{MaxIdleConns: 4, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// baseURL is the URL of an address, without a slash at the end.
func baseURL(address string) (string, error) {
	if !strings.Contains(address, "://") {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return "", fmt.Errorf("admin address %q: write it as host:port or as a URL", address)
		}
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1"
		}
		return "http://" + net.JoinHostPort(host, port), nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", fmt.Errorf("admin address %q: write it as host:port or as a URL", address)
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.Path, "/"), nil
}

// Close gives up idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Error is an answer of the API that is not the one that was hoped for.
type Error struct {
	// Status is the HTTP status; Title and Detail are for people, and may be empty.
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

// Error tells the status and what the API said about it.
func (e *Error) Error() string {
	text := strconv.Itoa(e.Status) + " " + cmp.Or(e.Title, http.StatusText(e.Status))
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// Status asks for the whole picture.
func (c *Client) Status(ctx context.Context) (r status.Report, err error) {
	return r, c.get(ctx, "/api/v1/status", &r)
}

// Service asks for one service.
func (c *Client) Service(ctx context.Context, name string) (d status.Detail, err error) {
	return d, c.get(ctx, "/api/v1/services/"+url.PathEscape(name), &d)
}

// Top asks for the n users that use most.
func (c *Client) Top(ctx context.Context, by status.By, n int) (t status.Top, err error) {
	return t, c.get(ctx, fmt.Sprintf("/api/v1/limits/top?by=%s&limit=%d", url.QueryEscape(string(by)), n), &t)
}

// Events asks for at most n events after the one with the ID since.
func (c *Client) Events(ctx context.Context, since uint64, n int) (p event.Page, err error) {
	return p, c.get(ctx, fmt.Sprintf("/api/v1/events?since=%d&limit=%d", since, n), &p)
}

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 64 << 20

func (c *Client) get(ctx context.Context, path string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.base, err)
	}
	r.Header = c.header()
	answer, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("%w (is the gateway running, and is this its gateway.admin address?)", shorter(err))
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("ask %s: the answer broke off: %w", c.base, err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("ask %s: %w", c.base, refusal(answer, text))
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("ask %s: the answer is not one of Gabion's admin API: %w", c.base, err)
	}
	return nil
}

// header is what every question says.
func (c *Client) header() http.Header {
	h := http.Header{"Accept": {"application/json, application/problem+json"}}
	if c.token != "" {
		h.Set("Authorization", "Bearer "+c.token)
	}
	return h
}

// refusal reads an answer that is not the one that was hoped for. The parts of the API have three ways to say what is
// wrong: problem+json, the "error" of Prometheus, and the plain text of Loki. Of all else there is the status only.
func refusal(answer *http.Response, text []byte) *Error {
	var said struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
		Error  string `json:"error"`
	}
	if json.Unmarshal(text, &said) != nil {
		said.Title, said.Detail, said.Error = "", "", ""
		if strings.HasPrefix(answer.Header.Get("Content-Type"), "text/plain") {
			said.Detail = strings.TrimSpace(string(text[:min(len(text), maxRefusal)]))
		}
	}
	return &Error{Status: answer.StatusCode, Title: said.Title, Detail: cmp.Or(said.Detail, said.Error)}
}

// maxRefusal bounds what is shown of a plain text, in bytes.
const maxRefusal = 4 << 10

// shorter leaves the path and the method out of an error of the HTTP client, and keeps what it wraps.
func shorter(err error) error {
	u, is := errors.AsType[*url.Error](err)
	if !is {
		return err
	}
	host := u.URL
	if parsed, bad := url.Parse(u.URL); bad == nil {
		host = parsed.Host
	}
	return fmt.Errorf("ask %s: %w", host, u.Err)
}
