package ratelimit

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
)

func TestTrap15RateIsExactUnderContention(t *testing.T) {
	const goroutines, rate, burst = 16, 50_000, 1000
	l := mustRequests(t, RequestsConfig{Rate: perSecond(rate), Burst: burst})
	var clock, admitted atomic.Int64
	clock.Store(int64(time.Hour))
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range 20_000 { // each ask comes 1 µs after the one before, so the demand is 20 times the rate
				now := gabion.Instant(clock.Add(1000))
				if l.Take(now, "hot", 1).OK {
					admitted.Add(1)
				}
			}
		})
	}
	wg.Wait()
	elapsed := time.Duration(clock.Load()) - time.Hour
	ideal := burst + rate*elapsed.Seconds()
	if got := float64(admitted.Load()); got > ideal || got < 0.99*ideal {
		t.Errorf("admitted %.0f in %v, ideal %.0f", got, elapsed, ideal)
	}
}

func TestTrap16LateReadingsOfTheClockChangeNothing(t *testing.T) {
	l := mustRequests(t, RequestsConfig{Rate: perSecond(10), Burst: 10})
	now := time.Hour
	admitted := 0
	for i := range 100 {
		at := now
		if i%2 == 1 {
			at -= 30 * time.Minute
		}
		if l.Take(at, "alice", 1).OK {
			admitted++
		}
	}
	if admitted != 10 {
		t.Errorf("admitted %d of a burst of 10", admitted)
	}
	if d := l.Take(now+100*time.Millisecond, "alice", 1); !d.OK {
		t.Errorf("locked out: %+v", d)
	}
}

func TestRetryAfterIsExact(t *testing.T) {
	for _, rate := range []Rate{perSecond(1), perSecond(3), perSecond(7), {100, time.Minute}, perSecond(9_999_999), {1, time.Hour}} {
		l := mustRequests(t, RequestsConfig{Rate: rate, Burst: 5})
		now := time.Hour
		for i := range 1000 {
			d := l.Take(now, "alice", 1+i%5)
			if d.OK {
				continue
			}
			if early := l.Take(now+d.RetryAfter-1, "alice", 1+i%5); early.OK {
				t.Fatalf("%v: admitted a nanosecond early", rate)
			}
			now += d.RetryAfter
			if again := l.Take(now, "alice", 1+i%5); !again.OK {
				t.Fatalf("%v: refused after the wait of %v", rate, d.RetryAfter)
			}
		}
	}
}

func TestHugeValuesDoNotOverflow(t *testing.T) {
	l := mustRequests(t, RequestsConfig{Rate: Rate{1, 31 * 24 * time.Hour}, Burst: 11})
	const now = 30 * 365 * 24 * time.Hour
	for _, cost := range []int{math.MaxInt, math.MinInt, 12} {
		if d := l.Take(now, "alice", cost); d.OK || d.Reason != ReasonCost || d.RetryAfter != Never || d.Remaining != 11 {
			t.Errorf("cost %d: %+v", cost, d)
		}
		l.Refund(now, "alice", cost)
	}
	if d := l.Take(now, "alice", 11); !d.OK || d.Remaining != 0 {
		t.Errorf("the whole burst: %+v", d)
	}
	times := mustServerTime(t, ServerTimeConfig{Quota: Quota{time.Second, time.Minute}})
	for _, cost := range []time.Duration{math.MaxInt64, math.MinInt64} {
		charge, d := times.Begin(now, "alice")
		if !d.OK {
			continue // still in the debt of the first
		}
		charge.Settle(now, cost)
	}
	if _, d := times.Begin(now, "alice"); d.OK || d.RetryAfter != 2*time.Minute {
		t.Errorf("in the deepest debt: %+v", d)
	}
	if top := times.Top(now, 1); len(top) != 1 || top[0].ServerTime < 0 {
		t.Errorf("usage %+v", top)
	}
}

// Trap 23: a new configuration hands nobody a fresh bucket, also not the same configuration once more.
func TestTrap23StateSurvivesReconfiguration(t *testing.T) {
	cfg := RequestsConfig{Rate: perSecond(1), Burst: 5}
	l := mustRequests(t, cfg)
	now := time.Hour
	l.Take(now, "alice", 5)
	for i := range 10 {
		if err := l.Update(cfg); err != nil {
			t.Fatal(err)
		}
		cfg.Burst, cfg.Rate.Count = 5+i, 1+i
		if d := l.Take(now, "alice", 1); d.OK || d.RetryAfter > time.Second {
			t.Fatalf("after update %d: %+v", i, d)
		}
	}
	if d := l.Take(now+time.Second, "alice", 1); !d.OK {
		t.Errorf("locked out: %+v", d)
	}
}
