// Package probe asks an endpoint whether it is healthy.
//
// Each question has a connection of its own, never one of the traffic's: so it does not wait behind requests, it finds
// out whether a new connection can be made, and it tells a machine that is gone from a connection that is old.
package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	// maxBody is how much of an answer is read: to let the endpoint finish an ordinary one, and no more.
	maxBody = 64 << 10
	// maxHead bounds the head of an answer.
	maxHead = 64 << 10
	// agent tells the owner of the endpoint who asks.
	agent = "gabion-health"
)

// Target is what is asked.
type Target struct {
	// URL has the scheme (http, https or h2c) and the host, for TLS and the Host header. Path is what is asked for,
	// with a query if need be.
	URL  *url.URL
	Path string
	// Address is what to dial.
	Address string
	// Timeout bounds the question: connection, answer and body together.
	Timeout time.Duration
	// Roots are the authorities that are believed. Default: the system's.
	Roots *x509.CertPool
}

// Prober asks one target. It keeps no connection.
type Prober struct {
	target Target
	url    string
	engine *http.Transport
}

// New makes a prober.
func New(t Target) *Prober {
	scheme := t.URL.Scheme
	if scheme == "h2c" {
		scheme = "http"
	}
	p := &Prober{target: t, url: scheme + "://" + t.URL.Host + t.Path}
	p.engine = &http.Transport{
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHead,
		TLSClientConfig:        &tls.Config{RootCAs: t.Roots, MinVersion: tls.VersionTLS12},
		Protocols:              new(http.Protocols),
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, t.Address)
		},
	}
	switch t.URL.Scheme {
	case "h2c":
		p.engine.Protocols.SetUnencryptedHTTP2(true)
	case "https":
		p.engine.Protocols.SetHTTP1(true)
		p.engine.Protocols.SetHTTP2(true)
	default:
		p.engine.Protocols.SetHTTP1(true)
	}
	return p
}

// Ask asks once. It returns "" when the answer was 2xx or 3xx, and what was wrong otherwise, in a few words.
func (p *Prober) Ask(ctx context.Context) (problem string) {
	defer p.engine.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, p.target.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, http.NoBody)
	if err != nil {
		return err.Error()
	}
	req.Header.Set("User-Agent", agent)
	answer, err := p.engine.RoundTrip(req)
	if err != nil {
		return p.describe(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode < 200 || answer.StatusCode > 399 {
		return fmt.Sprintf("status %d", answer.StatusCode)
	}
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, maxBody)); err != nil {
		return "body: " + p.describe(err)
	}
	return ""
}

// describe says what an error means, without the addresses that net's errors repeat.
func (p *Prober) describe(err error) string {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Sprintf("timeout after %v", p.target.Timeout)
	}
	var errno syscall.Errno
	var op *net.OpError
	switch {
	case errors.As(err, &errno) && errors.As(err, &op) && op.Op == "dial":
		return "connect: " + errno.Error()
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed without an answer"
	}
	text := strings.ReplaceAll(err.Error(), p.target.Address, "the endpoint")
	return text[:min(len(text), 200)]
}
