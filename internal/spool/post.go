package spool

import (
	"bytes"
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

// Target is where batches are posted to over HTTP. Set the fields before its first use.
type Target struct {
	// Client sends. Required. It needs no timeout: the context has one.
	Client *http.Client
	// URL is the address. Required.
	URL string
	// Header is sent with every request.
	Header http.Header
}

// Post sends a body. Its errors are as [Config].Send wants them: an answer that will not change is an [ErrRefused], and
// one with Retry-After an [*AfterError]. A wrong address or a key that is not accepted can be put right by people, so it is
// tried again.
func (t *Target) Post(ctx context.Context, contentType, encoding string, body []byte) (answer []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range t.Header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	r.Header.Set("Content-Type", contentType)
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	resp, err := t.Client.Do(r)
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
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusNotFound, code == http.StatusProxyAuthRequired:
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
