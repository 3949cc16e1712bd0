package ratelimit

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
)

func TestChargeEndsOnce(t *testing.T) {
	l := mustServerTime(t, ServerTimeConfig{Quota: Quota{10 * time.Second, time.Minute}, Estimate: time.Second, Concurrency: 2})
	now := time.Hour
	first, _ := l.Begin(now, "alice")
	first.Cancel(now)
	second, d := l.Begin(now, "alice")
	if second.flight != first.flight {
		t.Error("the flight is not used again: the test proves nothing")
	}
	first.Cancel(now)
	first.Settle(now, time.Hour)
	if _, after := l.Begin(now, "alice"); after.Remaining != d.Remaining-1000 || l.Snapshot().InFlight != 2 {
		t.Errorf("before %+v, after %+v, in flight %d", d, after, l.Snapshot().InFlight)
	}
	second.Settle(now, 0)
	Charge{}.Settle(now, time.Second)
	Charge{}.Cancel(now)
	if s := l.Snapshot(); s.InFlight != 1 {
		t.Errorf("%+v", s)
	}
}

func TestSettleUnderAnotherConfiguration(t *testing.T) {
	now := time.Hour
	quotas := map[string]Quota{
		"smaller": {100 * time.Millisecond, time.Minute}, "larger": {time.Hour, time.Minute}, "faster": {time.Second, time.Second},
		"slower": {time.Second, time.Hour}, "none": {},
	}
	for name, quota := range quotas {
		t.Run(name, func(t *testing.T) {
			l := mustServerTime(t, ServerTimeConfig{Quota: Quota{time.Second, time.Minute}, Estimate: 500 * time.Millisecond, Concurrency: 9})
			used, _ := l.Begin(now, "alice")
			used.Settle(now, 500*time.Millisecond)
			running, d := l.Begin(now, "alice")
			if d.Remaining != 0 {
				t.Fatalf("left %+v", d)
			}
			if err := l.Update(ServerTimeConfig{Quota: quota, Concurrency: 9}); err != nil {
				t.Fatal(err)
			}
			running.Cancel(now)
			var b account
			l.store.lockKnown(now, "alice", &b)
			defer b.shard.mu.Unlock()
			// Half of the old bucket was really used. Putting back may not make it less than that share, up to rounding.
			if missing := b.full - now; quota != (Quota{}) && missing < quota.Per/2-time.Millisecond {
				t.Errorf("missing %v of %v: more was put back than was taken", missing, quota.Per)
			}
		})
	}
}

func TestRefundIsNotMoreThanWasTaken(t *testing.T) {
	l := mustServerTime(t, ServerTimeConfig{Quota: Quota{time.Second, 10 * time.Second}, Concurrency: 2})
	now := time.Hour
	long, _ := l.Begin(now, "alice")
	other, _ := l.Begin(now, "alice")
	now += time.Minute
	other.Settle(now, time.Minute)
	long.Settle(now, 0) // says that it cost nothing: its own minute is put back, not the other's
	if _, d := l.Begin(now, "alice"); d.OK || d.RetryAfter < 10*time.Second {
		t.Errorf("a minute was really used, but: %+v", d)
	}
}

func TestTimeIsChargedHoweverOftenSomebodyLooks(t *testing.T) {
	after := func(looks int) Decision {
		l := mustServerTime(t, ServerTimeConfig{Quota: Quota{20 * time.Second, 10 * time.Second}, Estimate: 100 * time.Millisecond, Concurrency: 5})
		now := time.Hour
		for i := range 4 {
			l.Begin(now+time.Duration(i)*7*time.Millisecond, "alice")
		}
		for i := range looks {
			charge, d := l.Begin(now+28*time.Millisecond+time.Duration(i)*time.Millisecond*3, "alice")
			if d.OK {
				charge.Cancel(now + 28*time.Millisecond + time.Duration(i)*time.Millisecond*3)
			}
		}
		_, d := l.Begin(now+8*time.Second, "alice")
		return d
	}
	once, often := after(0), after(2000)
	if diff := once.Reset - often.Reset; diff < -2000 || diff > 2000 || once.Remaining >= 5000 {
		t.Errorf("once: %+v, often: %+v", once, often)
	}
}

func TestParallelUseOfServerTime(t *testing.T) {
	l := mustServerTime(t, ServerTimeConfig{Quota: Quota{time.Hour, time.Hour}, Concurrency: 5, MaxKeys: 4})
	var clock atomic.Int64
	clock.Store(int64(time.Hour))
	var running, most atomic.Int64
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 500 {
				key := strconv.Itoa(i % 8)
				if g < 8 {
					key = "hot"
				}
				charge, d := l.Begin(gabion.Instant(clock.Add(1000)), key)
				if d.OK && key == "hot" {
					n := running.Add(1)
					for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
					}
					running.Add(-1)
				}
				if i == 250 && g == 0 {
					if err := l.Update(ServerTimeConfig{Quota: Quota{time.Minute, time.Hour}, Concurrency: 5, MaxKeys: 4}); err != nil {
						t.Error(err)
					}
				}
				charge.Settle(gabion.Instant(clock.Add(1000)), time.Microsecond)
			}
		})
	}
	wg.Wait()
	if s := l.Snapshot(); s.InFlight != 0 || most.Load() > 5 {
		t.Errorf("%+v, at most %d at once", s, most.Load())
	}
}

// A call for which less was taken in advance gets over earlier than one that began before it.
func TestCallsAreChargedInTheOrderInWhichTheyGetOver(t *testing.T) {
	l := mustServerTime(t, ServerTimeConfig{Quota: Quota{10 * time.Second, 10 * time.Second}, Concurrency: 9})
	now := time.Hour
	settle := func(cost time.Duration) {
		charge, _ := l.Begin(now, "alice")
		charge.Settle(now, cost)
	}
	settle(time.Second) // this much is taken in advance for the next one
	now += time.Minute
	l.Begin(now, "alice")
	for range 8 {
		settle(0)
	}
	l.Begin(now, "alice") // and much less for this one
	now += 900 * time.Millisecond
	var b account
	l.store.lockKnown(now, "alice", &b)
	defer b.shard.mu.Unlock()
	// A second in advance and 0.9 s as it passed, less the 0.9 s that have come back.
	if missing := b.full - now; missing != time.Second {
		t.Errorf("missing %v", missing)
	}
}
