package shed

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/admission"
)

// Sixteen goroutines, priorities, tenants, deadlines and changes of the configuration at once, with the race detector: never more
// run than the largest limit, and in the end nobody runs or waits.
func TestContention(t *testing.T) {
	s := mustNew(t, Config{Concurrency: 4, Deadline: 20 * ms})
	var running atomic.Int64
	var wg sync.WaitGroup
	for i := range 16 {
		ctx := gabion.WithPriority(gabion.WithTenant(t.Context(), fmt.Sprint(i%3)), gabion.Priority(i%3-1))
		wg.Go(func() {
			for n := range 500 {
				ctx, cancel := context.WithTimeout(ctx, time.Duration(n%5)*ms)
				if ticket, err := s.Acquire(ctx, gabion.Now()); err == nil {
					if n := running.Add(1); n > 8 {
						t.Errorf("%d run", n)
					}
					began := gabion.Now()
					runtime.Gosched()
					running.Add(-1)
					s.Done(ticket, gabion.Result{Outcome: gabion.Outcome(n % 3), Began: began, Ended: gabion.Now()})
				}
				cancel()
				if i == 0 && n%50 == 0 {
					if err := s.Update(Config{Concurrency: 1 + n%8, Deadline: 20 * ms}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if now := s.Snapshot(); now.InFlight != 0 || now.Queued != 0 {
		t.Errorf("left over: %+v", now)
	}
}

// What is parked while others have the lock is collected once, and what finds no room is not lost: park says so.
func TestParking(t *testing.T) {
	core := admission.New(admission.Config{Deadline: time.Second}, 0)
	sample := core.End(5*ms, true)
	var p parking
	var parked, refused, collected atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				if p.park(sample) {
					parked.Add(1)
				} else {
					refused.Add(1)
					runtime.Gosched()
				}
			}
		})
	}
	take := func(s admission.Sample) {
		if s != sample {
			t.Errorf("took %x", s)
		}
		collected.Add(1)
	}
	for range 1000 {
		p.collect(take)
		runtime.Gosched()
	}
	wg.Wait()
	p.collect(take)
	if collected.Load() != parked.Load() || parked.Load()+refused.Load() != 8*2000 || parked.Load() < 64 || p.parked.Load() != 0 {
		t.Errorf("parked %d, collected %d, %d found no room", parked.Load(), collected.Load(), refused.Load())
	}
}

// A call that was not limited does not wait for the lock at its end, and what it says is learned from by the next.
func TestDoneWaitsForNoLock(t *testing.T) {
	s := mustNew(t, Config{})
	now := gabion.Now()
	end := func(n int) {
		for range n {
			s.Done(mustAcquire(t, s), gabion.Result{Began: now, Ended: now + 50*ms})
		}
	}
	end(1)
	s.mu.Lock()
	now += 50 * ms
	end(63)
	if n := s.parking.parked.Load(); n != 63 {
		t.Errorf("%d are parked", n)
	}
	s.mu.Unlock()
	end(1)
	if n := s.parking.parked.Load(); n != 0 {
		t.Errorf("%d are still parked", n)
	}
	if usual := s.Snapshot().Usual; usual != 50*ms {
		t.Errorf("learned %v", usual)
	}
}

// While somebody waits, nothing is parked: a place that gets free would be forgotten.
func TestDoneWaitsForTheLockWhenSomebodyWaits(t *testing.T) {
	s := mustNew(t, Config{Concurrency: 1, Deadline: MaxDeadline})
	ticket, now := mustAcquire(t, s), gabion.Now()
	w, _, _ := s.lineUp(t.Context(), now)
	s.mu.Lock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Done(ticket, gabion.Result{Began: now, Ended: now + 5*ms})
	}()
	for range 1000 {
		runtime.Gosched() // so that it gets to the lock, most often
	}
	s.mu.Unlock()
	<-ended
	select {
	case <-w.decided:
	default:
		t.Error("the place is free, and the call waits")
	}
}
