package bulkhead

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/defaulttest"
)

func mustNew(t testing.TB, cfg Config) *Bulkhead {
	t.Helper()
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustAcquire(t testing.TB, b *Bulkhead) gabion.Ticket {
	t.Helper()
	ticket, err := b.Acquire(t.Context(), gabion.Now())
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

func wantState(t testing.TB, b *Bulkhead, want Snapshot) {
	t.Helper()
	got := b.Snapshot()
	if got.InFlight != want.InFlight || got.Queued != want.Queued || got.Refused != want.Refused {
		t.Errorf("state %+v, want %+v", got, want)
	}
}

func TestDefaultTagsAreWhatNewApplies(t *testing.T) {
	defaulttest.Check(t, *mustNew(t, Config{}).places.config.Load())
}

func TestValidateNamesAllProblems(t *testing.T) {
	err := Config{Concurrency: -1, Queue: -2, Wait: -time.Second, Interval: -3, Target: -4, MaxTenants: -5}.Validate()
	for _, field := range []string{"concurrency is -1", "queue is -2", "wait is -1s", "interval is -3ns", "target is -4ns", "max_tenants is -5"} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%q does not name %q", err, field)
		}
	}
	if _, ok := errors.AsType[*gabion.FieldError](err); !ok {
		t.Errorf("%T holds no *gabion.FieldError", err)
	}
	if b, err := New(Config{Wait: -1}); b != nil || err == nil {
		t.Errorf("New gives %v and %v", b, err)
	}
	if err := (Config{Queue: gabion.Off, Interval: gabion.Off}).Validate(); err != nil {
		t.Errorf("off: %v", err)
	}
}

func TestBadUpdateChangesNothing(t *testing.T) {
	b := mustNew(t, Config{Concurrency: 1})
	if err := b.Update(Config{Concurrency: -5}); err == nil {
		t.Fatal("accepted")
	}
	mustAcquire(t, b)
	if _, err := b.TryAcquire(gabion.Now()); !errors.Is(err, ErrFull) {
		t.Errorf("second place: %v", err)
	}
}

func TestRefusalTellsWhatAPersonNeeds(t *testing.T) {
	var events []gabion.Event
	b := mustNew(t, Config{Name: "catalog", Concurrency: 1, Observer: gabion.ObserverFunc(func(e gabion.Event) { events = append(events, e) })})
	mustAcquire(t, b)
	_, err := b.Acquire(t.Context(), gabion.Now())
	if !errors.Is(err, gabion.ErrRejected) || !errors.Is(err, ErrFull) || !strings.Contains(err.Error(), `bulkhead "catalog": full`) {
		t.Errorf("refused with %v", err)
	}
	if len(events) != 1 || events[0].Kind != gabion.EventRefused || events[0].Name != "catalog" || !errors.Is(events[0].Err, ErrFull) {
		t.Errorf("told %+v", events)
	}
	wantState(t, b, Snapshot{InFlight: 1, Refused: 1})
}

func TestWaitersAreServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, Config{Concurrency: 1, Queue: 10, Wait: time.Minute})
		first := mustAcquire(t, b)
		var served []int
		for i := range 10 {
			go func() {
				ticket, err := b.Acquire(t.Context(), gabion.Now())
				if err != nil {
					t.Error(err)
					return
				}
				served = append(served, i) // one at a time, by the place
				b.Done(ticket, gabion.Result{})
			}()
			synctest.Wait()
		}
		wantState(t, b, Snapshot{InFlight: 1, Queued: 10})
		b.Done(first, gabion.Result{})
		synctest.Wait()
		if !slices.IsSorted(served) || len(served) != 10 {
			t.Errorf("served in the order %v", served)
		}
		wantState(t, b, Snapshot{})
	})
}

func TestWaitIsBounded(t *testing.T) {
	bounds := map[string]struct {
		ctx   func(context.Context) (context.Context, context.CancelFunc)
		want  time.Duration
		cause error
	}{
		"by the configuration": {func(c context.Context) (context.Context, context.CancelFunc) { return context.WithCancel(c) }, 50 * time.Millisecond, nil},
		"by the deadline": {func(c context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(c, 20*time.Millisecond)
		}, 20 * time.Millisecond, context.DeadlineExceeded},
		"by the caller": {func(c context.Context) (context.Context, context.CancelFunc) {
			c, cancel := context.WithCancel(c)
			time.AfterFunc(30*time.Millisecond, cancel)
			return c, cancel
		}, 30 * time.Millisecond, context.Canceled},
	}
	for name, bound := range bounds {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := mustNew(t, Config{Concurrency: 1, Queue: 1})
				mustAcquire(t, b)
				ctx, cancel := bound.ctx(t.Context())
				defer cancel()
				start := gabion.Now()
				_, err := b.Acquire(ctx, start)
				if took := gabion.Now() - start; took != bound.want {
					t.Errorf("waited %v, want %v", took, bound.want)
				}
				if !errors.Is(err, ErrFull) || bound.cause != nil && !errors.Is(err, bound.cause) {
					t.Errorf("refused with %v", err)
				}
				wantState(t, b, Snapshot{InFlight: 1, Refused: 1})
			})
		})
	}
}

func TestWaitedIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, Config{Concurrency: 1, Queue: 1, Wait: time.Second})
		first := mustAcquire(t, b)
		time.AfterFunc(300*time.Millisecond, func() { b.Done(first, gabion.Result{}) })
		if ticket := mustAcquire(t, b); ticket.Waited != 300*time.Millisecond {
			t.Errorf("waited %v", ticket.Waited)
		}
	})
}

// A grant and the end of the context at the same moment: the place is used by exactly one.
func TestGrantAndCancelAtOnceLoseNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, Config{Concurrency: 1, Queue: 2, Wait: time.Hour})
		for range 200 {
			first := mustAcquire(t, b)
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			for _, waiting := range []context.Context{ctx, t.Context()} {
				wg.Go(func() {
					if ticket, err := b.Acquire(waiting, gabion.Now()); err == nil {
						b.Done(ticket, gabion.Result{})
					} else if waiting != ctx {
						t.Errorf("the other waiter: %v", err)
					}
				})
			}
			synctest.Wait()
			wg.Go(cancel)
			wg.Go(func() { b.Done(first, gabion.Result{}) })
			wg.Wait()
		}
		if s := b.Snapshot(); s.InFlight != 0 || s.Queued != 0 {
			t.Errorf("left over: %+v", s)
		}
	})
}

func TestMorePlacesStartWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, Config{Concurrency: 1, Queue: 3, Wait: time.Hour})
		mustAcquire(t, b)
		for range 3 {
			go func() {
				if _, err := b.Acquire(t.Context(), gabion.Now()); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		wantState(t, b, Snapshot{InFlight: 1, Queued: 3})
		if err := b.Update(Config{Concurrency: 3, Queue: 3, Wait: time.Hour}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wantState(t, b, Snapshot{InFlight: 3, Queued: 1})
		b.Done(gabion.Ticket{}, gabion.Result{})
		synctest.Wait()
		wantState(t, b, Snapshot{InFlight: 3})
	})
}

// policies.md calls it permits after a panic: a place that is not given back is lost for ever.
func TestTrap07PlaceReturnsAfterPanic(t *testing.T) {
	b := mustNew(t, Config{Concurrency: 1})
	pipe := pipeOf(t, b)
	for range 3 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			err := pipe.Run(t.Context(), func(context.Context) error { panic("boom") })
			t.Errorf("returned %v", err)
		}()
	}
	wantState(t, b, Snapshot{})
}

func TestTrap02PlaceReturnsAfterGoexit(t *testing.T) {
	b := mustNew(t, Config{Concurrency: 1})
	pipe := pipeOf(t, b)
	for range 3 {
		done := make(chan struct{})
		go func() {
			defer close(done)
			err := pipe.Run(t.Context(), func(context.Context) error { runtime.Goexit(); return nil })
			t.Errorf("returned %v", err)
		}()
		<-done
	}
	wantState(t, b, Snapshot{})
}

// An observer that reads the state of the bulkhead must not find it locked.
func TestTrap06ObserverMayReadTheState(t *testing.T) {
	var b *Bulkhead
	seen := make(chan Snapshot, 1)
	b = mustNew(t, Config{Concurrency: 1, Observer: gabion.ObserverFunc(func(gabion.Event) { seen <- b.Snapshot() })})
	mustAcquire(t, b)
	if _, err := b.TryAcquire(gabion.Now()); err == nil {
		t.Fatal("admitted")
	}
	if s := <-seen; s.Refused != 1 {
		t.Errorf("saw %+v", s)
	}
}

// One slow dependency takes all workers without a bulkhead, and only its own places with one.
func TestSlowDependencyLeavesWorkersForOthers(t *testing.T) {
	for name, places := range map[string]int{"with": 2, "without": 1000} {
		t.Run(name+" a bulkhead", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const workers = 10
				pipe := pipeOf(t, mustNew(t, Config{Concurrency: places}))
				busy := 0
				var mu sync.Mutex
				release := make(chan struct{})
				for range workers {
					go pipe.Run(t.Context(), func(context.Context) error {
						mu.Lock()
						busy++
						mu.Unlock()
						<-release
						return nil
					})
				}
				synctest.Wait()
				if want := min(places, workers); busy != want {
					t.Errorf("%d workers are stuck, want %d", busy, want)
				}
				close(release)
			})
		})
	}
}

func TestNeverMoreThanTheBoundRun(t *testing.T) {
	// Without pressure: on a machine that is busy the queue may stand for longer than a tenth of a second.
	b := mustNew(t, Config{Concurrency: 3, Queue: 100, Wait: time.Minute, Interval: gabion.Off})
	var mu sync.Mutex
	running, most := 0, 0
	step := func(by int) {
		mu.Lock()
		defer mu.Unlock()
		running += by
		most = max(most, running)
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 200 {
				ticket, err := b.Acquire(t.Context(), gabion.Now())
				if err != nil {
					t.Error(err)
					return
				}
				step(1)
				runtime.Gosched()
				step(-1)
				b.Done(ticket, gabion.Result{})
			}
		})
	}
	wg.Wait()
	if most > 3 {
		t.Errorf("%d ran at once", most)
	}
	wantState(t, b, Snapshot{})
}

func pipeOf(t testing.TB, policies ...gabion.Policy) *gabion.Pipe {
	t.Helper()
	pipe, err := gabion.New(gabion.Config{Name: "test", Policies: policies})
	if err != nil {
		t.Fatal(err)
	}
	return pipe
}

func BenchmarkAcquire(b *testing.B) {
	bulkhead := mustNew(b, Config{})
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		ticket, err := bulkhead.Acquire(ctx, 1)
		if err != nil {
			b.Fatal(err)
		}
		bulkhead.Done(ticket, gabion.Result{})
	}
}

// A call is admitted without the time only where nobody may wait, and then teaches nothing about how long calls run.
func TestAdmit(t *testing.T) {
	b := mustNew(t, Config{Concurrency: 1})
	ticket, ok := b.Admit()
	if !ok {
		t.Fatal("refused")
	}
	if _, ok := b.Admit(); ok {
		t.Error("admitted one too many")
	}
	wantState(t, b, Snapshot{InFlight: 1})
	if _, err := b.Acquire(t.Context(), gabion.Now()); !errors.Is(err, ErrFull) {
		t.Errorf("got %v", err)
	}
	if err := b.Update(Config{Concurrency: 1, Queue: 1}); err != nil {
		t.Fatal(err)
	}
	now := gabion.Now()
	b.Done(ticket, gabion.Result{Began: now, Ended: now})
	wantState(t, b, Snapshot{Refused: 1})
	if usual := b.Snapshot().Usual; usual != 0 {
		t.Errorf("calls usually take %v, want that it is not known", usual)
	}
	if _, ok := b.Admit(); ok {
		t.Error("admitted although it matters how long calls run")
	}
	b.Done(mustAcquire(t, b), gabion.Result{Began: now, Ended: now + time.Second})
	if usual := b.Snapshot().Usual; usual != time.Second {
		t.Errorf("calls usually take %v, want 1s", usual)
	}
}
