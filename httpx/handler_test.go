package httpx_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/httpx"
)

// gate is a guard that says what it is told to, and keeps what it is told.
type gate struct {
	refusal error
	mu      sync.Mutex
	asked   []context.Context
	inside  int
	results []gabion.Result
}

func (g *gate) Describe() gabion.Description {
	return gabion.Description{Kind: "gate", Position: gabion.PositionShed}
}

func (g *gate) Acquire(ctx context.Context, _ gabion.Instant) (gabion.Ticket, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, ctx)
	if g.refusal == nil {
		g.inside++
	}
	return gabion.Ticket{}, g.refusal
}

func (g *gate) Done(_ gabion.Ticket, r gabion.Result) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.results = append(g.results, r)
}

// left waits until all have left, and returns how the last one did.
func (g *gate) left(t *testing.T) (last gabion.Result) {
	t.Helper()
	eventually(t, "the request has left", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.inside != 0 || len(g.results) == 0 {
			return false
		}
		last = g.results[len(g.results)-1]
		return true
	})
	return last
}

func handler(t testing.TB, cfg httpx.HandlerConfig, next http.HandlerFunc) http.HandlerFunc {
	t.Helper()
	h, err := httpx.NewHandler(cfg, next)
	if err != nil {
		t.Fatal(err)
	}
	return h.ServeHTTP
}

// guarded is a handler behind guards.
func guarded(t testing.TB, next http.HandlerFunc, guards ...gabion.Policy) http.HandlerFunc {
	t.Helper()
	return handler(t, httpx.HandlerConfig{Pipe: pipeOf(t, gabion.Config{}, guards...)}, next)
}

func plain(t testing.TB) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestWhatARequestSaysIsInItsContext(t *testing.T) {
	for name, test := range map[string]struct {
		cfg         httpx.HandlerConfig
		fields      http.Header
		left        time.Duration // about; 0: no deadline
		attempt     int
		priority    gabion.Priority
		tenant, key string
	}{
		"nothing":            {left: 30 * time.Second, attempt: 1},
		"less time":          {fields: http.Header{httpx.HeaderTimeout: {"9000"}}, left: 9 * time.Second, attempt: 1},
		"more time":          {fields: http.Header{httpx.HeaderTimeout: {"90000"}}, left: 30 * time.Second, attempt: 1},
		"nonsense":           {fields: http.Header{httpx.HeaderTimeout: {"soon"}, httpx.HeaderAttempt: {"-1"}}, left: 30 * time.Second, attempt: 1},
		"a maximum":          {cfg: httpx.HandlerConfig{Timeout: 5 * time.Second}, fields: http.Header{httpx.HeaderTimeout: {"9000"}}, left: 5 * time.Second, attempt: 1},
		"no maximum":         {cfg: httpx.HandlerConfig{Timeout: gabion.Off}, attempt: 1},
		"no maximum, asked":  {cfg: httpx.HandlerConfig{Timeout: gabion.Off}, fields: http.Header{httpx.HeaderTimeout: {"9000"}}, left: 9 * time.Second, attempt: 1},
		"a stream":           {fields: http.Header{"Accept": {"text/event-stream"}}, attempt: 1},
		"a stream that asks": {fields: http.Header{"Accept": {"text/event-stream"}, httpx.HeaderTimeout: {"90000"}}, left: 90 * time.Second, attempt: 1},
		"the second try":     {fields: http.Header{httpx.HeaderAttempt: {"2"}}, left: 30 * time.Second, attempt: 2},
		"a priority and a tenant": {
			cfg: httpx.HandlerConfig{
				Priority: func(*http.Request) gabion.Priority { return gabion.Critical },
				Tenant:   func(r *http.Request) string { return r.Header.Get("Api-Key") },
			},
			fields: http.Header{"Api-Key": {"alice"}}, left: 30 * time.Second, attempt: 1, priority: gabion.Critical, tenant: "alice",
		},
	} {
		g := &gate{}
		test.cfg.Pipe = pipeOf(t, gabion.Config{}, g)
		var inside context.Context
		h := handler(t, test.cfg, func(_ http.ResponseWriter, r *http.Request) { inside = r.Context() })
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		if test.fields != nil {
			req.Header = test.fields
		}
		h(httptest.NewRecorder(), req)
		for where, ctx := range map[string]context.Context{"guard": g.asked[0], "handler": inside} {
			deadline, has := ctx.Deadline()
			if left := time.Until(deadline); has != (test.left > 0) || has && (left > test.left || left < test.left-3*time.Second) {
				t.Errorf("%s, %s: %v is left, %v", name, where, left, has)
			}
			if n, p, who := gabion.AttemptOf(ctx), gabion.PriorityOf(ctx), gabion.TenantOf(ctx); n != test.attempt || p != test.priority || who != test.tenant {
				t.Errorf("%s, %s: try %d of %q, %v", name, where, n, who, p)
			}
		}
		if test.left > 0 && inside.Err() == nil {
			t.Errorf("%s: the context goes on after the request", name)
		}
	}
}

func TestGuardsLearnHowRequestsEnd(t *testing.T) {
	for name, test := range map[string]struct {
		h    http.HandlerFunc
		want gabion.Outcome
	}{
		"nothing written":      {func(http.ResponseWriter, *http.Request) {}, gabion.Success},
		"200":                  {says(200, "x"), gabion.Success},
		"404":                  {says(404, "x"), gabion.Success},
		"429":                  {says(429, "x"), gabion.Success},
		"500":                  {says(500, "x"), gabion.Failure},
		"501":                  {says(501, "x"), gabion.Success},
		"503":                  {says(503, "x"), gabion.Failure},
		"early hints, and 503": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(503) }, gabion.Failure},
		"200, and 503 later":   {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "x"); w.WriteHeader(503) }, gabion.Success},
		"a panic":              {func(http.ResponseWriter, *http.Request) { panic("x") }, gabion.Failure},
		"a panic after 200":    {breaks, gabion.Failure},
	} {
		g := &gate{}
		s := serve(t, guarded(t, test.h, g))
		get(t, plain(t), s.URL)
		if r := g.left(t); r.Outcome != test.want || (r.Err != nil) != (test.want == gabion.Failure) || r.Began == 0 {
			t.Errorf("%s: %+v, want %v", name, r, test.want)
		}
	}
}

func TestAPanicGivesBackAndGoesOn(t *testing.T) {
	b, err := bulkhead.New(bulkhead.Config{Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	const boom = "boom"
	h := guarded(t, func(http.ResponseWriter, *http.Request) { panic(boom) }, b)
	for range 3 {
		func() {
			defer func() {
				if got := recover(); got != boom {
					t.Errorf("recovered %v", got)
				}
			}()
			h(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		}()
	}
	ends := guarded(t, func(http.ResponseWriter, *http.Request) { runtime.Goexit() }, b)
	for range 3 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			ends(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		}()
		<-done
	}
	if n := b.Snapshot().InFlight; n != 0 {
		t.Errorf("%d places are lost", n)
	}
}

func TestAClientThatGoesIsNoFailure(t *testing.T) {
	noLeak(t)
	for name, end := range map[string]func(http.ResponseWriter){
		"503":     func(w http.ResponseWriter) { w.WriteHeader(503) },
		"a panic": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		g := &gate{}
		begun := make(chan struct{})
		s := serve(t, guarded(t, func(w http.ResponseWriter, r *http.Request) {
			close(begun)
			<-r.Context().Done()
			end(w)
		}, g))
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-begun; cancel() }()
		do(plain(t), request(t, http.MethodGet, s.URL, nil).WithContext(ctx))
		if r := g.left(t); r.Outcome != gabion.Ignored {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// The twin of a client that goes: one whose time is over.
func TestADeadlineThatIsMissedIsAFailure(t *testing.T) {
	g := &gate{}
	h := handler(t, httpx.HandlerConfig{Pipe: pipeOf(t, gabion.Config{}, g), Timeout: 10 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		w.WriteHeader(504)
	})
	get(t, plain(t), serve(t, h).URL)
	if r := g.left(t); r.Outcome != gabion.Failure {
		t.Errorf("%+v", r)
	}
}

func TestStreamsHoldTheirPlace(t *testing.T) {
	noLeak(t)
	g := &gate{}
	next := make(chan struct{})
	s := serve(t, guarded(t, func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			fmt.Fprint(w, "data: x\n\n")
			w.(http.Flusher).Flush()
			<-next
		}
	}, g))
	req := request(t, http.MethodGet, s.URL, nil)
	req.Header.Set("Accept", "text/event-stream")
	resp, err := plain(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for range 3 {
		if _, err := io.ReadFull(resp.Body, make([]byte, 9)); err != nil {
			t.Fatal(err)
		}
		g.mu.Lock()
		if g.inside != 1 {
			t.Error("the place was given back while the stream goes on")
		}
		g.mu.Unlock()
		next <- struct{}{}
	}
	if r := g.left(t); r.Outcome != gabion.Success {
		t.Errorf("%+v", r)
	}
}

func TestAConnectionThatIsTakenOverHoldsItsPlace(t *testing.T) {
	noLeak(t)
	for name, hijack := range map[string]func(http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error){
		"asserted": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) { return w.(http.Hijacker).Hijack() },
		"controlled": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
			return http.NewResponseController(w).Hijack()
		},
	} {
		g := &gate{}
		s := serve(t, guarded(t, func(w http.ResponseWriter, _ *http.Request) {
			conn, buf, err := hijack(w)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
			buf.ReadString('\n')
		}, g))
		req := request(t, http.MethodGet, s.URL, nil)
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "x")
		resp, err := plain(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		g.mu.Lock()
		if g.inside != 1 {
			t.Errorf("%s: the place was given back while the connection is used", name)
		}
		g.mu.Unlock()
		resp.Body.Close()
		if r := g.left(t); r.Outcome != gabion.Success {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestHandlersFindWhatTheWriterCanDo(t *testing.T) {
	type can struct{ flush, hijack, push, from, text bool }
	abilities := func(w http.ResponseWriter) (c can) {
		_, c.flush = w.(http.Flusher)
		_, c.hijack = w.(http.Hijacker)
		_, c.push = w.(http.Pusher)
		_, c.from = w.(io.ReaderFrom)
		_, c.text = w.(io.StringWriter)
		return c
	}
	var got can
	var err error
	h := guarded(t, func(w http.ResponseWriter, _ *http.Request) {
		got = abilities(w)
		w.(io.ReaderFrom).ReadFrom(strings.NewReader("from "))
		io.WriteString(w, "text")
		err = http.NewResponseController(w).Flush()
	}, &gate{})
	s := serve(t, h)
	if a := get(t, plain(t), s.URL); a.body != "from text" || err != nil || got != (can{true, true, false, true, true}) {
		t.Errorf("HTTP/1: %+v, %v, %+v", a, err, got)
	}
	s, c := secure(t, h)
	if a := get(t, &http.Client{Transport: c}, s.URL); a.body != "from text" || err != nil || got != (can{true, false, true, true, true}) {
		t.Errorf("HTTP/2: %+v, %v, %+v", a, err, got)
	}
	c.CloseIdleConnections()
	w := httptest.NewRecorder()
	h(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Body.String() != "from text" || err != nil || got != (can{true, false, false, true, true}) || !w.Flushed {
		t.Errorf("a recorder: %q, %v, %+v", w.Body, err, got)
	}
	h(struct{ http.ResponseWriter }{w}, httptest.NewRequest(http.MethodGet, "/", nil))
	if !errors.Is(err, http.ErrNotSupported) || got != (can{from: true, text: true}) {
		t.Errorf("a plain writer: %v, %+v", err, got)
	}
}

func TestManyRequestsAtTheDoor(t *testing.T) {
	noLeak(t)
	b, err := bulkhead.New(bulkhead.Config{Concurrency: 3, Queue: 5, Wait: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	var inside, most atomic.Int32
	h := guarded(t, func(_ http.ResponseWriter, r *http.Request) {
		n := inside.Add(1)
		defer inside.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if r.URL.Path == "/panic" {
			panic(http.ErrAbortHandler)
		}
	}, b)
	s := serve(t, h)
	c := plain(t)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 20 {
				get(t, c, s.URL+[]string{"/", "/panic"}[i%2])
			}
		})
	}
	wg.Wait()
	eventually(t, "all places are free", func() bool { return b.Snapshot().InFlight == 0 })
	if most.Load() > 3 {
		t.Errorf("%d were inside at once", most.Load())
	}
	c.CloseIdleConnections()
}
