package bulkhead

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
)

// A call whose outcome counts nowhere, and one that a policy further in refused, held places as well.
func TestTrap20And21PlaceReturnsWithoutAnOutcome(t *testing.T) {
	b := mustNew(t, Config{Concurrency: 1, Queue: 5})
	for _, r := range []gabion.Result{{}, {Outcome: gabion.Ignored}, {Outcome: gabion.Ignored, Began: 5, Ended: 10}} {
		ticket := mustAcquire(t, b)
		b.Done(ticket, r)
		wantState(t, b, Snapshot{})
	}
	if s := b.Snapshot(); s.Usual != 0 {
		t.Errorf("learned %v from calls that say nothing", s.Usual)
	}
}

// Who runs and who waits survives a new configuration.
func TestTrap23StateSurvivesReconfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Concurrency: 1, Queue: 2, Wait: time.Hour}
		b := mustNew(t, cfg)
		first := mustAcquire(t, b)
		served := make(chan error, 1)
		go func() { _, err := b.Acquire(t.Context(), gabion.Now()); served <- err }()
		synctest.Wait()
		for i := range 5 {
			if err := b.Update(cfg); err != nil {
				t.Fatal(err)
			}
			wantState(t, b, Snapshot{InFlight: 1, Queued: 1, Refused: uint64(i)})
			if _, err := b.TryAcquire(gabion.Now()); err == nil {
				t.Fatal("a fresh place")
			}
		}
		b.Done(first, gabion.Result{})
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

// Waiting, giving up and being refused leave neither goroutines nor memory behind.
func TestTrap25NothingIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails when a goroutine is left
		b := mustNew(t, Config{Concurrency: 2, Queue: 20, Wait: 10 * time.Millisecond})
		pipe := pipeOf(t, b)
		var wg sync.WaitGroup
		for i := range 5000 {
			ctx, cancel := context.WithTimeout(gabion.WithTenant(t.Context(), fmt.Sprint(i%7)), time.Duration(i%13)*time.Millisecond)
			wg.Go(func() {
				defer cancel()
				err := pipe.Run(ctx, func(context.Context) error { time.Sleep(3 * time.Millisecond); return nil })
				if err != nil && !errors.Is(err, ErrFull) && !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
			if i%10 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		wg.Wait()
		wantState(t, b, Snapshot{Refused: b.Snapshot().Refused})
		if q := &b.places.queue; q.Lines() != 0 || q.Len() != 0 || b.places.queued.Load() != 0 {
			t.Errorf("left in the queue: %+v", q)
		}
	})
}

// Whoever makes up tenants gets one line for all of them, and no memory.
func TestTrap26MadeUpTenantsAreBounded(t *testing.T) {
	b := mustNew(t, Config{Concurrency: 1, Queue: 1000, MaxTenants: 10})
	mustAcquire(t, b)
	now := gabion.Now()
	for i := range 1000 {
		if w, _, why := b.places.lineUp(now, fmt.Sprint(i), 0); w == nil {
			t.Fatal(why)
		}
		if n := b.places.queue.Lines(); n > 11 {
			t.Fatalf("%d lines", n)
		}
	}
	starts := map[string]int{}
	for range 11 { // a turn of each line and of the one that the others share
		starts[b.places.queue.next(false).Tenant]++
	}
	if starts["3"] != 1 || starts["10"] != 1 || len(starts) != 11 {
		t.Errorf("%v: every tenant with a line has one turn, and all the others together have one", starts)
	}
}

// Sixteen goroutines, tenants, deadlines and changes of the configuration at once, with the race detector: never more run than
// the largest bound, and in the end all places are free.
func TestPlacesSurviveContention(t *testing.T) {
	b := mustNew(t, Config{Concurrency: 4, Queue: 8, Wait: time.Millisecond})
	var wg sync.WaitGroup
	for i := range 16 {
		ctx := gabion.WithTenant(t.Context(), fmt.Sprint(i%3))
		wg.Go(func() {
			for n := range 500 {
				ctx, cancel := context.WithTimeout(ctx, time.Duration(n%5)*time.Millisecond)
				if ticket, err := b.Acquire(ctx, gabion.Now()); err == nil {
					if running := b.Snapshot().InFlight; running > 8 {
						t.Errorf("%d run", running)
					}
					runtime.Gosched()
					b.Done(ticket, gabion.Result{Began: 1, Ended: gabion.Now()})
				}
				cancel()
				if i == 0 && n%50 == 0 {
					if err := b.Update(Config{Concurrency: 1 + n%8, Queue: 1 + n%11, Wait: time.Millisecond}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if s := b.Snapshot(); s.InFlight != 0 || s.Queued != 0 {
		t.Errorf("left over: %+v", s)
	}
}
