package gabion_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
)

func TestPoliciesActInTheRecommendedOrder(t *testing.T) {
	var seen journal
	inner := &watcher{name: "inner", position: gabion.PositionBulkhead, journal: &seen}
	outer := &watcher{name: "outer", position: gabion.PositionBreaker, journal: &seen}
	again := &director{name: "again", position: gabion.PositionRetry, journal: &seen, after: func(a gabion.Attempt) gabion.Verdict {
		return gabion.Verdict{Again: a.Number == 1}
	}}
	want := "again before 1, outer admits, inner admits, call 1, inner done: failure, outer done: failure, again after 1: failure, " +
		"again before 2, outer admits, inner admits, call 2, inner done: success, outer done: success, again after 2: success"
	calls := 0
	v, err := gabion.Do(t.Context(), newPipe(t, gabion.Config{}, inner, again, outer), func(context.Context) (string, error) {
		calls++
		seen.add("call %d", calls)
		if calls == 1 {
			return "", errDown
		}
		return "answer", nil
	})
	if v != "answer" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
	if got := strings.Join(seen, ", "); got != want {
		t.Errorf("order\n %s, want\n %s", got, want)
	}

	seen = nil
	pipe := newPipe(t, gabion.Config{AsGiven: true}, inner, outer)
	if err := pipe.Run(t.Context(), succeed); err != nil {
		t.Error(err)
	}
	if got := strings.Join(seen, ", "); got != "inner admits, outer admits, outer done: success, inner done: success" {
		t.Errorf("as given: %s", got)
	}
}

func TestOutcomes(t *testing.T) {
	tests := map[string]struct {
		classify func(any, error) gabion.Outcome
		cancel   bool
		value    int
		err      error
		want     gabion.Outcome
	}{
		"success":                 {want: gabion.Success},
		"failure":                 {err: errDown, want: gabion.Failure},
		"caller cancelled":        {cancel: true, err: context.Canceled, want: gabion.Ignored},
		"cancelled, other error":  {cancel: true, err: errDown, want: gabion.Ignored},
		"cancelled, but answered": {cancel: true, want: gabion.Success},
		"cancelled by itself":     {err: context.Canceled, want: gabion.Failure},
		"refused further in":      {err: fmt.Errorf("inner: %w", errShut), want: gabion.Ignored},
		"classified value": {
			classify: func(v any, _ error) gabion.Outcome { return gabion.Outcome(v.(int)) }, value: int(gabion.Ignored), want: gabion.Ignored,
		},
		"classified error": {
			classify: func(any, error) gabion.Outcome { return gabion.Success }, err: errDown, want: gabion.Success,
		},
		"a refusal is not classified": {
			classify: func(any, error) gabion.Outcome { return gabion.Failure }, err: errShut, want: gabion.Ignored,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var told []gabion.Event
			w := &watcher{name: "guard", journal: new(journal)}
			pipe := newPipe(t, gabion.Config{
				Name: "catalog", Classify: test.classify,
				Observer: gabion.ObserverFunc(func(e gabion.Event) { told = append(told, e) }),
			}, w)
			v, err := gabion.Do(ctx, pipe, func(context.Context) (int, error) {
				if test.cancel {
					cancel()
				}
				return test.value, test.err
			})
			if v != test.value || !errors.Is(err, test.err) {
				t.Errorf("got %d, %v; want what the function returned", v, err)
			}
			if r := w.results[0]; r.Outcome != test.want || !errors.Is(r.Err, test.err) || r.Began == 0 || r.Ended < r.Began {
				t.Errorf("the guard is told %+v, want %v", r, test.want)
			}
			if len(told) != 1 || told[0].Kind != gabion.EventCall || told[0].Policy != "pipe" || told[0].Name != "catalog" ||
				told[0].Outcome != test.want || !errors.Is(told[0].Err, test.err) {
				t.Errorf("the observer is told %+v, want %v", told, test.want)
			}
		})
	}
}

// calls is told of calls in the way of their own.
type calls struct {
	gabion.ObserverFunc
	told []gabion.Call
}

func (c *calls) ObserveCall(call gabion.Call) { c.told = append(c.told, call) }

func TestCallObserver(t *testing.T) {
	observer := &calls{ObserverFunc: func(e gabion.Event) { t.Errorf("told of a call as the event %+v", e) }}
	pipe := newPipe(t, gabion.Config{
		Name: "catalog", Observer: observer,
		PerKey: func(string) ([]gabion.Policy, error) { return nil, nil },
	})
	keyed, err := pipe.For("host")
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New("down")
	if err := keyed.Run(t.Context(), func(context.Context) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	if len(observer.told) != 1 {
		t.Fatalf("told %+v, want one call", observer.told)
	}
	c := observer.told[0]
	if c.Pipe != keyed || c.Pipe.Name() != "catalog" || c.Pipe.Key() != "host" || c.Outcome != gabion.Failure || !errors.Is(c.Err, failed) || c.At == 0 || c.Took < 0 {
		t.Errorf("told %+v", c)
	}
	want := gabion.Event{
		Kind: gabion.EventCall, Policy: "pipe", Name: "catalog", Key: "host",
		At: c.At, Took: c.Took, Outcome: gabion.Failure, Err: failed,
	}
	if e := c.Event(); e != want {
		t.Errorf("as an event it is %+v, want %+v", e, want)
	}
}

func TestReason(t *testing.T) {
	full := gabion.Rejection("full")
	nested := &gabion.Error{Policy: "shed", Reason: fmt.Errorf("shop: %w", &gabion.Error{Policy: "bulkhead", Reason: full, Cause: errors.New("down")})}
	for _, test := range []struct {
		event gabion.Event
		want  string
	}{
		{gabion.Event{Kind: gabion.EventRefused, Err: nested}, "full"},
		{gabion.Event{Kind: gabion.EventRefused, Err: nested, Detail: "wait"}, "wait"},
		{gabion.Event{Kind: gabion.EventRefused, Err: &gabion.Error{}}, ""},
		{gabion.Event{Kind: gabion.EventRefused, Err: errors.New("down")}, ""},
		{gabion.Event{Kind: gabion.EventState, To: "open", Detail: "50 of 100 calls failed"}, "open"},
		{gabion.Event{Kind: gabion.EventGaveUp, Detail: "attempts", Err: nested}, "attempts"},
		{gabion.Event{Kind: gabion.EventRetry, Err: nested}, ""},
	} {
		if got := test.event.Reason(); got != test.want {
			t.Errorf("%+v: %q, want %q", test.event, got, test.want)
		}
	}
}

func TestTrap11NothingIsCalledWhenTheContextHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var seen journal
	pipe := newPipe(t, gabion.Config{}, &director{name: "driver", journal: &seen}, &watcher{name: "guard", journal: &seen})
	if err := pipe.Run(ctx, func(context.Context) error { t.Error("called"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if permit, err := pipe.Acquire(ctx); permit != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("Acquire: %v, %v", permit, err)
	}
	if len(seen) != 0 {
		t.Errorf("policies were asked: %v", seen)
	}
}

func TestTrap21RefusalReleasesTheGuardsFurtherOut(t *testing.T) {
	var seen journal
	var told []gabion.Event
	first := &watcher{name: "first", position: 1, journal: &seen}
	second := &watcher{name: "second", position: 2, journal: &seen}
	third := &watcher{name: "third", position: 3, journal: &seen, refuse: true}
	pipe := newPipe(t, gabion.Config{Observer: gabion.ObserverFunc(func(e gabion.Event) { told = append(told, e) })}, first, second, third)
	want := "first admits, second admits, third refuses, second done: ignored, first done: ignored"

	err := pipe.Run(t.Context(), func(context.Context) error { t.Error("called"); return nil })
	if !errors.Is(err, errShut) || !errors.Is(err, gabion.ErrRejected) {
		t.Errorf("got %v", err)
	}
	if got := strings.Join(seen, ", "); got != want {
		t.Errorf("Run: %s, want %s", got, want)
	}
	if r := first.results[0]; r.Began != 0 || !errors.Is(r.Err, errShut) {
		t.Errorf("told %+v, want that it never began", r)
	}

	seen = nil
	if permit, err := pipe.Acquire(t.Context()); permit != nil || !errors.Is(err, errShut) {
		t.Errorf("Acquire: %v, %v", permit, err)
	}
	if got := strings.Join(seen, ", "); got != want {
		t.Errorf("Acquire: %s, want %s", got, want)
	}
	if len(told) != 2 || told[0].Outcome != gabion.Ignored || told[1].Outcome != gabion.Ignored || !errors.Is(told[1].Err, errShut) {
		t.Errorf("told of %+v, want two ignored calls", told)
	}
}

func TestResultSaysWhenTheFunctionBeganAfterAllWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer := &watcher{name: "outer", position: 1, journal: new(journal), waits: time.Second}
		inner := &watcher{name: "inner", position: 3, journal: new(journal), waits: 2 * time.Second}
		again := &director{position: 2, after: func(a gabion.Attempt) gabion.Verdict {
			return gabion.Verdict{Again: a.Number == 1, Wait: time.Minute}
		}}
		start := gabion.Now()
		newPipe(t, gabion.Config{}, outer, inner, again).Run(t.Context(), fail)
		var began []gabion.Instant
		for _, r := range slices.Concat(outer.results, inner.results) {
			began = append(began, r.Began-start)
		}
		// Waits are told, not waited, here. The retry comes a minute later.
		if want := []gabion.Instant{3 * time.Second, 3 * time.Second, 62 * time.Second}; !slices.Equal(began, want) {
			t.Errorf("began at %v, want %v", began, want)
		}
	})
}

func TestRefusalAfterAWaitMovesTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late bool
		bound := &director{plan: gabion.Plan{Timeout: time.Second}, after: func(a gabion.Attempt) gabion.Verdict {
			late = a.TimedOut
			return gabion.Verdict{}
		}}
		w := &watcher{name: "queue", position: 2, journal: new(journal), refuse: true, waits: time.Second}
		newPipe(t, gabion.Config{}, bound, w).Run(t.Context(), succeed)
		if !late {
			t.Error("a refusal after a wait of the whole timeout is not seen as late")
		}
	})
}

func TestReplace(t *testing.T) {
	replace := func(v any, err error) *director {
		return &director{after: func(a gabion.Attempt) gabion.Verdict {
			return gabion.Verdict{Replace: func(context.Context, error) (any, error) { return v, err }}
		}}
	}
	type event = gabion.Event
	var told event
	do := func(d *director) (string, error) {
		pipe := newPipe(t, gabion.Config{Observer: gabion.ObserverFunc(func(e event) { told = e })}, d)
		return gabion.Do(t.Context(), pipe, func(context.Context) (string, error) { return "", errDown })
	}
	if v, err := do(replace("instead", nil)); v != "instead" || err != nil || told.Outcome != gabion.Success {
		t.Errorf("a string: %q, %v, %v", v, err, told.Outcome)
	}
	if v, err := do(replace(nil, nil)); v != "" || err != nil {
		t.Errorf("nil: %q, %v", v, err)
	}
	errOther := errors.New("no answer either")
	if v, err := do(replace("instead", errOther)); v != "" || !errors.Is(err, errOther) || told.Outcome != gabion.Failure {
		t.Errorf("an error: %q, %v, %v", v, err, told.Outcome)
	}
	v, err := do(replace(42, nil))
	if v != "" || err == nil || !errors.Is(err, errDown) || !strings.Contains(err.Error(), "is a int, but the caller of Do expects a string") {
		t.Errorf("another type: %q, %v", v, err)
	}
	if told.Outcome != gabion.Failure {
		t.Errorf("another type counts as %v", told.Outcome)
	}
	// An interface type takes whatever implements it.
	pipe := newPipe(t, gabion.Config{}, replace(time.Second, nil))
	s, err := gabion.Do(t.Context(), pipe, func(context.Context) (fmt.Stringer, error) { return nil, errDown })
	if err != nil || s.String() != "1s" {
		t.Errorf("an interface: %v, %v", s, err)
	}
}

func TestSupersededValuesAreDiscarded(t *testing.T) {
	var discarded []any
	verdict := gabion.Verdict{}
	d := &director{after: func(a gabion.Attempt) gabion.Verdict {
		if a.Number < 3 {
			return gabion.Verdict{Again: true}
		}
		return verdict
	}}
	pipe := newPipe(t, gabion.Config{Discard: func(v any) { discarded = append(discarded, v) }}, d)
	for _, test := range []struct {
		verdict gabion.Verdict
		want    string
	}{
		{gabion.Verdict{}, "[1 2]"},
		{gabion.Verdict{Err: errDown}, "[1 2 3]"},
		{gabion.Verdict{Replace: func(context.Context, error) (any, error) { return 9, nil }}, "[1 2 3]"},
	} {
		discarded, verdict = nil, test.verdict
		calls := 0
		gabion.Do(t.Context(), pipe, func(context.Context) (int, error) { calls++; return calls, nil })
		if got := fmt.Sprint(discarded); got != test.want {
			t.Errorf("%+v: discarded %s, want %s", test.verdict, got, test.want)
		}
	}
}

func TestAttemptTellsOfTheLastFailureBefore(t *testing.T) {
	var earlier []error
	d := &director{after: func(a gabion.Attempt) gabion.Verdict {
		earlier = append(earlier, a.Earlier)
		return gabion.Verdict{Again: a.Number < 4}
	}}
	errs := []error{errDown, errShut, context.DeadlineExceeded, nil}
	calls := 0
	newPipe(t, gabion.Config{}, d).Run(t.Context(), func(context.Context) error {
		calls++
		return errs[calls-1]
	})
	if want := []error{nil, errDown, errDown, context.DeadlineExceeded}; !slices.Equal(earlier, want) {
		t.Errorf("got %v, want %v", earlier, want)
	}
}

func TestContextThatEndsBetweenTwoRunsEndsTheCall(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	d := &director{after: func(gabion.Attempt) gabion.Verdict {
		cancel()
		return gabion.Verdict{Again: true}
	}}
	calls := 0
	err := newPipe(t, gabion.Config{}, d).Run(ctx, func(context.Context) error { calls++; return errDown })
	if calls != 1 || !errors.Is(err, context.Canceled) || !errors.Is(err, errDown) {
		t.Errorf("%v after %d calls", err, calls)
	}
}
