package service

import (
	"fmt"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/gateway/balance"
	"github.com/gabion-io/gabion/server/status"
)

func TestOneOfThreeIsKilled(t *testing.T) {
	for name, cfg := range map[string]config.Service{"passive": serviceOf(a, b, c), "with checks": withChecks(serviceOf(a, b, c))} {
		inTime(t, name, func(t *testing.T) {
			w := newWorld(t, cfg)
			w.run(200, 5*time.Second)
			w.set("refuses", a)
			if l := w.run(200, 30*time.Second); l.failed > 0 {
				t.Errorf("%d of %d requests failed", l.failed, l.sent)
			}
			w.set("", a)
			if l := w.run(200, 60*time.Second); l.failed > 0 {
				t.Errorf("%d of %d requests failed after it was back", l.failed, l.sent)
			}
			w.wantState(a, status.Healthy)
			if n := w.served(a, time.Now().Add(-10*time.Second), 10*time.Second); n < 500 {
				t.Errorf("back, it got %d of 2000 requests", n)
			}
		})
	}
}

// One of three is stopped, and later goes on.
func TestOneOfThreeHangs(t *testing.T) {
	for kind, most := range map[string]int{balance.LeastLoad: 40, balance.RoundRobin: 200} {
		inTime(t, kind, func(t *testing.T) {
			cfg := withChecks(serviceOf(a, b, c))
			cfg.Balance = kind
			w := newWorld(t, cfg)
			w.run(200, 5*time.Second)
			w.set("hangs", a)
			l := w.run(200, 20*time.Second)
			if l.failed > 0 || l.slow > most {
				t.Errorf("%d of %d requests failed, %d were slow, want none and %d", l.failed, l.sent, l.slow, most)
			}
			w.wantState(a, status.Unhealthy)
			w.set("", a)
			back := time.Now()
			l = w.run(200, 30*time.Second)
			if l.failed > 0 || l.slow > 0 {
				t.Errorf("after it went on, %d requests failed and %d were slow", l.failed, l.slow)
			}
			first, later := w.served(a, back, 5*time.Second), w.served(a, back.Add(20*time.Second), 5*time.Second)
			if first > later/2 || later < 250 {
				t.Errorf("in the first 5 s after it went on it got %d requests, 20 s later %d: that is no slow start", first, later)
			}
		})
	}
	inTime(t, "negative twin: without ejection, breaker, checks and least_load", func(t *testing.T) {
		cfg := withoutBreaker(serviceOf(a, b, c))
		cfg.Health.Passive.Off, cfg.Balance = true, balance.RoundRobin
		w := newWorld(t, cfg)
		w.set("hangs", a)
		if l := w.run(200, 10*time.Second); l.slow < 600 {
			t.Errorf("only %d requests were slow: what protects is not what is tested", l.slow)
		}
	})
}

// One of three answers 500 behind a green health page.
func TestAGreenPageDoesNotUndoAnEjection(t *testing.T) {
	inTime(t, "least_load", func(t *testing.T) {
		w := newWorld(t, withChecks(serviceOf(a, b, c)))
		w.of(a, func(r *replica) { r.page = "green" })
		w.run(200, 5*time.Second)
		w.set("500", a)
		began := time.Now()
		l := w.run(200, 60*time.Second)
		if l.failed > 0 {
			t.Errorf("%d requests failed", l.failed)
		}
		w.wantState(a, status.Ejected)
		// Five errors, then one trial each after 10 and 30 s; requests under way at the moment may add some.
		if n := w.served(a, began, time.Minute); n > 10 {
			t.Errorf("it got %d requests in a minute", n)
		}
		w.wantTold(event.KindEjection,
			a+": in > ejected (5 errors in a row, the last: status 500)",
			a+": ejected > trial", a+": trial > ejected (a trial request failed",
			a+": ejected > trial", a+": trial > ejected")
		w.set("", a)
		w.run(200, 60*time.Second)
		w.wantState(a, status.Healthy)
		if got := w.status(a).Ejections; got != 3 {
			t.Errorf("it was ejected %d times", got)
		}
	})
	inTime(t, "negative twin: without ejection and breaker", func(t *testing.T) {
		cfg := withoutBreaker(withChecks(serviceOf(a, b, c)))
		cfg.Health.Passive.Off, cfg.Balance = true, balance.RoundRobin
		w := newWorld(t, cfg)
		w.of(a, func(r *replica) { r.page = "green" })
		w.set("500", a)
		w.run(200, 10*time.Second)
		if n := w.served(a, w.started, 10*time.Second); n < 600 {
			t.Errorf("it got only %d requests", n)
		}
	})
}

func TestAllDownAndBack(t *testing.T) {
	for name, cfg := range map[string]config.Service{
		"with checks":    withChecks(serviceOf(a, b, c)),
		"without checks": serviceOf(a, b, c),
		"round robin":    func() config.Service { c := withChecks(serviceOf(a, b, c)); c.Balance = balance.RoundRobin; return c }(),
		"hash":           func() config.Service { c := serviceOf(a, b, c); c.Balance = balance.Hash; return c }(),
	} {
		inTime(t, name, func(t *testing.T) {
			w := newWorld(t, cfg)
			w.run(200, 5*time.Second)
			w.set("refuses", a, b, c)
			w.run(200, 30*time.Second)
			l, err := w.s.Pick(gabion.Now(), 0, nil)
			for err == nil { // a trial is just due
				w.send(l)
				l, err = w.s.Pick(gabion.Now(), 0, nil)
			}
			wantUnavailable(t, err)
			w.set("", a, b, c)
			back := time.Now()
			w.run(200, 10*time.Second)
			if l := w.run(200, 10*time.Second); l.failed*100 > l.sent {
				t.Errorf("10 s after all were back, %d of %d requests failed", l.failed, l.sent)
			}
			for _, address := range []string{a, b, c} {
				first := w.firstServed(address, back)
				if n := w.served(address, first, time.Second); n > 100 {
					t.Errorf("%s got %d requests in its first second, normal are 67", address, n)
				}
				if late := first.Sub(back); late > 15*time.Second {
					t.Errorf("%s got its first request after %v", address, late)
				}
			}
			w.run(200, 40*time.Second)
			for _, address := range []string{a, b, c} {
				w.wantState(address, status.Healthy)
			}
		})
	}
}

// The negative twin of the above: without slow start, and so without rations, the first that is back gets too much.
func TestAllBackWithoutSlowStart(t *testing.T) {
	most := 0
	for phase := range 4 { // how much depends on when the breakers try
		inTime(t, "phase", func(t *testing.T) {
			cfg := withChecks(serviceOf(a, b, c))
			cfg.Health.SlowStart = gabion.Off
			w := newWorld(t, cfg)
			w.run(200, 5*time.Second)
			w.set("refuses", a, b, c)
			w.run(200, 30*time.Second+time.Duration(phase)*1300*time.Millisecond)
			w.set("", a, b, c)
			back := time.Now()
			w.run(200, 12*time.Second)
			for _, address := range []string{a, b, c} {
				most = max(most, w.served(address, w.firstServed(address, back), time.Second))
			}
		})
	}
	if most <= 100 {
		t.Errorf("the first that was back got %d requests in its first second: what protects is not what is tested", most)
	}
}

// One after the other is down for two seconds, as in a rolling restart. The second goes while the first, which is back, is
// still ejected: retries find that out.
func TestOneAfterTheOtherIsRestarted(t *testing.T) {
	for slowStart, most := range map[time.Duration]float64{
		gabion.Off:       0.02, // those that come in the moment until the first is in again
		10 * time.Second: 0.4,  // slow start spares the one that has come back
	} {
		for _, perSecond := range []int{10, 2000} {
			inTime(t, fmt.Sprintf("slow start %v, %d per second", slowStart, perSecond), func(t *testing.T) {
				cfg := serviceOf(a, b)
				cfg.Health.SlowStart = slowStart
				w := newWorld(t, cfg)
				w.run(perSecond, 20*time.Second)
				for i, address := range []string{a, b} {
					w.set("refuses", address)
					if l := w.run(perSecond, 2*time.Second); l.failed > i*int(most*float64(l.sent)) {
						t.Errorf("while %s was down, %d of %d requests failed", address, l.failed, l.sent)
					}
					w.set("", address)
					if l := w.run(perSecond, time.Second); l.failed > i*int(most*float64(l.sent)) {
						t.Errorf("when %s was back, %d of %d requests failed", address, l.failed, l.sent)
					}
				}
			})
		}
	}
}

// Only one request at a time is sent to an endpoint that is out and hangs, although the other fails.
func TestFewWaitForOneThatIsOutAndHangs(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		w := newWorld(t, withoutBreaker(serviceOf(a, b)))
		w.set("hangs", a)
		w.run(200, 5*time.Second)
		w.wantState(a, status.Ejected)
		w.set("503", b)
		began := time.Now()
		if l := w.run(200, 4*time.Second); l.slow > 15 { // each takes 400 ms
			t.Errorf("%d of %d requests waited for the one that hangs", l.slow, l.sent)
		}
		if n := w.served(a, began, 4*time.Second); n == 0 {
			t.Error("none tried whether it is back")
		}
		if n := w.status(a).Ejections; n != 1 {
			t.Errorf("it was ejected %d times", n)
		}
	})
}

// firstServed is when the replica got its first request from t on.
func (w *world) firstServed(address string, t time.Time) (first time.Time) {
	w.of(address, func(r *replica) {
		for _, at := range r.served {
			if !at.Before(t) && (first.IsZero() || at.Before(first)) {
				first = at
			}
		}
	})
	return first
}
