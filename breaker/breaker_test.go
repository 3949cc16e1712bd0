package breaker

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
)

var errDown = errors.New("connection refused")

const begin = time.Hour // some present

func newBreaker(t testing.TB, cfg Config) *Breaker {
	t.Helper()
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func admit(t testing.TB, b *Breaker, now gabion.Instant) gabion.Ticket {
	t.Helper()
	ticket, err := b.Acquire(t.Context(), now)
	if err != nil {
		t.Fatalf("at %v: %v", now, err)
	}
	return ticket
}

func isRefused(t testing.TB, b *Breaker, now gabion.Instant) bool {
	t.Helper()
	_, err := b.Acquire(t.Context(), now)
	if err != nil && !errors.Is(err, ErrOpen) {
		t.Fatalf("refused with %v, want ErrOpen", err)
	}
	return err != nil
}

// finish ends a call at once.
func finish(b *Breaker, ticket gabion.Ticket, now gabion.Instant, outcome gabion.Outcome) {
	r := gabion.Result{Outcome: outcome, Began: now, Ended: now}
	if outcome == gabion.Failure {
		r.Err = errDown
	}
	b.Done(ticket, r)
}

// opened is a breaker that has opened just now.
func opened(t testing.TB, cfg Config, now gabion.Instant) *Breaker {
	t.Helper()
	cfg.Consecutive = 1
	b := newBreaker(t, cfg)
	finish(b, admit(t, b, now), now, gabion.Failure)
	if b.State() != Open {
		t.Fatalf("%v after a failure, want open", b.State())
	}
	return b
}

func TestStateNames(t *testing.T) {
	for state, want := range map[State]string{Closed: "closed", Open: "open", HalfOpen: "half_open", 9: "unknown"} {
		if got := state.String(); got != want {
			t.Errorf("State %d is %q, want %q", state, got, want)
		}
	}
}

func TestRefusalSaysWhatAndWhen(t *testing.T) {
	b := opened(t, Config{Name: "catalog"}, begin)
	_, err := b.Acquire(t.Context(), begin)
	for _, want := range []error{ErrOpen, gabion.ErrRejected, errDown} {
		if !errors.Is(err, want) {
			t.Errorf("%v: is not %v", err, want)
		}
	}
	refusal, ok := errors.AsType[*gabion.Error](err)
	if !ok || refusal.Policy != "breaker" || refusal.Name != "catalog" {
		t.Fatalf("refused with %#v", err)
	}
	if until := b.Snapshot(begin).Until; refusal.Until != until || until <= begin {
		t.Errorf("until %v, Snapshot says %v", refusal.Until, until)
	}
	if text := err.Error(); !strings.HasPrefix(text, `breaker "catalog": open`) || !strings.Contains(text, errDown.Error()) {
		t.Errorf("text %q", text)
	}
}

func TestRefusedProbeSaysWhenALeaseEnds(t *testing.T) {
	b := opened(t, Config{Probes: 1, OpenFor: time.Second, ProbeLease: 7 * time.Second}, begin)
	now := begin + 2*time.Second
	admit(t, b, now)
	_, err := b.Acquire(t.Context(), now+1)
	if refusal, ok := errors.AsType[*gabion.Error](err); !ok || refusal.Until != now+7*time.Second || !errors.Is(err, errDown) {
		t.Errorf("refused with %v, want until %v", err, now+7*time.Second)
	}
}

func TestManyCallsAtOnce(t *testing.T) {
	b := newBreaker(t, Config{MinCalls: 50, OpenFor: time.Microsecond, Probes: 2, ProbeLease: time.Millisecond})
	var clock atomic.Int64
	clock.Store(int64(begin))
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 1))
			outcomes := []gabion.Outcome{gabion.Success, gabion.Failure, gabion.Failure, gabion.Ignored}
			for range 5000 {
				now := gabion.Instant(clock.Add(1000))
				ticket, err := b.Acquire(t.Context(), now)
				if err != nil {
					continue
				}
				finish(b, ticket, now, outcomes[random.IntN(4)])
			}
		})
	}
	all.Go(func() {
		for range 200 {
			if err := b.Update(Config{MinCalls: 50, OpenFor: time.Microsecond, Probes: 3, ProbeLease: time.Millisecond}); err != nil {
				t.Error(err)
			}
			b.Snapshot(gabion.Instant(clock.Load()))
		}
	})
	all.Wait()
	now := gabion.Instant(clock.Load()) + time.Minute
	for range 10 { // whatever state it is in: successes close it
		if ticket, err := b.Acquire(t.Context(), now); err == nil {
			finish(b, ticket, now, gabion.Success)
		}
	}
	if s := b.Snapshot(now); s.State != Closed || s.Opened == 0 {
		t.Errorf("%+v, want closed, opened before", s)
	}
}

func TestNoAllocations(t *testing.T) {
	closed, open := newBreaker(t, Config{SlowCall: time.Second}), opened(t, Config{}, begin)
	full := opened(t, Config{Probes: 1, OpenFor: time.Second, ProbeLease: time.Hour}, begin)
	admit(t, full, begin+2*time.Second)
	ctx := t.Context()
	tests := map[string]func(){
		"success": func() {
			ticket, err := closed.Acquire(ctx, begin)
			if err != nil {
				t.Error(err)
			}
			finish(closed, ticket, begin, gabion.Success)
		},
		"open":      func() { open.Acquire(ctx, begin) },
		"half-open": func() { full.Acquire(ctx, begin+3*time.Second) },
	}
	for name, f := range tests {
		if n := testing.AllocsPerRun(1000, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkSuccess(b *testing.B) {
	br := newBreaker(b, Config{SlowCall: time.Second})
	ctx := b.Context()
	b.RunParallel(func(pb *testing.PB) {
		for now := begin; pb.Next(); now += time.Microsecond {
			ticket, err := br.Acquire(ctx, now)
			if err != nil {
				b.Error(err)
			}
			br.Done(ticket, gabion.Result{Began: now, Ended: now})
		}
	})
}

func BenchmarkRefused(b *testing.B) {
	br := opened(b, Config{}, begin)
	ctx := b.Context()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := br.Acquire(ctx, begin); err == nil {
				b.Error("admitted")
			}
		}
	})
}

func TestRatesAreReachedExactly(t *testing.T) {
	for percent := 1; percent <= 100; percent++ {
		for whole := 1; whole <= 200; whole++ {
			for part := 1; part <= whole; part++ {
				if want := part*100 >= percent*whole; reaches(part, whole, gabion.Share(percent)/100) != want {
					t.Fatalf("%d of %d reaches %d %%: %v", part, whole, percent, !want)
				}
			}
		}
	}
}

// A call is admitted without the time where that makes no difference, and only there.
func TestAdmit(t *testing.T) {
	ends := func(cfg Config, mode Mode, want bool) {
		t.Helper()
		b := newBreaker(t, cfg)
		b.Force(mode)
		ticket, ok := b.Admit()
		if ok != want {
			t.Fatalf("%+v, %v: %v, want %v", cfg, mode, ok, want)
		}
		if !ok {
			return
		}
		now := gabion.Now()
		if other := admit(t, b, now); other != ticket {
			t.Errorf("%+v, %v: ticket %+v, want %+v", cfg, mode, ticket, other)
		}
		finish(b, ticket, now, gabion.Failure)
		if s := b.Snapshot(now); s.Calls != 1 || s.Failures != 1 {
			t.Errorf("%+v, %v: %+v, want a failure", cfg, mode, s)
		}
	}
	ends(Config{}, Automatic, true)
	ends(Config{LastCalls: 100}, Automatic, true)
	ends(Config{}, ForcedClosed, true)
	ends(Config{}, Watching, true)
	ends(Config{}, ForcedOpen, false)
	ends(Config{SlowCall: time.Second}, Automatic, false)
	ends(Config{SlowCall: time.Second, Hanging: 10}, Automatic, false)
	ends(Config{Throttle: 2}, Automatic, false)
	for name, b := range map[string]*Breaker{
		"open": opened(t, Config{}, time.Hour), "watching": opened(t, Config{}, time.Hour), "half-open": opened(t, Config{}, time.Hour),
	} {
		switch name {
		case "watching":
			b.Force(Watching)
		case "half-open":
			admit(t, b, 2*time.Hour)
		}
		if _, ok := b.Admit(); ok {
			t.Errorf("%s: admitted", name)
		}
	}
}

// The result of a call that was admitted before the breaker opened is dropped, as ever.
func TestAdmittedInAnEarlierState(t *testing.T) {
	b := newBreaker(t, Config{Consecutive: 1, Probes: 1})
	late, _ := b.Admit()
	finish(b, admit(t, b, time.Hour), time.Hour, gabion.Failure)
	finish(b, admit(t, b, 2*time.Hour), 2*time.Hour, gabion.Success)
	finish(b, late, 2*time.Hour, gabion.Failure)
	if s := b.Snapshot(2 * time.Hour); s.State != Closed || s.Calls != 0 {
		t.Errorf("%+v, want closed and empty", s)
	}
}
