package forward

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/hedge"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/gateway/service"
)

// hedged sends requests again after a while.
func hedged(after time.Duration) setting {
	return func(c *config.Service) {
		c.Hedge.Off = false
		c.Hedge.Config = hedge.Config{After: hedge.After{Time: after}, Budget: gabion.Off}
	}
}

// givenUp is an endpoint that hangs, and says when a request came and when it was given up.
func givenUp(t *testing.T) (e *endpoint, came, gone chan struct{}) {
	t.Helper()
	came, gone = make(chan struct{}, 10), make(chan struct{}, 10)
	return raw(t, func(c net.Conn) {
		came <- struct{}{}
		io.Copy(io.Discard, c)
		gone <- struct{}{}
	}), came, gone
}

// await waits until something has happened.
func await(t *testing.T, what string, happened <-chan struct{}) {
	t.Helper()
	select {
	case <-happened:
	case <-time.After(long):
		t.Fatalf("%s: not in %v", what, long)
	}
}

// idle tells that no endpoint has anything in flight.
func idle(t *testing.T, s *service.Service) {
	t.Helper()
	for _, e := range s.Snapshot(gabion.Now()).Endpoints {
		if e.InFlight != 0 {
			t.Errorf("%s still works on %d requests", e.Name, e.InFlight)
		}
	}
}

// TestSlowAttemptIsMadeAgainBesideItself: one of two endpoints hangs, and nobody waits for it. Without the hedge they do.
func TestSlowAttemptIsMadeAgainBesideItself(t *testing.T) {
	for _, h := range []setting{hedged(10 * time.Millisecond), nil} {
		hung, _, gone := givenUp(t)
		settings := []setting{noRetry, totalTimeout(patient)}
		if h != nil {
			settings = append(settings, h)
		}
		s := serviceOf(t, []*endpoint{good(t), hung}, settings...)
		step := stepOf(t, Config{Target: targetOf(s)})
		failed, attempts := 0, 0
		for range 4 {
			g := run(t, step, newExchange(t, "GET"))
			if g.status != 200 || g.body != "ok" {
				failed++
			}
			attempts += g.x.Record.Attempts
		}
		idle(t, s)
		if h == nil {
			if failed == 0 || attempts != 4 {
				t.Errorf("without a hedge: %d failed, %d attempts: the test proves nothing", failed, attempts)
			}
			continue
		}
		if failed != 0 || attempts != 6 || hung.count.Load() != 2 {
			t.Errorf("%d failed, %d attempts, %d of them to the one that hangs", failed, attempts, hung.count.Load())
		}
		await(t, "the first is given up", gone)
		await(t, "the second is given up", gone)
		if n := s.Hedge().Snapshot(gabion.Now()); n.Hedges != 2 || n.Wins != 2 {
			t.Errorf("%+v", n)
		}
	}
}

// TestTheFirstGoodAnswerCounts: the other one is 503, or breaks, and comes first.
func TestTheFirstGoodAnswerCounts(t *testing.T) {
	for name, bad := range map[string]func(*testing.T) *endpoint{
		"says 503": func(t *testing.T) *endpoint { return says(t, 503) }, "resets": resets, "refuses": dead,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := make(chan struct{})
			bad := bad(t)
			slow := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				<-answer
				io.WriteString(w, "ok")
			})
			s := serviceOf(t, []*endpoint{slow, bad}, noRetry, hedged(5*time.Millisecond))
			step := stepOf(t, Config{Target: targetOf(s)})
			time.AfterFunc(patient, func() { close(answer) })
			for i := range 2 { // of which one begins at each
				g := run(t, step, newExchange(t, "GET"))
				if beginsBad := g.x.Record.Attempts == 1; beginsBad {
					continue // it failed before there was anything to hedge
				}
				if g.status != 200 || g.body != "ok" {
					t.Errorf("request %d: %d %q after %d attempts", i, g.status, g.body, g.x.Record.Attempts)
				}
			}
			idle(t, s)
		})
	}
}

// TestWhatIsNotHedged: what must not be carried out twice, what is streamed, and what has no budget.
func TestWhatIsNotHedged(t *testing.T) {
	tests := map[string]struct {
		exchange func(t *testing.T) *exchange.Exchange
		setting  setting
		attempts int
	}{
		"POST":          {func(t *testing.T) *exchange.Exchange { return newExchange(t, "POST") }, nil, 1},
		"POST with key": {func(t *testing.T) *exchange.Exchange { return keyed(newExchange(t, "POST")) }, nil, 2},
		"a long body": {func(t *testing.T) *exchange.Exchange {
			return withBody(newExchange(t, "GET"), string(make([]byte, maxPayload+1)))
		}, nil, 1},
		"over budget":    {func(t *testing.T) *exchange.Exchange { return newExchange(t, "GET") }, spent, 1},
		"at most one":    {func(t *testing.T) *exchange.Exchange { return newExchange(t, "GET") }, nil, 2},
		"as many as max": {func(t *testing.T) *exchange.Exchange { return newExchange(t, "GET") }, func(c *config.Service) { c.Hedge.Config.Max = 3 }, 4},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			settings := []setting{noRetry, totalTimeout(patient), hedged(5 * time.Millisecond)}
			if test.setting != nil {
				settings = append(settings, test.setting)
			}
			s := serviceOf(t, []*endpoint{hangs(t), hangs(t), hangs(t), hangs(t)}, settings...)
			if name == "over budget" {
				for s.Hedge().Another(gabion.Now()) {
				}
			}
			g := run(t, stepOf(t, Config{Target: targetOf(s)}), test.exchange(t))
			if g.x.Record.Attempts != test.attempts || g.status != 504 {
				t.Errorf("%d attempts, want %d; status %d", g.x.Record.Attempts, test.attempts, g.status)
			}
			idle(t, s)
		})
	}
}

// spent is a budget that can be spent.
func spent(c *config.Service) { c.Hedge.Config.Budget = 0.001 }

// TestClientThatGoesAwayEndsTheRace ends every run.
func TestClientThatGoesAwayEndsTheRace(t *testing.T) {
	a, cameA, goneA := givenUp(t)
	b, cameB, goneB := givenUp(t)
	s := serviceOf(t, []*endpoint{a, b}, hedged(time.Millisecond))
	x := newExchange(t, "GET")
	ctx, cancel := context.WithCancel(t.Context())
	x.Context = ctx
	go func() {
		<-cameA
		<-cameB
		cancel()
	}()
	g := run(t, stepOf(t, Config{Target: targetOf(s)}), x)
	if g.status != 0 {
		t.Errorf("somebody who is gone got %d", g.status)
	}
	await(t, "the first ends", goneA)
	await(t, "the second ends", goneB)
	idle(t, s)
}

// TestHedgedAndRetried: an attempt and its hedge fail, and the next one is made.
func TestHedgedAndRetried(t *testing.T) {
	var n atomic.Int64
	both := make(chan struct{})
	h := func(w http.ResponseWriter, _ *http.Request) {
		if i := n.Add(1); i <= 2 {
			if i == 2 {
				close(both)
			}
			<-both
			w.WriteHeader(503)
			return
		}
		fmt.Fprint(w, "ok")
	}
	s := serviceOf(t, []*endpoint{serve(t, h), serve(t, h)}, hedged(5*time.Millisecond))
	g := run(t, stepOf(t, Config{Target: targetOf(s)}), newExchange(t, "GET"))
	if g.status != 200 || g.body != "ok" || g.x.Record.Attempts < 3 {
		t.Errorf("%d %q after %d attempts", g.status, g.body, g.x.Record.Attempts)
	}
	idle(t, s)
}

// keyed makes a request one that may be sent twice.
func keyed(x *exchange.Exchange) *exchange.Exchange {
	x.Request.Header.Set("Idempotency-Key", "1")
	return x
}
