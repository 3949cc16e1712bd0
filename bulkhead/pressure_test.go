package bulkhead

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
)

// load is calls that come evenly, and what became of them.
type load struct {
	pipe    *gabion.Pipe
	lasts   time.Duration
	takes   time.Duration // how long the called function runs
	patient time.Duration // a caller has given up when its answer comes later, without telling anybody

	mu           sync.Mutex
	calls, inUse map[string]int
}

// send makes a call of tenant every so often.
func (l *load) send(t *testing.T, wg *sync.WaitGroup, tenant string, every time.Duration) {
	wg.Go(func() {
		for range l.lasts / every {
			wg.Go(func() { l.call(t, tenant) })
			time.Sleep(every)
		}
	})
}

func (l *load) call(t *testing.T, tenant string) {
	began := time.Now()
	err := l.pipe.Run(gabion.WithTenant(t.Context(), tenant), func(context.Context) error {
		time.Sleep(l.takes)
		return nil
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls[tenant]++
	if err == nil && time.Since(began) <= l.patient {
		l.inUse[tenant]++
	}
}

// At twice the load that can be served, callers give up after 60 ms. In order, everybody is served too late. With the
// newest first, almost every place is used for somebody who is still there.
func TestUnderPressureTheNewestAreServed(t *testing.T) {
	for name, interval := range map[string]time.Duration{"adaptive": 0, "in order": gabion.Off} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := mustNew(t, Config{Concurrency: 10, Queue: 100, Wait: 200 * time.Millisecond, Interval: interval})
				l := &load{
					pipe: pipeOf(t, b), lasts: 20 * time.Second, takes: 10 * time.Millisecond, patient: 60 * time.Millisecond,
					calls: map[string]int{}, inUse: map[string]int{},
				}
				var wg sync.WaitGroup
				l.send(t, &wg, "", 500*time.Microsecond)
				time.Sleep(10 * time.Second)
				if s := b.Snapshot(); s.Pressed != (interval == 0) {
					t.Errorf("halfway: %+v", s)
				}
				wg.Wait()
				share := float64(l.inUse[""]) / 20_000 // 10 places of 10 ms for 20 s
				if adaptive := interval == 0; adaptive && share < .95 || !adaptive && share > .1 {
					t.Errorf("%.1f %% of the capacity was of use: %+v", 100*share, b.Snapshot())
				}
			})
		})
	}
}

// A short peak is served in order, and nobody is refused.
func TestPeakIsServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, Config{Concurrency: 10, Queue: 100, Wait: 200 * time.Millisecond})
		l := &load{
			pipe: pipeOf(t, b), lasts: 45 * time.Millisecond, takes: 10 * time.Millisecond, patient: time.Second,
			calls: map[string]int{}, inUse: map[string]int{},
		}
		var wg sync.WaitGroup
		l.send(t, &wg, "", 450*time.Microsecond)
		wg.Wait()
		if s := b.Snapshot(); s.Refused != 0 || s.Waited == 0 || s.Wait/time.Duration(s.Waited) > 60*time.Millisecond {
			t.Errorf("%+v", s)
		}
	})
}

// Places that get free every 250 ms: a wait of 5 ms under pressure would leave them unused most of the time.
func TestPressureLeavesNoPlaceUnused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, Config{Concurrency: 2, Queue: 100, Wait: 5 * time.Second})
		l := &load{
			pipe: pipeOf(t, b), lasts: 60 * time.Second, takes: 500 * time.Millisecond, patient: time.Hour,
			calls: map[string]int{}, inUse: map[string]int{},
		}
		var wg sync.WaitGroup
		l.send(t, &wg, "", 125*time.Millisecond)
		wg.Wait()
		if share := float64(l.inUse[""]) / (4 * 60); share < .97 {
			t.Errorf("%.1f %% of the places were used: %+v", 100*share, b.Snapshot())
		}
	})
}

// One tenant sends ten times what can be served, and nine others a fifth of their share.
func TestOneTenantKeepsNoOtherOut(t *testing.T) {
	for name, fair := range map[string]bool{"fair": true, "unfair": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := mustNew(t, Config{Concurrency: 10, Queue: 50, Wait: 100 * time.Millisecond})
				l := &load{
					pipe: pipeOf(t, b), lasts: 5 * time.Second, takes: 10 * time.Millisecond, patient: 100 * time.Millisecond,
					calls: map[string]int{}, inUse: map[string]int{},
				}
				if !fair {
					l.pipe = pipeOf(t, leveller{b})
				}
				var wg sync.WaitGroup
				l.send(t, &wg, "loud", 100*time.Microsecond)
				for i := range 9 {
					l.send(t, &wg, fmt.Sprint("quiet-", i), 50*time.Millisecond)
				}
				wg.Wait()
				calls, inUse := 0, 0
				for tenant, n := range l.calls {
					if tenant != "loud" {
						calls, inUse = calls+n, inUse+l.inUse[tenant]
					}
				}
				if share := float64(inUse) / float64(calls); fair && share < .99 || !fair && share > .9 {
					t.Errorf("the others had %.1f %% of their calls served", 100*share)
				}
				if all := inUse + l.inUse["loud"]; all < 4900 {
					t.Errorf("%d calls served, of 5000 possible", all)
				}
			})
		})
	}
}

// leveller hides the tenants of calls.
type leveller struct{ *Bulkhead }

func (u leveller) Acquire(ctx context.Context, now gabion.Instant) (gabion.Ticket, error) {
	return u.Bulkhead.Acquire(gabion.WithTenant(ctx, ""), now)
}

func TestWhoCannotBeInTimeIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var details []string
		b := mustNew(t, Config{Concurrency: 1, Queue: 10, Wait: time.Minute, Observer: gabion.ObserverFunc(func(e gabion.Event) { details = append(details, e.Detail) })})
		pipe := pipeOf(t, b)
		run := func(ctx context.Context) error {
			return pipe.Run(ctx, func(context.Context) error { time.Sleep(100 * time.Millisecond); return nil })
		}
		if err := run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := b.Snapshot(); s.Usual != 100*time.Millisecond {
			t.Fatalf("learned %+v", s)
		}
		running := make(chan error)
		go func() { running <- run(t.Context()) }()
		synctest.Wait()
		for timeout, after := range map[time.Duration]time.Duration{80 * time.Millisecond: 0, 130 * time.Millisecond: 30 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			began := time.Now()
			err := run(ctx)
			if waited := time.Since(began); waited != after {
				t.Errorf("timeout %v: refused after %v, want %v", timeout, waited, after)
			}
			if !errors.Is(err, ErrFull) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("timeout %v: %v", timeout, err)
			}
			cancel()
		}
		if err := <-running; err != nil {
			t.Error(err)
		}
		if s := b.Snapshot(); s.Drops != (Drops{Deadline: 2}) || fmt.Sprint(details) != "[deadline deadline]" {
			t.Errorf("%+v %v", s, details)
		}
	})
}

func TestRefusalsAreToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, Config{Concurrency: 1, Queue: 2, Wait: time.Second})
		first := mustAcquire(t, b)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		acquire := func(ctx context.Context) {
			wg.Go(func() {
				if _, err := b.Acquire(ctx, gabion.Now()); !errors.Is(err, ErrFull) {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		acquire(gabion.WithTenant(ctx, "a"))
		acquire(gabion.WithTenant(t.Context(), "a"))
		acquire(gabion.WithTenant(t.Context(), "a")) // full
		acquire(gabion.WithTenant(t.Context(), "b")) // displaces the second
		cancel()                                     // the first goes away
		wg.Wait()                                    // the fourth waits for too long
		if s := b.Snapshot(); s.Drops != (Drops{Full: 1, Wait: 1, Gone: 1, Displaced: 1}) || s.Refused != 4 {
			t.Errorf("%+v", s)
		}
		b.Done(first, gabion.Result{})
	})
}
