package shed

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
)

func TestDescribe(t *testing.T) {
	want := gabion.Description{Kind: "shed", Name: "catalog", Position: gabion.PositionShed}
	if got := mustNew(t, Config{Name: "catalog"}).Describe(); got != want {
		t.Errorf("%+v", got)
	}
}

// What a refusal says, to the caller and to the observer.
func TestRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []gabion.Event
		s := mustNew(t, Config{
			Name: "catalog", Concurrency: 1, Deadline: 200 * ms, MaxQueue: 1,
			Observer: gabion.ObserverFunc(func(e gabion.Event) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, e)
			}),
		})
		mustAcquire(t, s)
		waiting := queued(t, t.Context(), s)
		_, err := s.Acquire(t.Context(), gabion.Now())
		refusal, ok := errors.AsType[*gabion.Error](err)
		if !ok || !errors.Is(err, ErrShed) || !errors.Is(err, gabion.ErrRejected) || refusal.RetryAfter() != 200*ms {
			t.Errorf("%v", err)
		}
		if want := `shed "catalog": overloaded; retry after 200ms (more calls wait`; !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v\nwant %s", err, want)
		}
		began := gabion.Now()
		if err := <-waiting; !errors.Is(err, ErrShed) || gabion.Now()-began != 150*ms {
			t.Errorf("%v after %v", err, gabion.Now()-began)
		}
		if len(told) != 2 || told[0].Kind != gabion.EventRefused || told[0].Detail != "full" || told[0].Err == nil || told[1].Detail != "expired" {
			t.Errorf("the observer is told %+v", told)
		}
		if now := s.Snapshot(); now.Normal != (Drops{Full: 1, Expired: 1}) || now.Refused != 2 {
			t.Errorf("%+v", now)
		}
	})
}

// A call that waits says how long it did: that is no part of what it took.
func TestWaitIsNotLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, Config{Concurrency: 1})
		pipe := pipeOf(t, s)
		var wg sync.WaitGroup
		for range 40 {
			for range 2 {
				wg.Go(func() {
					if err := pipe.Run(t.Context(), func(context.Context) error { time.Sleep(20 * ms); return nil }); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
		if now := s.Snapshot(); now.Usual != 20*ms || now.Waited != 40 || now.Wait != 40*20*ms {
			t.Errorf("%+v", now)
		}
	})
}

// Whoever waits is refused when the caller's deadline comes too near for the call itself, and leaves when the caller does.
func TestContextBoundsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, Config{Concurrency: 1})
		for range 40 {
			ticket := mustAcquire(t, s)
			began := gabion.Now()
			time.Sleep(30 * ms)
			s.Done(ticket, gabion.Result{Began: began, Ended: gabion.Now()})
		}
		mustAcquire(t, s)
		begin := gabion.Now()
		near, cancel := context.WithTimeout(t.Context(), 30*ms)
		defer cancel()
		if _, err := s.Acquire(near, gabion.Now()); !errors.Is(err, ErrShed) || gabion.Now() != begin {
			t.Errorf("%v after %v", err, gabion.Now()-begin)
		}
		far, cancel := context.WithTimeout(t.Context(), 100*ms)
		defer cancel()
		if err := <-queued(t, far, s); !errors.Is(err, ErrShed) || errors.Is(err, context.DeadlineExceeded) || gabion.Now() != begin+70*ms {
			t.Errorf("%v after %v", err, gabion.Now()-begin)
		}
		ended, leave := context.WithCancel(t.Context())
		waiting := queued(t, ended, s)
		leave()
		if err := <-waiting; !errors.Is(err, ErrShed) || !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		if now := s.Snapshot(); now.Normal != (Drops{Expired: 2, Gone: 1}) || now.Queued != 0 {
			t.Errorf("%+v", now)
		}
	})
}

// A place that is given to a caller at the moment that it goes away is passed on.
func TestPlaceOfACallerThatLeftIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, Config{Concurrency: 1, Deadline: time.Minute})
		ticket := mustAcquire(t, s)
		ctx, leave := context.WithCancel(t.Context())
		first, second := queued(t, ctx, s), queued(t, t.Context(), s)
		leave()
		s.Done(ticket, gabion.Result{})
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("the first: %v", err)
		}
		if err := <-second; err != nil {
			t.Errorf("the second: %v", err)
		}
		if now := s.Snapshot(); now.InFlight != 1 || now.Queued != 0 || now.Normal.Gone != 1 {
			t.Errorf("%+v", now)
		}
	})
}

// Whatever number somebody makes a priority of, it is one of the three.
func TestPrioritiesThatAreNone(t *testing.T) {
	for p, want := range map[gabion.Priority]int{-128: 2, gabion.Sheddable: 2, gabion.Normal: 1, gabion.Critical: 0, 127: 0} {
		if got := classOf(gabion.WithPriority(t.Context(), p)); got != want {
			t.Errorf("%d is class %d, want %d", p, got, want)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	s := mustNew(t, Config{})
	ctx, now := t.Context(), gabion.Now()
	call := func() {
		ticket, err := s.Acquire(ctx, now)
		if err != nil {
			t.Fatal(err)
		}
		s.Done(ticket, gabion.Result{Began: now, Ended: now + 5*ms})
		now += 5 * ms
	}
	if n := testing.AllocsPerRun(1000, call); n != 0 {
		t.Errorf("a call makes %v allocations", n)
	}
	if n := testing.AllocsPerRun(1000, func() { s.Brownout() }); n != 0 {
		t.Errorf("Brownout makes %v allocations", n)
	}
}
