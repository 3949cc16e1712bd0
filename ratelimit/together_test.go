package ratelimit

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
)

// Calls, the counting of calls, new keys in the place of others and minutes that pass come together, and not one decision is
// counted twice or lost on the way; not even for a moment, or who reads the counters would take that for a restart.
func TestSnapshotCountsEveryDecisionOnce(t *testing.T) {
	const goroutines, asks, keys = 4, 5000, 300
	l := mustRequests(t, RequestsConfig{Rate: Rate{1, time.Minute}, Burst: 2, MaxKeys: keys / 3})
	var clock, refused atomic.Int64
	clock.Store(int64(time.Hour))
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range asks {
				now := gabion.Instant(clock.Add(int64(31 * time.Millisecond)))
				if !l.Take(now, strconv.Itoa((i+g)%keys), 1).OK {
					refused.Add(1)
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() {
		wg.Wait()
		close(ended)
	}()
	var before Snapshot
	for running := true; running; {
		select {
		case <-ended:
			running = false
		default:
		}
		s := l.Snapshot()
		if s.Admitted < before.Admitted || s.Refused < before.Refused || s.Overflowed < before.Overflowed {
			t.Fatalf("%+v comes after %+v", s, before)
		}
		before = s
	}
	want := uint64(refused.Load())
	if before.Refused != want || before.Admitted != goroutines*asks-want || before.Overflowed == 0 {
		t.Errorf("%+v, want %d refused of %d and some overflowed", before, want, goroutines*asks)
	}
}

// Whoever asks after Update has returned is told the new limit, however many ask at the same time. What a bucket misses
// is converted once: the key that has taken everything gets no more by any number of updates.
func TestUpdateComesIntoForceAtOnceForAll(t *testing.T) {
	const goroutines, updates = 4, 300
	const now = time.Hour
	l := mustRequests(t, RequestsConfig{Rate: perSecond(1)})
	l.Take(now, "all", 1)
	var limit atomic.Int64
	limit.Store(1)
	var over atomic.Bool
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := g; !over.Load(); i++ {
				least := int(limit.Load())
				if d := l.Take(now, "key-"+strconv.Itoa(i%50), 0); d.Limit < least {
					t.Errorf("limit %d after an update to %d", d.Limit, least)
					return
				}
				if d := l.Take(now, "all", 1); d.OK {
					t.Errorf("an empty bucket holds %+v", d)
					return
				}
			}
		})
	}
	for i := range updates {
		if err := l.Update(RequestsConfig{Rate: perSecond(i + 2)}); err != nil {
			t.Error(err)
		}
		limit.Store(int64(i + 2))
	}
	over.Store(true)
	wg.Wait()
}
