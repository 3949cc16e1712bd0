package breaker

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
)

// The traps are mistakes that circuit breakers in use are known for.

func TestTrap01PanickingProbeGivesItsPlaceBack(t *testing.T) {
	probeThatNeverReturns(t, func() { panic("probe") })
}

func TestTrap02GoexitInProbeGivesItsPlaceBack(t *testing.T) { probeThatNeverReturns(t, runtime.Goexit) }

// probeThatNeverReturns checks that such a probe counts as a failure and that the breaker closes after the next.
func probeThatNeverReturns(t *testing.T, leave func()) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := opened(t, Config{Probes: 1, OpenFor: time.Second, ProbeLease: time.Hour}, gabion.Now())
		pipe, err := gabion.New(gabion.Config{Policies: []gabion.Policy{b}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() { recover() }()
			pipe.Run(t.Context(), func(context.Context) error { leave(); return nil })
			t.Error("Run returned")
		}()
		<-done
		if b.State() != Open {
			t.Fatalf("%v after the probe, want open", b.State())
		}
		time.Sleep(2 * time.Second)
		if err := pipe.Run(t.Context(), func(context.Context) error { return nil }); err != nil || b.State() != Closed {
			t.Errorf("then %v and %v, want a success and closed", err, b.State())
		}
	})
}

func TestTrap03HungProbesCannotWedge(t *testing.T) {
	b := opened(t, Config{Probes: 3, OpenFor: time.Second, ProbeLease: 2 * time.Second}, begin)
	now := begin + 2*time.Second
	for range 100 { // every probe of a hundred generations hangs
		for range 3 {
			admit(t, b, now)
		}
		if !isRefused(t, b, now) {
			t.Fatal("a fourth probe was admitted")
		}
		now += 2 * time.Second
	}
	for range 3 {
		finish(b, admit(t, b, now), now, gabion.Success)
	}
	if b.State() != Closed {
		t.Errorf("%v, want closed", b.State())
	}
}

func TestTrap04LateResultsTouchNothing(t *testing.T) {
	for _, late := range []gabion.Outcome{gabion.Success, gabion.Failure, gabion.Ignored} {
		b := newBreaker(t, Config{Consecutive: 1, Probes: 1, OpenFor: time.Second})
		old := admit(t, b, begin)
		finish(b, admit(t, b, begin), begin, gabion.Failure)
		finish(b, old, begin, late)
		if b.State() != Open || !isRefused(t, b, begin+time.Second/2) {
			t.Errorf("%v while open: %v", late, b.State())
		}
		now := begin + 2*time.Second
		probe := admit(t, b, now)
		finish(b, old, now, late)
		if b.State() != HalfOpen || !isRefused(t, b, now) {
			t.Errorf("%v while half-open: %v", late, b.State())
		}
		finish(b, probe, now, gabion.Success)
		finish(b, old, now, late)
		if s := b.Snapshot(now); s.State != Closed || s.Calls != 0 {
			t.Errorf("%v when closed again: %+v", late, s)
		}
	}
}

func TestTrap05CallerWhoCancelsOpensNothing(t *testing.T) {
	b := newBreaker(t, Config{Consecutive: 1})
	pipe, err := gabion.New(gabion.Config{Policies: []gabion.Policy{b}})
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		err := pipe.Run(ctx, func(ctx context.Context) error {
			cancel()
			return ctx.Err()
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if s := b.Snapshot(gabion.Now()); s.State != Closed || s.Calls != 0 {
		t.Errorf("%+v, want closed and no calls", s)
	}
	// A function that returns context.Canceled although nobody cancelled has failed.
	pipe.Run(t.Context(), func(context.Context) error { return context.Canceled })
	if b.State() != Open {
		t.Errorf("%v after a failure, want open", b.State())
	}
}

func TestTrap06WhoIsToldMayUseTheBreaker(t *testing.T) {
	var b *Breaker
	var states []State
	var told []gabion.EventKind
	opens := 0
	b = newBreaker(t, Config{
		Name: "catalog", Consecutive: 1, Probes: 1, OpenFor: time.Second,
		OnOpen: func() { opens++; b.Snapshot(begin) },
		Observer: gabion.ObserverFunc(func(e gabion.Event) {
			told = append(told, e.Kind)
			states = append(states, b.State())
			b.Snapshot(e.At)
			if e.Policy != "breaker" || e.Name != "catalog" {
				t.Errorf("told of %s %q", e.Policy, e.Name)
			}
			if e.Kind == gabion.EventState && e.To != b.State().String() {
				t.Errorf("told of %s while %v", e.To, b.State())
			}
			if e.Kind == gabion.EventRefused && !errors.Is(e.Err, ErrOpen) {
				t.Errorf("told of a refusal with %v", e.Err)
			}
		}),
	})
	finish(b, admit(t, b, begin), begin, gabion.Failure)
	isRefused(t, b, begin)
	now := begin + 2*time.Second
	finish(b, admit(t, b, now), now, gabion.Success)
	if want := []State{Open, Open, HalfOpen, Closed}; len(states) != 4 || states[0] != want[0] || states[2] != want[2] || states[3] != want[3] {
		t.Errorf("saw %v (%v), want %v", states, told, want)
	}
	if told[1] != gabion.EventRefused || opens != 1 {
		t.Errorf("told of %v, OnOpen called %d times", told, opens)
	}
}

func TestTrap16StepsOfTheWallClockDoNotMatter(t *testing.T) {
	// Time is a parameter, and the shell's comes from the monotonic clock. What remains is readings that are
	// reported out of order: none may empty the window or keep it from sliding.
	b := newBreaker(t, Config{MinCalls: 4})
	for _, at := range []gabion.Instant{begin, begin - time.Hour, begin - time.Second} {
		finish(b, admit(t, b, at), at, gabion.Failure)
	}
	if s := b.Snapshot(begin); s.Failures != 3 {
		t.Errorf("%+v, want 3 failures", s)
	}
	if s := b.Snapshot(begin + 10*time.Second); s.Failures != 0 {
		t.Errorf("%+v ten seconds later, want none", s)
	}
}

func TestTrap17RateIsRightAtAnyPhaseOfTheWindow(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		b := newBreaker(t, Config{Window: 10 * time.Second, MinCalls: 100, FailureRate: 0.5})
		now := begin + time.Duration(random.Int64N(int64(20*time.Second)))
		for i := range 2000 { // 9 % failures, at any time, in a row of up to 9
			outcome := gabion.Success
			if i%100 < 9 {
				outcome = gabion.Failure
			}
			finish(b, admit(t, b, now), now, outcome)
			now += 10 * time.Millisecond
		}
		if s := b.Snapshot(now); s.State != Closed || s.Calls < 950 || s.Calls > 1000 {
			t.Fatalf("%+v, want closed with 950 to 1000 calls", s)
		}
	}
}

func TestTrap18WindowEmptiesWithTime(t *testing.T) {
	b := newBreaker(t, Config{MinCalls: 10})
	for range 9 {
		finish(b, admit(t, b, begin), begin, gabion.Failure)
	}
	later := begin + time.Hour
	if s := b.Snapshot(later); s.Calls != 0 || s.Failures != 0 {
		t.Errorf("after a quiet hour: %+v", s)
	}
	finish(b, admit(t, b, later), later, gabion.Failure)
	if b.State() != Closed {
		t.Error("the first failure after a quiet hour opened the breaker")
	}
}

func TestTrap20IgnoredProbesGiveTheirPlaceBack(t *testing.T) {
	b := opened(t, Config{Probes: 1, OpenFor: time.Second, ProbeLease: time.Hour}, begin)
	now := begin + 2*time.Second
	for range 100 {
		finish(b, admit(t, b, now), now, gabion.Ignored)
	}
	if b.State() != HalfOpen {
		t.Fatalf("%v, want half_open", b.State())
	}
	finish(b, admit(t, b, now), now, gabion.Success)
	if b.State() != Closed {
		t.Errorf("%v, want closed", b.State())
	}
}

func TestTrap22NeverMoreProbesThanAllowed(t *testing.T) {
	for range 200 {
		b := opened(t, Config{Probes: 3, OpenFor: time.Second}, begin)
		var admitted atomic.Int32
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				if _, err := b.Acquire(t.Context(), begin+2*time.Second); err == nil {
					admitted.Add(1)
				}
			})
		}
		all.Wait()
		if n := admitted.Load(); n != 3 {
			t.Fatalf("%d probes, want 3", n)
		}
	}
}

func TestTrap23UpdateKeepsTheState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := opened(t, Config{OpenFor: time.Minute}, gabion.Now())
		before := b.Snapshot(gabion.Now())
		if err := b.Update(Config{Name: "new", OpenFor: time.Minute, FailureRate: 0.1}); err != nil {
			t.Fatal(err)
		}
		if after := b.Snapshot(gabion.Now()); after != before {
			t.Errorf("%+v, was %+v", after, before)
		}
		_, err := b.Acquire(t.Context(), gabion.Now())
		if refusal, ok := errors.AsType[*gabion.Error](err); !ok || refusal.Name != "new" || !errors.Is(err, errDown) {
			t.Errorf("refused with %v", err)
		}
		if d := b.Describe(); d != (gabion.Description{Kind: "breaker", Name: "new", Position: gabion.PositionBreaker}) {
			t.Errorf("described as %+v", d)
		}
	})
}

func TestTrap24BreakersDoNotTryAtTheSameMoment(t *testing.T) {
	const openFor = 10 * time.Second
	earliest, latest := gabion.Instant(1<<62), gabion.Instant(0)
	for range 200 {
		until := opened(t, Config{OpenFor: openFor}, begin).Snapshot(begin).Until - begin
		if until < openFor*9/10 || until > openFor*11/10 {
			t.Fatalf("open for %v, want %v ±10 %%", until, openFor)
		}
		earliest, latest = min(earliest, until), max(latest, until)
	}
	if latest-earliest < openFor/10 {
		t.Errorf("200 open times lie between %v and %v", earliest, latest)
	}
}

// TestTrap19HangsOpenItBeforeTheFirstTimesOut: results alone come too late.
func TestTrap19HangsOpenItBeforeTheFirstTimesOut(t *testing.T) {
	const timeout, calls = 10 * time.Second, 1000
	admitted := func(hanging int) int32 {
		var hung atomic.Int32
		synctest.Test(t, func(t *testing.T) {
			b := newBreaker(t, Config{SlowCall: time.Second, Hanging: hanging})
			var all sync.WaitGroup
			for range calls {
				all.Go(func() {
					if _, err := Do(t.Context(), b, func(context.Context) (int, error) {
						time.Sleep(timeout)
						return 0, errors.New("timeout")
					}); !errors.Is(err, ErrOpen) {
						hung.Add(1)
					}
				})
				time.Sleep(timeout / (calls + 1)) // the last begins before the first ends
			}
			all.Wait()
		})
		return hung.Load()
	}
	if n := admitted(0); n != calls {
		t.Errorf("%d calls hung without Hanging: the test shows nothing", n)
	}
	if n := admitted(20); n > 150 {
		t.Errorf("%d calls hung", n)
	}
}

// TestRampLetsCallsInGradually: what has just come up gets a growing share of the calls, and without a ramp all at once.
func TestRampLetsCallsInGradually(t *testing.T) {
	const perSecond, ramp = 1000, 10 * time.Second
	admitted := func(cfg Config) (seconds [12]int) {
		b := newBreaker(t, cfg)
		now := time.Hour
		call := func(o gabion.Outcome) bool {
			ticket, err := b.Acquire(t.Context(), now)
			if err == nil {
				b.Done(ticket, gabion.Result{Outcome: o, Began: now, Ended: now})
			}
			return err == nil
		}
		call(gabion.Failure)
		for now += time.Minute; b.State() != Ramping && b.State() != Closed; {
			call(gabion.Success)
		}
		for second := range seconds {
			for range perSecond {
				if call(gabion.Success) {
					seconds[second]++
				}
				now += time.Second / perSecond
			}
		}
		return seconds
	}
	all := admitted(Config{Consecutive: 1})
	if all[0] != perSecond {
		t.Errorf("without a ramp %v: the test shows nothing", all)
	}
	got := admitted(Config{Consecutive: 1, RampFor: ramp})
	for second, n := range got[:10] {
		want := perSecond * (firstShare + (1-firstShare)*(float64(second)+.5)/10)
		if float64(n) < want-80 || float64(n) > want+80 {
			t.Errorf("second %d: %d of %d, want about %.0f", second, n, perSecond, want)
		}
	}
	if got[10] != perSecond || got[11] != perSecond {
		t.Errorf("after the ramp: %v", got[10:])
	}
}
