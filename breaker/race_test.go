package breaker

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
)

// TestSuccessesTakeNoLockAndAreCounted: the way without a lock counts what the other one would.
func TestSuccessesTakeNoLockAndAreCounted(t *testing.T) {
	b, err := New(Config{MinCalls: 100})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Hour
	end := func(o gabion.Outcome) {
		ticket, err := b.Acquire(context.Background(), now)
		if err != nil {
			t.Error(err)
			return
		}
		b.Done(ticket, gabion.Result{Outcome: o, Began: now, Ended: now})
	}
	end(gabion.Success) // begins a bucket
	b.mu.Lock()         // whoever needs it now hangs
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				end(gabion.Success)
			}
		})
	}
	all.Wait()
	b.mu.Unlock()
	end(gabion.Failure)
	if s := b.Snapshot(now); s.Calls != 802 || s.Failures != 1 {
		t.Errorf("%+v", s)
	}
}

// TestLateSuccessDoesNotReachTheNextPeriod: the breaker opened and closed again while a call ran.
func TestLateSuccessDoesNotReachTheNextPeriod(t *testing.T) {
	b, err := New(Config{Consecutive: 1, Probes: 1})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Hour
	late, err := b.Acquire(context.Background(), now)
	if err != nil {
		t.Fatal(err)
	}
	step := func(o gabion.Outcome) {
		ticket, err := b.Acquire(context.Background(), now)
		if err != nil {
			t.Fatal(err)
		}
		b.Done(ticket, gabion.Result{Outcome: o, Began: now, Ended: now})
	}
	step(gabion.Failure)
	now += time.Minute
	step(gabion.Success)
	step(gabion.Success)
	before := b.Snapshot(now)
	b.Done(late, gabion.Result{Outcome: gabion.Success, Began: time.Hour, Ended: now})
	if after := b.Snapshot(now); before.State != Closed || after != before {
		t.Errorf("%+v, then %+v", before, after)
	}
}
