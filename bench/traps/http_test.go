package traps

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	failsafego "github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/failsafehttp"

	"github.com/gabion-io/gabion/httpx"
)

var httpTraps = []trap{
	{27, "HTTP: what was discarded, and bodies", "the first answer to a request with a body is a 503; is the body sent again whole, on the same connection?", sentAgain},
	{31, "one bad host of many", "a client with a breaker; one of two hosts fails; is the other called?", badHost},
	{32, "what must not be made twice", "a POST without an Idempotency-Key is answered with 503; how often is it sent?", sentTwice},
}

// clients are those that retry, and have a breaker.
func clients(t *testing.T) map[string]*http.Client {
	t.Helper()
	retries := failsafehttp.NewRetryPolicyBuilder().WithBackoff(time.Millisecond, 2*time.Millisecond).Build()
	fuse := circuitbreaker.NewBuilder[*http.Response]().HandleIf(func(r *http.Response, err error) bool {
		return err != nil || r.StatusCode >= 500
	}).WithFailureThreshold(10).Build()
	policies := []failsafego.Policy[*http.Response]{retries, fuse}
	all := map[string]*http.Client{
		ours:     {Transport: must(httpx.NewTransport(httpx.TransportConfig{}))},
		failsafe: {Transport: failsafehttp.NewRoundTripper(http.DefaultTransport.(*http.Transport).Clone(), policies...)},
	}
	for _, c := range all {
		c.Timeout = 10 * time.Second
		t.Cleanup(c.CloseIdleConnections)
	}
	return all
}

// server counts the requests and connections that it gets. The first requests are answered with 503.
type server struct {
	*httptest.Server
	bad                   int32
	requests, connections atomic.Int32
	body                  atomic.Value
}

func newServer(t *testing.T, bad int32) *server {
	t.Helper()
	s := &server{bad: bad}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		s.body.Store(len(body))
		if s.requests.Add(1) <= s.bad {
			http.Error(w, "no", http.StatusServiceUnavailable)
		}
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// send sends a body that cannot be had again, and says whether it was answered well.
func send(t *testing.T, c *http.Client, url, key string, body []byte) bool {
	t.Helper()
	req := must(http.NewRequestWithContext(t.Context(), http.MethodPost, url, io.NopCloser(bytes.NewReader(body))))
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := c.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode == http.StatusOK
}

func sentAgain(t *testing.T) findings {
	body := bytes.Repeat([]byte("x"), 10_000)
	found := findings{}
	for name, c := range clients(t) {
		s := newServer(t, 1)
		well := send(t, c, s.URL, "an-order", body)
		switch got := s.body.Load(); {
		case !well:
			found[name] = fell("not answered")
		case got != len(body):
			found[name] = fell("%v of %d bytes", got, len(body))
		case s.connections.Load() > 1:
			found[name] = fell("%d connections", s.connections.Load())
		default:
			found[name] = held("")
		}
	}
	return found
}

func badHost(t *testing.T) findings {
	found := findings{}
	for name, c := range clients(t) {
		bad, good := newServer(t, 1<<30), newServer(t, 0)
		for range 50 {
			send(t, c, bad.URL, "an-order", nil)
		}
		found[name] = fell("refused")
		if send(t, c, good.URL, "an-order", nil) {
			found[name] = held("")
		}
	}
	return found
}

func sentTwice(t *testing.T) findings {
	found := findings{}
	for name, c := range clients(t) {
		s := newServer(t, 1<<30)
		send(t, c, s.URL, "", []byte("one order"))
		if n := s.requests.Load(); n > 1 {
			found[name] = fell("%d times", n)
		} else {
			found[name] = held("once")
		}
	}
	return found
}
