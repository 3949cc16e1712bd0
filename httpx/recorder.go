package httpx

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"

	"github.com/gabion-io/gabion"
)

// recorder notes the status that a handler answers with.
type recorder struct {
	http.ResponseWriter
	serving  serving
	status   int   // 0: nothing was written
	written  int64 // bytes of the body
	refused  error // why the request was not admitted
	returned bool  // the handler has: no panic went through
	taken    bool  // the connection was taken over
}

var errUnwound = errors.New("the handler panicked or called runtime.Goexit")

// outcome is what the guards are told when the handler has ended.
func (r *recorder) outcome(client context.Context) (gabion.Outcome, error) {
	failed := !r.returned || failedStatus(r.status)
	switch {
	case failed && errors.Is(client.Err(), context.Canceled):
		return gabion.Ignored, client.Err()
	case !r.returned:
		return gabion.Failure, errUnwound
	case failed:
		return gabion.Failure, &StatusError{Status: r.status, Failed: true}
	}
	return gabion.Success, nil
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		r.status = status
		if r.serving.gaveUp.Load() && (failedStatus(status) || status == http.StatusTooManyRequests) {
			r.Header().Set(HeaderGaveUp, "true")
		}
	}
	r.ResponseWriter.WriteHeader(status)
}

// begin notes the status that stands when nobody sets one.
func (r *recorder) begin() {
	if r.status == 0 {
		r.status = http.StatusOK
	}
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	r.begin()
	n, err := r.ResponseWriter.Write(p)
	r.written += int64(n)
	return n, err
}

// WriteString implements io.StringWriter.
func (r *recorder) WriteString(s string) (int, error) {
	r.begin()
	n, err := io.WriteString(r.ResponseWriter, s)
	r.written += int64(n)
	return n, err
}

// ReadFrom implements io.ReaderFrom: net/http can have the kernel send a file.
func (r *recorder) ReadFrom(from io.Reader) (int64, error) {
	r.begin()
	n, err := io.Copy(r.ResponseWriter, from)
	r.written += n
	return n, err
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// face is the recorder with what else the writer that it stands before can do: handlers ask for that.
func (r *recorder) face() http.ResponseWriter {
	f, flushes := r.ResponseWriter.(http.Flusher)
	h, hijacks := r.ResponseWriter.(http.Hijacker)
	p, pushes := r.ResponseWriter.(http.Pusher)
	switch {
	case flushes && hijacks:
		return hijacker{flusher{r, f}, h}
	case flushes && pushes:
		return pusher{flusher{r, f}, p}
	case flushes:
		return flusher{r, f}
	}
	return r
}

type flusher struct {
	*recorder
	to http.Flusher
}

// Flush implements http.Flusher.
func (f flusher) Flush() {
	f.begin()
	f.to.Flush()
}

// FlushError is what http.ResponseController looks for.
func (f flusher) FlushError() error {
	f.begin()
	if to, ok := f.to.(interface{ FlushError() error }); ok {
		return to.FlushError()
	}
	f.to.Flush()
	return nil
}

type hijacker struct {
	flusher
	to http.Hijacker
}

// Hijack implements http.Hijacker.
func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := h.to.Hijack()
	h.recorder.taken = err == nil
	return conn, buffered, err
}

type pusher struct {
	flusher
	http.Pusher
}
