package ingest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Intake bounds what comes over HTTP. All ways in may share one, so that together they hold no more memory than
// MaxBody · MaxOpen · 2. Set the fields before its first use.
type Intake struct {
	// MaxBody is how many bytes a body may have, packed and unpacked. Default: 8 MiB.
	MaxBody int64
	// MaxOpen is how many bodies are read and worked on at a time; who comes then is told to come again. Default: 16.
	MaxOpen int
	// ReadWithin is how long a body may take to arrive. Default: 30 s.
	ReadWithin time.Duration

	slots slots
}

// Read reads a body, unpacks it (gzip), and calls use with it. Its error is that of use, or says why there is no body.
func (i *Intake) Read(w http.ResponseWriter, r *http.Request, use func(body []byte) error) error {
	if !i.slots.take(or(i.MaxOpen, 16)) {
		return &FullError{After: time.Second, Reason: "too many requests with lines at a time"}
	}
	defer i.slots.give()
	limit := or(i.MaxBody, 8<<20)
	if r.ContentLength > limit {
		return fmt.Errorf("%w: %d bytes, at most %d are read", ErrTooLarge, r.ContentLength, limit)
	}
	// A server without deadlines (such as a recorder in a test) is served all the same.
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(or(i.ReadWithin, 30*time.Second))); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("the body has no deadline: %w", err)
	}
	body, err := read(http.MaxBytesReader(w, r.Body, limit), limit)
	if err != nil {
		return err
	}
	if body, err = unpack(body, r.Header.Get("Content-Encoding"), limit); err != nil {
		return err
	}
	return use(body)
}

// read reads up to limit bytes.
func read(r io.Reader, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if _, large := errors.AsType[*http.MaxBytesError](err); large || int64(len(body)) > limit {
		return nil, fmt.Errorf("%w: at most %d bytes are read", ErrTooLarge, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the body ends after %d bytes: %w", ErrRefused, len(body), err)
	}
	return body, nil
}

// unpack undoes a Content-Encoding.
func unpack(body []byte, encoding string, limit int64) ([]byte, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return body, nil
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, fmt.Errorf("%w: the body is no gzip: %w", ErrRefused, err)
		}
		return read(z, limit)
	}
	return nil, fmt.Errorf("%w: Content-Encoding %.40q, known are gzip and identity", ErrEncoding, encoding)
}

// or is v, or the default when v is zero.
func or[T int | int64 | time.Duration](v, fallback T) T {
	if v == 0 {
		return fallback
	}
	return v
}
