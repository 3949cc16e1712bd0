package gabiontest

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
)

// Answer makes h answer the HTTP requests that succeed. Default: 200 and "ok". Call it before the first request.
func (d *Dependency) Answer(h http.Handler) { d.answer = h }

func answerOK(w http.ResponseWriter, _ *http.Request) {
	// Whoever has gone away needs no answer.
	_, _ = io.WriteString(w, "ok\n")
}

// RoundTrip implements http.RoundTripper: the dependency as the Transport of an http.Client, without a network, so that
// it works in a bubble of testing/synctest.
func (d *Dependency) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	rule := d.enter(req.Context(), req.URL.Path)
	defer d.exit()
	err := d.act(req.Context(), rule)
	switch {
	case err == nil:
		return d.respond(d.answer, req), nil
	case rule.Mode == Error && rule.Err == nil && errors.Is(err, ErrFailed):
		return d.respond(failed(err, rule.status()), req), nil
	case errors.Is(err, errOverloaded):
		return d.respond(failed(err, http.StatusServiceUnavailable), req), nil
	}
	d.give(rule, err)
	return nil, err
}

func failed(err error, status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, err.Error(), status) })
}

// respond is the response that a server with this handler would have given.
func (d *Dependency) respond(h http.Handler, req *http.Request) *http.Response {
	served := req.Clone(req.Context())
	served.RequestURI = req.URL.RequestURI()
	if served.Body == nil {
		served.Body = http.NoBody
	}
	if served.Host == "" {
		served.Host = req.URL.Host
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, served)
	resp := w.Result()
	resp.Request = req
	resp.Body = &body{ReadCloser: resp.Body, closed: sync.OnceFunc(func() { d.opened(-1) })}
	d.opened(1)
	return resp
}

// body is one whose closing is counted: over a network, one that is never closed takes a connection for good.
type body struct {
	io.ReadCloser
	closed func()
}

// Close implements io.Closer.
func (b *body) Close() error {
	b.closed()
	return b.ReadCloser.Close()
}

func (d *Dependency) opened(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open += n
}

func (d *Dependency) openBodies() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open
}

// Serve starts an HTTP server on the loopback interface that is this dependency, until the test ends, and returns its
// URL. It is not for bubbles, which know no network.
func (d *Dependency) Serve(t testing.TB) string {
	t.Helper()
	server := httptest.NewUnstartedServer(d)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // panics are meant
	server.Start()
	t.Cleanup(func() {
		d.close() // or the server would wait for what is held
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// maxDrained bounds what is read of the body of a request that is held. Only when a request has been read does a server
// notice that its client goes away.
const maxDrained = 1 << 20

// ServeHTTP implements http.Handler. What is held and then given up, and a panic, closes the connection without an
// answer.
func (d *Dependency) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rule := d.enter(r.Context(), r.URL.Path)
	defer d.exit()
	if rule.Mode == Hang {
		// A client that goes away while it sends is what the context tells.
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, maxDrained))
	}
	err := d.act(r.Context(), rule)
	switch {
	case err == nil:
		d.answer.ServeHTTP(w, r)
	case rule.Mode == Error && errors.Is(err, rule.err()):
		http.Error(w, err.Error(), rule.status())
	case errors.Is(err, errOverloaded):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	case errors.Is(err, syscall.ECONNRESET):
		reset(w)
	default:
		panic(http.ErrAbortHandler)
	}
}

// reset closes the connection so that the client is told of it by a reset instead of a regular end. A stream of HTTP/2
// is reset alone.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		// A connection that is gone already needs no reset.
		_ = tcp.SetLinger(0)
		_ = tcp.Close()
	}
}
