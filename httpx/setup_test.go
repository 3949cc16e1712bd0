package httpx_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/httpx"
	"github.com/gabion-io/gabion/retry"
)

// patience bounds what a test waits for that must happen.
const patience = 10 * time.Second

// quiet is for servers whose handlers are meant to panic.
var quiet = log.New(io.Discard, "", 0)

// serve starts a server on the loopback interface, until the test ends.
func serve(t testing.TB, h http.HandlerFunc, change ...func(*httptest.Server)) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = quiet
	for _, c := range change {
		c(s)
	}
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// client sends through a Transport with this configuration.
func client(t testing.TB, cfg httpx.TransportConfig) *http.Client {
	t.Helper()
	transport, err := httpx.NewTransport(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Transport: transport}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// clientOf sends through these policies.
func clientOf(t testing.TB, cfg httpx.TransportConfig, policies ...gabion.Policy) *http.Client {
	t.Helper()
	cfg.Pipe = pipeOf(t, gabion.Config{Classify: httpx.Classify}, policies...)
	return client(t, cfg)
}

func pipeOf(t testing.TB, cfg gabion.Config, policies ...gabion.Policy) *gabion.Pipe {
	t.Helper()
	cfg.Policies = policies
	p, err := gabion.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// quick makes retries wait for a moment only, and never too many.
var quick = retry.Config{Backoff: retry.Backoff{Initial: time.Millisecond, Max: 2 * time.Millisecond}, Budget: gabion.Off}

func retries(t testing.TB) *retry.Retry {
	t.Helper()
	r, err := retry.New(quick)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func fuse(t testing.TB, cfg breaker.Config) *breaker.Breaker {
	t.Helper()
	b, err := breaker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// request makes a request with a body, nil: none.
func request(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// answer is what a client got.
type answer struct {
	status int
	body   string
	err    error // of the request, or of reading the body
	header http.Header
}

// do sends a request and reads the answer.
func do(c *http.Client, req *http.Request) answer {
	resp, err := c.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, string(b), err, resp.Header}
}

// get is do for a simple request.
func get(t testing.TB, c *http.Client, url string) answer {
	t.Helper()
	return do(c, request(t, http.MethodGet, url, nil))
}

// eventually waits until something is so.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !is(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
}

// noLeak fails the test when it leaves goroutines. Call it before anything that starts some.
func noLeak(t testing.TB) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for end := time.Now().Add(patience); runtime.NumGoroutine() > before && time.Now().Before(end); {
			<-tick.C
		}
		if n := runtime.NumGoroutine(); n > before {
			stacks := make([]byte, 1<<20)
			t.Errorf("%d goroutines are left:\n%s", n-before, stacks[:runtime.Stack(stacks, true)])
		}
	})
}

// script answers requests one after the other, the last one for ever, and counts them.
type script struct {
	calls atomic.Int32
	steps []http.HandlerFunc
}

func scripted(steps ...http.HandlerFunc) *script { return &script{steps: steps} }

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := int(s.calls.Add(1))
	s.steps[min(n, len(s.steps))-1](w, r)
}

// says answers with a status, a body, and header fields such as "Retry-After: 1".
func says(status int, body string, fields ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, f := range fields {
			name, value, _ := strings.Cut(f, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// hangs answers nothing until the client has gone.
func hangs(_ http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body) // or the server would not see that the client goes
	<-r.Context().Done()
}

// breaks closes the connection after it has sent something.
func breaks(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusOK)
	io.WriteString(w, "the beginning")
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// observed makes a base that tells of requests and of the bodies of answers.
type observed struct {
	http.RoundTripper
	mu     sync.Mutex
	bodies []*watchedBody
}

type watchedBody struct {
	io.ReadCloser
	closed, ended atomic.Bool
	context       context.Context
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.ended.Store(true)
	}
	return n, err
}

func (b *watchedBody) Close() error {
	b.closed.Store(true)
	return b.ReadCloser.Close()
}

func (o *observed) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := o.RoundTripper.RoundTrip(req)
	if err == nil {
		b := &watchedBody{ReadCloser: resp.Body, context: req.Context()}
		resp.Body = b
		o.mu.Lock()
		defer o.mu.Unlock()
		o.bodies = append(o.bodies, b)
	}
	return resp, err
}

func (o *observed) all() []*watchedBody {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]*watchedBody(nil), o.bodies...)
}
