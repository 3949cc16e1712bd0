package forward

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// patient is the attempt's timeout of tests in which some endpoints hang and the others must make it, on a busy machine too.
const patient = 5 * short

// partial are answers that break in the middle of their body.
var partial = map[string]string{
	"known length":   "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
	"unknown length": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
}

// TestFailuresOfOneEndpoint: whatever one of two endpoints does, safe requests succeed; without retries they do not.
func TestFailuresOfOneEndpoint(t *testing.T) {
	breaks := func(answer string) func(*testing.T) *endpoint {
		return func(t *testing.T) *endpoint {
			return raw(t, func(c net.Conn) { io.WriteString(c, answer) })
		}
	}
	faults := map[string]func(*testing.T) *endpoint{
		"refuses": dead, "resets": resets, "hangs": hangs,
		"says 503":             func(t *testing.T) *endpoint { return says(t, 503) },
		"garbage":              breaks("what?\r\n\r\n"),
		"breaks in the head":   breaks("HTTP/1.1 200 OK\r\nConte"),
		"breaks, known length": breaks(partial["known length"]),
		"breaks, chunked":      breaks(partial["unknown length"]),
		"hangs in a held body": func(t *testing.T) *endpoint {
			return raw(t, func(c net.Conn) { io.WriteString(c, partial["known length"]); io.Copy(io.Discard, c) })
		},
		"resets in a held body": func(t *testing.T) *endpoint {
			return raw(t, func(c net.Conn) { io.WriteString(c, partial["known length"]); reset(c) })
		},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := fault(t)
			count := func(settings ...setting) (failed int) {
				s := forwardTo(t, []*endpoint{good(t), bad}, append(settings, attemptTimeout(patient), totalTimeout(4*patient))...)
				for range 4 {
					if g := run(t, s, newExchange(t, "GET")); g.status != 200 || g.body != "ok" || g.err != nil {
						failed++
					}
				}
				return failed
			}
			if n := count(); n != 0 {
				t.Errorf("%d of 4 failed", n)
			}
			if n := count(noRetry); n == 0 {
				t.Error("without retries nothing failed: the test proves nothing")
			}
		})
	}
}

// TestUnsafe: a request that must not be carried out twice is sent again only when nothing of it was sent.
func TestUnsafe(t *testing.T) {
	tests := []struct {
		name  string
		bad   func(*testing.T) *endpoint
		key   bool
		again bool
	}{
		{"refused", dead, false, true},
		{"reset", resets, false, false},
		{"reset, with a key", resets, true, true},
		{"hangs", hangs, false, false},
		{"hangs, with a key", hangs, true, true},
		{"503", func(t *testing.T) *endpoint { return says(t, 503) }, false, false},
		{"503, with a key", func(t *testing.T) *endpoint { return says(t, 503) }, true, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fine, bad := good(t), test.bad(t)
			s := forwardTo(t, []*endpoint{fine, bad}, attemptTimeout(patient))
			failed := 0
			for range 6 {
				x := withBody(newExchange(t, "POST"), "order")
				if test.key {
					x.Request.Header.Set("Idempotency-Key", "k")
				}
				if g := run(t, s, x); g.status != 200 {
					failed++
				}
			}
			if (failed == 0) != test.again {
				t.Errorf("%d of 6 failed", failed)
			}
			if sum := fine.count.Load() + bad.count.Load(); !test.again && sum != 6 {
				t.Errorf("6 requests were carried out %d times", sum)
			}
		})
	}
}

// TestLastAnswerIsPassedOn: when all endpoints say no, the client hears it from them.
func TestLastAnswerIsPassedOn(t *testing.T) {
	a, b := says(t, 503), says(t, 503)
	g := run(t, forwardTo(t, []*endpoint{a, b}), newExchange(t, "GET"))
	if g.status != 503 || g.body != "no" || g.x.Record.Problem != "" {
		t.Errorf("got %d %q, problem %q", g.status, g.body, g.x.Record.Problem)
	}
	if n := a.count.Load() + b.count.Load(); n != 3 || g.x.Record.Attempts != 3 {
		t.Errorf("%d attempts arrived, %d were recorded, must be 3", n, g.x.Record.Attempts)
	}
}

// TestOtherStatusesPass: what is not listed is not repeated.
func TestOtherStatusesPass(t *testing.T) {
	for _, status := range []int{200, 204, 304, 404, 429, 500, 501} {
		e := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		if g := run(t, forwardTo(t, []*endpoint{e}), newExchange(t, "GET")); g.status != status || e.count.Load() != 1 {
			t.Errorf("%d: got %d after %d attempts", status, g.status, e.count.Load())
		}
	}
}

func TestRetryAfter(t *testing.T) {
	busy := func(after string) *endpoint {
		first := true
		return serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if first {
				first = false
				w.Header().Set("Retry-After", after)
				w.WriteHeader(503)
			}
		})
	}
	x := newExchange(t, "GET")
	if g := run(t, forwardTo(t, []*endpoint{busy("1")}), x); g.status != 200 {
		t.Errorf("got %d, must be 200 after the wait", g.status)
	}
	if waited := gabion.Now() - x.Started; waited < time.Second {
		t.Errorf("the endpoint asked for a second, the retry came after %v", waited)
	}
	// The others need not wait for the one that asks for it.
	always := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(503)
	})
	s := forwardTo(t, []*endpoint{always, good(t)}, totalTimeout(10*time.Second))
	for range 4 {
		if g := run(t, s, newExchange(t, "GET")); g.status != 200 {
			t.Errorf("got %d, must be the other endpoint's 200", g.status)
		}
	}
	// A wait that would go past the deadline is not begun.
	x = newExchange(t, "GET")
	if g := run(t, forwardTo(t, []*endpoint{busy("10")}, totalTimeout(5*time.Second)), x); g.status != 503 {
		t.Errorf("got %d, must be the endpoint's 503", g.status)
	}
	if waited := gabion.Now() - x.Started; waited > 3*time.Second {
		t.Errorf("it was waited for %v in vain", waited)
	}
}

// TestStreamedUpload: a body that is too large to be kept can go elsewhere until the first byte is read.
func TestStreamedUpload(t *testing.T) {
	large := strings.Repeat("a", maxPayload+1)
	fine := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err == nil && n == int64(len(large)) {
			io.WriteString(w, "ok")
		}
	})
	for name, test := range map[string]struct {
		bad   *endpoint
		again bool
	}{"refused": {dead(t), true}, "reset": {resets(t), false}} {
		s := forwardTo(t, []*endpoint{fine, test.bad})
		failed := 0
		for i := range 10 {
			x := withBody(newExchange(t, "PUT"), large)
			x.Request.Header.Set("Idempotency-Key", "k")
			if i%2 == 0 {
				x.Request.Length = -1
			}
			if g := run(t, s, x); g.status != 200 || g.body != "ok" {
				failed++
			}
		}
		if (failed == 0) != test.again {
			t.Errorf("%s: %d of 10 failed", name, failed)
		}
	}
}

// TestBodyIsReplayed: every attempt gets the whole body.
func TestBodyIsReplayed(t *testing.T) {
	attempts := 0
	e := serve(t, func(w http.ResponseWriter, r *http.Request) {
		attempts++
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != "order" {
			t.Errorf("attempt %d got %q, %v", attempts, body, err)
		}
		if got := r.Header.Get("X-Gabion-Attempt"); got != string(rune('0'+attempts)) {
			t.Errorf("attempt %d is called %q", attempts, got)
		}
		if attempts < 3 {
			w.WriteHeader(502)
		}
	})
	x := withBody(newExchange(t, "PUT"), "order")
	x.Request.Header.Set("Idempotency-Key", "k")
	if g := run(t, forwardTo(t, []*endpoint{e}), x); g.status != 200 || attempts != 3 {
		t.Errorf("got %d after %d attempts", g.status, attempts)
	}
}

// TestLargeAnswerBreaks: what is too large to be held is passed on, and a break is visible.
func TestLargeAnswerBreaks(t *testing.T) {
	size := maxHeld + 1
	for name, head := range map[string]string{
		"known length":   "Content-Length: 1000000\r\n\r\n",
		"unknown length": "Transfer-Encoding: chunked\r\n\r\nf4240\r\n",
	} {
		e := raw(t, func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n"+head+strings.Repeat("a", size))
		})
		g := run(t, forwardTo(t, []*endpoint{e}), newExchange(t, "GET"))
		if !errors.Is(g.err, exchange.ErrUpstreamBroke) || len(g.body) != size {
			t.Errorf("%s: got %d bytes, %v", name, len(g.body), g.err)
		}
		if n := e.count.Load(); n != 1 {
			t.Errorf("%s: sent %d times", name, n)
		}
	}
}

// TestOpenAnswerIsNotHeldLong: an answer that is written bit by bit arrives bit by bit.
func TestOpenAnswerIsNotHeldLong(t *testing.T) {
	for _, contentType := range []string{"text/plain", "text/event-stream"} {
		next := make(chan bool, 3)
		e := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			for _, part := range []string{"one", "two", "three"} {
				io.WriteString(w, part)
				http.NewResponseController(w).Flush()
				if part != "three" {
					<-next // until the client has it
				}
			}
		})
		x := newExchange(t, "GET")
		x.Client.(*client).took = func(string) { next <- true }
		if g := run(t, forwardTo(t, []*endpoint{e}), x); g.body != "onetwothree" || g.err != nil {
			t.Errorf("got %q, %v", g.body, g.err)
		}
	}
}

// TestTrailersSurviveHolding: an answer with trailers keeps them.
func TestTrailersSurviveHolding(t *testing.T) {
	e := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		io.WriteString(w, "ok")
		w.Header().Set("X-Sum", "7")
	})
	x := newExchange(t, "GET")
	keep := &keeper{client: x.Client.(*client)}
	x.Client = keep
	forwardTo(t, []*endpoint{e}).Enter(x)
	if keep.body != "ok" || keep.trailer != "7" {
		t.Errorf("got %q, trailer %q", keep.body, keep.trailer)
	}
}

// keeper keeps a trailer.
type keeper struct {
	*client
	trailer string
}

func (k *keeper) Send(a *exchange.Answer) error {
	err := k.client.Send(a)
	if a.Trailer != nil {
		k.trailer = a.Trailer().Get("X-Sum")
	}
	return err
}

// TestBudget: when everything fails, retries stay a small part of the load.
func TestBudget(t *testing.T) {
	e := says(t, 503)
	s := forwardTo(t, []*endpoint{e}, func(c *config.Service) { c.Retry.Config.Budget = 0.1 })
	for range 100 {
		run(t, s, newExchange(t, "GET"))
	}
	if n := e.count.Load(); n > 120 {
		t.Errorf("100 requests made %d attempts, must be at most 110 and the reserve of 10", n)
	}
}
