package forward

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/gateway/service"
)

func TestProblems(t *testing.T) {
	garbage := raw(t, func(c net.Conn) { io.WriteString(c, "what?\r\n\r\n") })
	tests := []struct {
		name     string
		endpoint *endpoint
		kind     string
		status   int
		after    bool
	}{
		{"refused", dead(t), exchange.NoEndpoint, 503, true},
		{"reset", resets(t), exchange.UpstreamBroken, 502, false},
		{"garbage", garbage, exchange.UpstreamBroken, 502, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			x := newExchange(t, "GET")
			g := run(t, forwardTo(t, []*endpoint{test.endpoint}), x)
			g.wantProblem(t, test.kind, test.status)
			if got := g.header.Get("Retry-After") != ""; got != test.after {
				t.Errorf("Retry-After is %q", g.header.Get("Retry-After"))
			}
			if x.Record.Err == nil || x.Record.Endpoint == "" {
				t.Errorf("the record has error %v, endpoint %q", x.Record.Err, x.Record.Endpoint)
			}
		})
	}
}

// TestBreakerOfService: it opens on the outcome of whole requests, and refuses quickly.
func TestBreakerOfService(t *testing.T) {
	e := says(t, 500)
	s := stepOf(t, Config{Target: targetOf(serviceOf(t, []*endpoint{e}, breakers, func(c *config.Service) { c.Breaker.Config.Consecutive = 3 }))})
	for range 3 {
		if g := run(t, s, newExchange(t, "GET")); g.status != 500 {
			t.Fatalf("got %d", g.status)
		}
	}
	g := run(t, s, newExchange(t, "GET"))
	if g.status != 503 || g.header.Get("Retry-After") == "" {
		t.Fatalf("got %d, Retry-After %q", g.status, g.header.Get("Retry-After"))
	}
	if n := e.count.Load(); n != 3 {
		t.Errorf("%d requests arrived, must be 3", n)
	}
	if g.x.Record.Attempts != 0 {
		t.Errorf("%d attempts were recorded for a refused request", g.x.Record.Attempts)
	}
}

func TestBulkhead(t *testing.T) {
	arrived, release := make(chan bool), make(chan bool)
	e := serve(t, func(http.ResponseWriter, *http.Request) { arrived <- true; <-release })
	one := func(c *config.Service) { c.Bulkhead.Off, c.Bulkhead.Config.Concurrency = false, 1 }
	s := forwardTo(t, []*endpoint{e}, one)
	results := make(chan got)
	go func() { results <- run(t, s, newExchange(t, "GET")) }()
	<-arrived
	g := run(t, s, newExchange(t, "GET"))
	g.wantProblem(t, exchange.BulkheadFull, 503)
	if g.header.Get("Retry-After") == "" {
		t.Error("Retry-After is missing")
	}
	release <- true
	if g := <-results; g.status != 200 {
		t.Errorf("the first got %d", g.status)
	}
	go func() { <-arrived; release <- true }()
	if g := run(t, s, newExchange(t, "GET")); g.status != 200 {
		t.Errorf("after the first had ended, got %d", g.status)
	}
}

// TestBulkheadWaitEndsWithDeadline: nobody waits in the queue for longer than the answer is worth something.
func TestBulkheadWaitEndsWithDeadline(t *testing.T) {
	arrived, release := make(chan bool), make(chan bool)
	e := serve(t, func(http.ResponseWriter, *http.Request) { arrived <- true; <-release })
	s := forwardTo(t, []*endpoint{e}, func(c *config.Service) {
		c.Bulkhead.Off, c.Bulkhead.Config.Concurrency, c.Bulkhead.Config.Queue, c.Bulkhead.Config.Wait = false, 1, 10, long
	})
	results := make(chan got)
	go func() { results <- run(t, s, newExchange(t, "GET")) }()
	<-arrived
	x := newExchange(t, "GET")
	x.Request.Header.Set("X-Gabion-Timeout-Ms", "100")
	run(t, s, x).wantProblem(t, exchange.DeadlineExceeded, 504)
	if took := gabion.Now() - x.Started; took > long/2 {
		t.Errorf("it took %v", took)
	}
	release <- true
	<-results
}

func TestBodyOfClientFails(t *testing.T) {
	for _, length := range []int64{10, maxPayload + 1, -1} {
		for cause, status := range map[error]int{exchange.ErrBodySlow: 408, exchange.ErrBodyTooLarge: 413, exchange.ErrBodyBroken: 400} {
			s := serviceOf(t, []*endpoint{good(t)}, breakers, func(c *config.Service) { c.Breaker.Config.Consecutive = 1 })
			x := newExchange(t, "PUT")
			x.Request.Header.Set("Idempotency-Key", "k")
			x.Request.Length = length
			x.Request.Body = io.MultiReader(strings.NewReader("abc"), &failing{x.Client.(*client), cause})
			g := run(t, stepOf(t, Config{Target: targetOf(s)}), x)
			if g.status != status {
				t.Errorf("length %d, %v: got %d (%v), must be %d", length, cause, g.status, x.Record.Err, status)
			}
			if state := s.Breaker().State().String(); state != "closed" {
				t.Errorf("the breaker is %s", state)
			}
		}
	}
}

// failing is the end of a request body that breaks off.
type failing struct {
	client *client
	cause  error
}

func (f *failing) Read([]byte) (int, error) {
	f.client.bodyErr.Store(&f.cause)
	return 0, fmt.Errorf("reading the body: %w", f.cause)
}

func TestFallback(t *testing.T) {
	fixed, err := exchange.NewFixed(200, nil, map[string]any{"degraded": true}, "")
	if err != nil {
		t.Fatal(err)
	}
	other := func(endpoints ...*endpoint) Fallback {
		target := targetOf(serviceOf(t, endpoints))
		target.Name = "static"
		return Fallback{Name: "static", Target: &target}
	}
	respond := Fallback{Name: "respond", Fixed: fixed}
	tests := []struct {
		name     string
		primary  *endpoint
		method   string
		fallback []Fallback
		status   int
		degraded string
	}{
		{"not needed", good(t), "GET", []Fallback{respond}, 200, ""},
		{"not for the client's mistakes", says(t, 404), "GET", []Fallback{respond}, 404, ""},
		{"fixed, for an error", dead(t), "GET", []Fallback{respond}, 200, "respond"},
		{"fixed, for a status", says(t, 500), "GET", []Fallback{respond}, 200, "respond"},
		{"service", says(t, 503), "GET", []Fallback{other(good(t)), respond}, 200, "static"},
		{"service, for a POST that was refused", says(t, 503), "POST", []Fallback{other(good(t))}, 200, "static"},
		{"no service for a POST that may have been done", resets(t), "POST", []Fallback{other(good(t))}, 502, ""},
		{"next when the service fails", dead(t), "GET", []Fallback{other(says(t, 500)), respond}, 200, "respond"},
		{"none left", says(t, 500), "GET", []Fallback{other(dead(t))}, 500, ""},
		{"none left, error", dead(t), "GET", []Fallback{other(says(t, 500))}, 503, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := stepOf(t, Config{Target: targetOf(serviceOf(t, []*endpoint{test.primary})), Fallback: test.fallback})
			x := newExchange(t, test.method)
			if test.method == "POST" {
				withBody(x, "order")
			}
			g := run(t, s, x)
			if g.status != test.status || x.Record.Degraded != test.degraded || x.Reply.Get("X-Gabion-Degraded") != test.degraded {
				t.Errorf("got %d, degraded %q, %q", g.status, x.Record.Degraded, x.Reply.Get("X-Gabion-Degraded"))
			}
			if test.degraded == "respond" && !strings.Contains(g.body, "degraded") {
				t.Errorf("got %q", g.body)
			}
			if test.degraded == "static" && x.Record.Service != "static" {
				t.Errorf("the record names service %q", x.Record.Service)
			}
		})
	}
}

func TestCost(t *testing.T) {
	for value, want := range map[string]struct {
		cost   time.Duration
		stated bool
	}{
		"": {}, "1500": {1500 * time.Millisecond, true}, "0": {0, true}, "-5": {}, "x": {},
		"9223372036854775807": {maxCost, true}, "99999999999999999999": {},
	} {
		e := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Gabion-Cost-Ms", value) })
		g := run(t, forwardTo(t, []*endpoint{e}), newExchange(t, "GET"))
		if r := g.x.Record; r.Cost != want.cost || r.Stated != want.stated {
			t.Errorf("%q: cost %v, stated %v", value, r.Cost, r.Stated)
		}
		if g.header.Get("X-Gabion-Cost-Ms") != "" {
			t.Error("the client is told the cost")
		}
	}
}

// TestUpstreamTime: the record has the endpoint's time, and not the client's.
func TestUpstreamTime(t *testing.T) {
	e := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		<-time.After(short)
		io.WriteString(w, strings.Repeat("a", 4<<20))
	})
	x := newExchange(t, "GET")
	waited := false
	x.Client.(*client).took = func(string) {
		if !waited {
			waited = true
			<-time.After(20 * short)
		}
	}
	run(t, forwardTo(t, []*endpoint{e}), x)
	if u := x.Record.Upstream; u < short || u > 15*short {
		t.Errorf("an endpoint that took %v is charged %v", short, u)
	}
}

func TestUpgrade(t *testing.T) {
	e := raw(t, func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n")
		io.Copy(c, c)
	})
	x := newExchange(t, "GET")
	x.Request.Upgrade = "chat"
	echoed := ""
	x.Client.(*client).join = func(c io.ReadWriteCloser) {
		<-time.After(2 * patient) // longer than the total
		io.WriteString(c, "hello")
		b := make([]byte, 5)
		_, err := io.ReadFull(c, b)
		if err != nil {
			t.Error(err)
		}
		echoed = string(b)
	}
	if g := run(t, forwardTo(t, []*endpoint{e}, totalTimeout(patient)), x); g.status != 101 || echoed != "hello" {
		t.Errorf("got %d, echoed %q", g.status, echoed)
	}
}

// TestDropOnOpen: when the breaker of an endpoint opens, requests in flight on it are sent to another at once.
func TestDropOnOpen(t *testing.T) {
	hung := make(chan bool, 1)
	bad := raw(t, func(c net.Conn) {
		select {
		case hung <- true:
			io.Copy(io.Discard, c) // the first hangs
		default:
			io.WriteString(c, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
		}
	})
	for drop, want := range map[bool]int{true: 200, false: 504} {
		s := serviceOf(t, []*endpoint{bad, good(t)}, breakers, attemptTimeout(20*short), func(c *config.Service) {
			c.Breaker.Config.Consecutive, c.Breaker.Config.DropConnections = 3, drop
		})
		target := targetOf(s)
		target.On = []string{"connect", "reset"}
		step := stepOf(t, Config{Target: target})
		results := make(chan int)
		go func() {
			for {
				if g := run(t, step, newExchange(t, "GET")); len(hung) == 1 {
					results <- g.status
					return
				}
			}
		}()
		hung <- <-hung // it hangs
		for range 12 {
			run(t, step, newExchange(t, "GET"))
		}
		if got := <-results; got != want {
			t.Errorf("drop_connections %v: the request in flight got %d, must be %d", drop, got, want)
		}
		<-hung
	}
}

func TestNewRefusesUnknownWords(t *testing.T) {
	for _, word := range []string{"conect", "99", "200", "600", "5xx", ""} {
		if _, err := New(Config{Target: Target{On: []string{word}}}); err == nil {
			t.Errorf("%q was taken", word)
		}
	}
}

// TestPanicGivesBack: a panic of the front leaves nothing taken.
func TestPanicGivesBack(t *testing.T) {
	s := serviceOf(t, []*endpoint{good(t)}, func(c *config.Service) { c.Bulkhead.Off, c.Bulkhead.Config.Concurrency = false, 1 })
	step := stepOf(t, Config{Target: targetOf(s)})
	boom := errors.New("boom")
	for range 3 {
		x := newExchange(t, "POST") // whose answer is not held, so that a place is taken while it is sent
		x.Client.(*client).took = func(string) { panic(boom) }
		func() {
			defer func() {
				if r := recover(); r != any(boom) {
					t.Errorf("recovered %v", r)
				}
			}()
			step.Enter(x)
		}()
	}
	if n := s.Bulkhead().Snapshot().InFlight; n != 0 {
		t.Errorf("%d places are still taken", n)
	}
}

// TestNoEndpoint: all breakers of endpoints are open.
func TestNoEndpoint(t *testing.T) {
	s := serviceOf(t, []*endpoint{dead(t)}, breakers, func(c *config.Service) { c.Breaker.Config.Consecutive = 1 })
	step := stepOf(t, Config{Target: targetOf(s)})
	var g got
	for range 3 {
		g = run(t, step, newExchange(t, "GET"))
		if g.status != 503 || g.header.Get("Retry-After") == "" {
			t.Fatalf("got %d, Retry-After %q", g.status, g.header.Get("Retry-After"))
		}
	}
	if g.x.Record.Attempts != 0 {
		t.Errorf("the last made %d attempts", g.x.Record.Attempts)
	}
	if !errors.Is(g.x.Record.Err, gabion.ErrRejected) && !errors.Is(g.x.Record.Err, service.ErrUnavailable) {
		t.Errorf("the error is %v", g.x.Record.Err)
	}
}

// stalled is the body of a client that stops sending. Like that of a front, it writes to memory that is used again.
type stalled struct {
	first    string
	received int
	stop     chan struct{}
}

func (s *stalled) Read(p []byte) (int, error) {
	n := copy(p, s.first)
	s.first = s.first[n:]
	if n == 0 {
		<-s.stop
	}
	s.received += n
	return n, nil
}

func (s *stalled) Interrupt() { close(s.stop) }

// TestNothingIsReadAfterwards: an answer that comes before the end of a streamed request ends the reading of it.
func TestNothingIsReadAfterwards(t *testing.T) {
	e := raw(t, func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
		io.Copy(io.Discard, c)
	})
	s := forwardTo(t, []*endpoint{e})
	for range 20 {
		x := newExchange(t, "PUT")
		body := &stalled{first: strings.Repeat("a", 100_000), stop: make(chan struct{})}
		x.Request.Body, x.Request.Length = body, -1
		if g := run(t, s, x); g.status != 403 || g.body != "no" {
			t.Fatalf("got %d %q", g.status, g.body)
		}
		body.received = 0 // the race detector tells when somebody still reads
	}
}

func TestProblemForGRPC(t *testing.T) {
	x := newExchange(t, "POST")
	x.Request.Header.Set("Content-Type", "application/grpc")
	g := run(t, forwardTo(t, []*endpoint{dead(t)}), x)
	if g.status != 200 || g.header.Get("Grpc-Status") != "14" || g.header.Get("Grpc-Retry-Pushback-Ms") == "" {
		t.Errorf("got %d %v", g.status, g.header)
	}
}
