package spool

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxAnswer is how much of an answer is read, in bytes.
const maxAnswer = 64 << 10

// Target is where batches are posted to over HTTP. Set the fields before its first use. One goroutine uses it.
type Target struct {
	// Transport sends. Required. Redirects are not followed: they would take the header to other hosts.
	Transport http.RoundTripper
	// URL is the address. Required.
	URL string
	// Header is sent with every request.
	Header http.Header
	// Gzip packs bodies.
	Gzip bool

	client *http.Client
	packer *gzip.Writer
}

// NewTransport makes a transport for one receiver.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 1, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true,
	}
}

// Post sends a body. Its errors are as [Config].Send wants them: an answer that will not change is an [ErrRefused], and
// one with Retry-After an [*AfterError]. A wrong address or a key that is not accepted can be put right by people, so it is
// tried again. The body must not change any more: the transport may read it even after Post has returned.
func (t *Target) Post(ctx context.Context, contentType string, body []byte) (answer []byte, err error) {
	if t.Gzip {
		if body, err = t.pack(body); err != nil {
			return nil, err
		}
	}
	if t.client == nil {
		t.client = &http.Client{Transport: t.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range t.Header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	r.Header.Set("Content-Type", contentType)
	if t.Gzip {
		r.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := t.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch code := resp.StatusCode; {
	case code >= 200 && code <= 299:
		// The receiver has it. An answer that broke off says nothing else.
		return answer, nil
	case err == nil:
		err = fmt.Errorf("%s answers %s: %s", r.URL.Redacted(), resp.Status, excerpt(answer))
	default:
		err = fmt.Errorf("%s answers %s", r.URL.Redacted(), resp.Status)
	}
	return nil, classify(resp, err)
}

// pack packs a body.
func (t *Target) pack(body []byte) ([]byte, error) {
	var packed bytes.Buffer
	if t.packer == nil {
		var err error // the level is a valid one; the best costs four times the CPU for a few percent
		if t.packer, err = gzip.NewWriterLevel(nil, gzip.BestSpeed); err != nil {
			return nil, err
		}
	}
	t.packer.Reset(&packed)
	if _, err := t.packer.Write(body); err != nil {
		return nil, err
	}
	if err := t.packer.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// classify says what an answer that is no success means.
func classify(resp *http.Response, err error) error {
	switch code := resp.StatusCode; {
	case code == http.StatusNotImplemented, code == http.StatusHTTPVersionNotSupported:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code == http.StatusTooEarly:
		if after := retryAfter(resp.Header.Get("Retry-After"), time.Now()); after > 0 {
			return &AfterError{After: after, Err: err}
		}
		return err
	case code < 400, code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusNotFound, code == http.StatusProxyAuthRequired:
		return err
	}
	return fmt.Errorf("%w: %w", ErrRefused, err)
}

// retryAfter reads the header: seconds, or a date. It is 0 when it says nothing.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// excerpt is the beginning of an answer, in one line.
func excerpt(answer []byte) string {
	const most = 200
	return strings.Join(strings.Fields(strings.ToValidUTF8(string(answer[:min(most, len(answer))]), "")), " ")
}
