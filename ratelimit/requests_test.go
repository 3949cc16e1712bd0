package ratelimit

import (
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
)

// Sixteen goroutines read the clock and then ask, so that readings come late and in any order. No window of all that they
// were granted has more than it may, and together they get 99 % of it. The twin is x/time/rate, in bench/traps.
func TestTrap15RateIsExactUnderContention(t *testing.T) {
	const goroutines, asks, burst = 16, 20_000, 1000
	rate := Rate{50_000, time.Second}
	for name, c := range map[string]struct {
		limit *Requests
		// ideal is what may be admitted in a time, at most.
		ideal func(time.Duration) float64
	}{
		"bucket": {
			mustRequests(t, RequestsConfig{Rate: rate, Burst: burst}),
			func(d time.Duration) float64 { return burst + 50_000*d.Seconds() },
		},
		"sliding": {
			mustRequests(t, RequestsConfig{Rate: Rate{burst, 20 * time.Millisecond}, Sliding: true}),
			func(d time.Duration) float64 { return burst * (1 + math.Floor(d.Seconds()/.02)) },
		},
	} {
		var clock atomic.Int64
		clock.Store(int64(time.Hour))
		admitted := make([][]time.Duration, goroutines)
		var wg sync.WaitGroup
		for g := range goroutines {
			wg.Go(func() {
				for range asks { // each comes 1 µs after the one before, so the demand is 20 times the rate
					now := gabion.Instant(clock.Add(1000))
					if c.limit.Take(now, "hot", 1).OK {
						admitted[g] = append(admitted[g], now)
					}
				}
			})
		}
		wg.Wait()
		all := slices.Sorted(slices.Values(slices.Concat(admitted...)))
		elapsed := time.Duration(clock.Load()) - time.Hour - time.Microsecond // from the first reading to the last
		if got, ideal := float64(len(all)), c.ideal(elapsed); got > ideal || got < 0.99*ideal {
			t.Errorf("%s: admitted %.0f in %v, ideal %.0f", name, got, elapsed, ideal)
		}
		for first := 0; first < len(all); first += 7 {
			for last := first + burst; last < len(all); last += 331 {
				if n := last - first + 1; float64(n) > c.ideal(all[last]-all[first])+1e-6 {
					t.Fatalf("%s: %d within %v", name, n, all[last]-all[first])
				}
			}
		}
	}
}

// TakeNow decides as Take at the present instant does.
func TestTakeNow(t *testing.T) {
	for name, sliding := range map[string]bool{"bucket": false, "sliding": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := RequestsConfig{Rate: perSecond(3), Sliding: sliding}
				l, twin := mustRequests(t, cfg), mustRequests(t, cfg)
				keys := []string{"alice", "bob", strings.Repeat("x", 2*maxKeyLength)}
				refused := 0
				for i := range 1000 {
					if i == 500 {
						cfg.Rate.Count = 2
						for _, l := range []*Requests{l, twin} {
							if err := l.Update(cfg); err != nil {
								t.Fatal(err)
							}
						}
					}
					time.Sleep(time.Duration(i%7) * 50 * time.Millisecond)
					key, cost := keys[i%len(keys)], i%4
					take := l.TakeNow
					if i%2 == 0 { // so that both have to mean the same instants
						take = func(key string, cost int) Decision { return l.Take(gabion.Now(), key, cost) }
					}
					got, want := take(key, cost), twin.Take(gabion.Now(), key, cost)
					if got != want {
						t.Fatalf("call %d: %+v, want %+v", i, got, want)
					}
					if !got.OK {
						refused++
					}
				}
				if refused < 100 || refused > 900 {
					t.Errorf("%d of 1000 are refused: this shows little", refused)
				}
			})
		})
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
