package retry_test

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
	"github.com/gabion-io/gabion/retry"
)

var errDown = errors.New("connection refused")

func newRetry(t testing.TB, cfg retry.Config) *retry.Retry {
	t.Helper()
	r, err := retry.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newPipe(t testing.TB, cfg gabion.Config, policies ...gabion.Policy) *gabion.Pipe {
	t.Helper()
	cfg.Policies = policies
	p, err := gabion.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// events keeps what it is told.
type events []gabion.Event

func (all *events) Observe(e gabion.Event) { *all = append(*all, e) }

func (all *events) String() string {
	var b strings.Builder
	for _, e := range *all {
		fmt.Fprintf(&b, "%s %s %d %s;", e.Kind, e.Name, e.Attempt, e.Detail)
	}
	return b.String()
}

func TestRetriesUntilSuccess(t *testing.T) {
	for _, test := range []struct {
		attempts int
		ok       bool // the twin with one attempt fails
	}{{1, false}, {2, false}, {3, true}} {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			pipe := newPipe(t, gabion.Config{}, newRetry(t, retry.Config{Attempts: test.attempts}))
			v, err := gabion.Do(t.Context(), pipe, func(context.Context) (int, error) {
				if calls++; calls < 3 {
					return 0, errDown
				}
				return 42, nil
			})
			if (err == nil) != test.ok || test.ok && v != 42 || calls != test.attempts {
				t.Errorf("%d attempts: %d, %v after %d calls", test.attempts, v, err, calls)
			}
		})
	}
}

func TestGivingUpSaysHowOftenAndWhyAndKeepsTheCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told events
		pipe := newPipe(t, gabion.Config{}, newRetry(t, retry.Config{Name: "catalog", Observer: &told}))
		calls := 0
		err := pipe.Run(t.Context(), func(context.Context) error {
			calls++
			return fmt.Errorf("try %d: %w", calls, errDown)
		})
		if calls != 3 || !errors.Is(err, errDown) || !errors.Is(err, retry.ErrAttempts) {
			t.Errorf("%v after %d calls", err, calls)
		}
		if errors.Is(err, gabion.ErrRejected) {
			t.Errorf("%v: is a refusal, but the dependency was called", err)
		}
		want := `retry "catalog": gave up after 3 attempts: no attempts left; last error: try 3: connection refused`
		if err.Error() != want {
			t.Errorf("text %q, want %q", err, want)
		}
		if got := told.String(); got != "retry catalog 1 ;retry catalog 2 ;gave_up catalog 3 attempts;" {
			t.Errorf("told of %s", got)
		}
	})
}

func TestOneAttemptLeavesTheErrorAlone(t *testing.T) {
	pipe := newPipe(t, gabion.Config{}, newRetry(t, retry.Config{Attempts: 1}))
	if err := pipe.Run(t.Context(), func(context.Context) error { return errDown }); err == nil || err.Error() != errDown.Error() {
		t.Errorf("got %v", err)
	}
}

func TestFullJitterByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := newPipe(t, gabion.Config{}, newRetry(t, retry.Config{
			Attempts: 2, Backoff: retry.Backoff{Initial: time.Second, Max: time.Second}, Budget: gabion.Off,
		}))
		var waits []time.Duration
		for range 200 {
			start := time.Now()
			pipe.Run(t.Context(), func(context.Context) error { return errDown })
			waits = append(waits, time.Since(start))
		}
		var low, high int
		for _, w := range waits {
			switch {
			case w < 0 || w >= time.Second:
				t.Fatalf("waited %v, want less than 1s", w)
			case w < 250*time.Millisecond:
				low++
			case w > 750*time.Millisecond:
				high++
			}
		}
		if low < 20 || high < 20 {
			t.Errorf("of 200 waits %d are in the first quarter and %d in the last, want about 50", low, high)
		}
	})
}

// waitError is an error that carries a Retry-After.
type waitError time.Duration

func (w waitError) Error() string             { return "too busy" }
func (w waitError) RetryAfter() time.Duration { return time.Duration(w) }

func TestRetryAfterOfAnErrorIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := newPipe(t, gabion.Config{}, newRetry(t, retry.Config{Attempts: 2}))
		start := time.Now()
		calls := 0
		err := pipe.Run(t.Context(), func(context.Context) error {
			if calls++; calls == 1 {
				return fmt.Errorf("answer: %w", waitError(7*time.Second))
			}
			return nil
		})
		if took := time.Since(start); err != nil || took < 7*time.Second || took > 7*time.Second+10*time.Millisecond {
			t.Errorf("%v after %v, want success after 7s and a bit", err, took)
		}
	})
}

func TestRetryAfterBeyondTheDeadlineFailsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := newPipe(t, gabion.Config{}, newRetry(t, retry.Config{}))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		err := pipe.Run(ctx, func(context.Context) error { return waitError(7 * time.Second) })
		e, ok := errors.AsType[*gabion.Error](err)
		if !ok || !errors.Is(err, retry.ErrDeadline) || e.RetryAfter() != 7*time.Second || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestAFailureThatIsAValueIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var discarded []any
		pipe := newPipe(t, gabion.Config{
			Classify: func(v any, _ error) gabion.Outcome {
				if v.(int) >= 500 {
					return gabion.Failure
				}
				return gabion.Success
			},
			Discard: func(v any) { discarded = append(discarded, v) },
		}, newRetry(t, retry.Config{}))
		status := 500
		v, err := gabion.Do(t.Context(), pipe, func(context.Context) (int, error) { status++; return status, nil })
		if v != 503 || err != nil || fmt.Sprint(discarded) != "[501 502]" {
			t.Errorf("got %d, %v; discarded %v", v, err, discarded)
		}
	})
}

// gate is a guard that refuses calls from a number on.
type gate struct{ admits, asked int }

var errGate = gabion.Rejection("shut")

func (g *gate) Describe() gabion.Description {
	return gabion.Description{Kind: "gate", Position: gabion.PositionBreaker}
}

func (g *gate) Acquire(context.Context, gabion.Instant) (gabion.Ticket, error) {
	if g.asked++; g.asked > g.admits {
		return gabion.Ticket{}, &gabion.Error{Policy: "gate", Reason: errGate, Until: gabion.Now() + time.Minute}
	}
	return gabion.Ticket{}, nil
}

func (g *gate) Done(gabion.Ticket, gabion.Result) {}

func TestRefusalOfALaterTryKeepsTheFailureBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var outcome gabion.Outcome
		told := gabion.ObserverFunc(func(e gabion.Event) { outcome = e.Outcome })
		g := &gate{admits: 1}
		pipe := newPipe(t, gabion.Config{Observer: told}, newRetry(t, retry.Config{Name: "catalog"}), g)
		err := pipe.Run(t.Context(), func(context.Context) error { return errDown })
		for _, want := range []error{errDown, errGate, gabion.ErrRejected} {
			if !errors.Is(err, want) {
				t.Errorf("%v: is not %v", err, want)
			}
		}
		if g.asked != 2 {
			t.Errorf("asked %d times, want 2", g.asked)
		}
		if e, ok := errors.AsType[*gabion.Error](err); !ok || e.Policy != "retry" || e.RetryAfter() != time.Minute {
			t.Errorf("got %v", err)
		}
		if !strings.Contains(err.Error(), "gave up after 2 attempts: gate: shut") {
			t.Errorf("text %q", err)
		}
		if outcome != gabion.Failure {
			t.Errorf("the call counts as %v, but its first try has failed", outcome)
		}
	})
}

func TestTrap10NoWaitPastTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := newPipe(t, gabion.Config{}, newRetry(t, retry.Config{
			Backoff: retry.Backoff{Initial: 5 * time.Second, Max: 5 * time.Second, Jitter: retry.JitterNone},
		}))
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		start := time.Now()
		err := pipe.Run(ctx, func(context.Context) error { return errDown })
		if !errors.Is(err, errDown) || !errors.Is(err, retry.ErrDeadline) || time.Since(start) != 0 {
			t.Errorf("%v after %v, want it at once, with the cause", err, time.Since(start))
		}
		if !strings.Contains(err.Error(), "gave up after 1 attempt: no time left") {
			t.Errorf("text %q", err)
		}
	})
}

func TestTrap12RefusalsAreNotRetried(t *testing.T) {
	g := &gate{}
	pipe := newPipe(t, gabion.Config{}, newRetry(t, retry.Config{}), g)
	err := pipe.Run(t.Context(), func(context.Context) error { t.Error("called"); return nil })
	if !errors.Is(err, errGate) || g.asked != 1 {
		t.Errorf("%v after %d questions, want 1", err, g.asked)
	}
	// The refusal of another pipe within is one as well.
	calls := 0
	outer := newPipe(t, gabion.Config{}, newRetry(t, retry.Config{}))
	err = outer.Run(t.Context(), func(ctx context.Context) error {
		calls++
		return pipe.Run(ctx, func(context.Context) error { return nil })
	})
	if !errors.Is(err, errGate) || calls != 1 {
		t.Errorf("%v after %d calls, want 1", err, calls)
	}
}

func TestTrap13NestedRetriesDoNotMultiply(t *testing.T) {
	// Between two layers may be a network that tells neither which try it is nor why a call failed.
	bottom := func(budget gabion.Share, network bool) (calls float64) {
		synctest.Test(t, func(t *testing.T) {
			work := func(context.Context) error { calls++; return errDown }
			for range 3 {
				pipe := newPipe(t, gabion.Config{}, newRetry(t, retry.Config{Budget: budget}))
				inner := work
				work = func(ctx context.Context) error {
					if !network {
						return pipe.Run(ctx, inner)
					}
					return errors.New(pipe.Run(t.Context(), inner).Error())
				}
			}
			for range 1000 {
				work(t.Context())
			}
		})
		return calls
	}
	for _, test := range []struct {
		what        string
		budget      gabion.Share
		network     bool
		least, most float64
	}{
		{"nobody tells and nothing is bounded", gabion.Off, true, 27000, 27000},
		{"each has its budget", 0.1, true, 1000, 1000*1.1*1.1*1.1 + 40},
		{"it is told", gabion.Off, false, 3000, 3000},
		{"it is told and there is a budget", 0.1, false, 1000, 1000*1.1 + 10},
	} {
		if n := bottom(test.budget, test.network); n < test.least || n > test.most {
			t.Errorf("%s: %v calls, want %v to %v", test.what, n, test.least, test.most)
		}
	}
}

func TestRetryOfARetryIsLeftToWhoMakesIt(t *testing.T) {
	calls := 0
	pipe := newPipe(t, gabion.Config{}, newRetry(t, retry.Config{}))
	err := pipe.Run(gabion.WithAttempt(t.Context(), 2), func(ctx context.Context) error {
		if calls++; gabion.AttemptOf(ctx) != 2 {
			t.Errorf("it is try %d", gabion.AttemptOf(ctx))
		}
		return errDown
	})
	if calls != 1 || !errors.Is(err, errDown) {
		t.Errorf("%d calls: %v", calls, err)
	}
}

func TestTriesAreNumbered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var numbers []int
		pipe := newPipe(t, gabion.Config{}, newRetry(t, retry.Config{}))
		pipe.Run(t.Context(), func(ctx context.Context) error {
			numbers = append(numbers, gabion.AttemptOf(ctx))
			return errDown
		})
		if !slices.Equal(numbers, []int{1, 2, 3}) {
			t.Errorf("%v", numbers)
		}
	})
}

func TestTrap14ExhaustedBudgetKeepsTheCauseAndDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told events
		r := newRetry(t, retry.Config{
			Backoff:  retry.Backoff{Initial: time.Hour, Max: time.Hour, Jitter: retry.JitterNone},
			Observer: &told,
		})
		for r.Decide(gabion.Now(), 1, 0, 0).Again {
		}
		pipe := newPipe(t, gabion.Config{}, r)
		start := time.Now()
		err := pipe.Run(t.Context(), func(context.Context) error { return errDown })
		if !errors.Is(err, errDown) || !errors.Is(err, retry.ErrBudget) || time.Since(start) != 0 {
			t.Errorf("%v after %v, want it at once, with the cause", err, time.Since(start))
		}
		if got := told.String(); got != "gave_up  1 budget;" {
			t.Errorf("told of %s", got)
		}
		if s := r.Snapshot(gabion.Now()); s.OverBudget != 2 || s.Retries != 10 {
			t.Errorf("%+v", s)
		}
	})
}

func TestTrap33BudgetHoldsForSimultaneousFailures(t *testing.T) {
	for _, takes := range []time.Duration{0, 20 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			r := newRetry(t, retry.Config{})
			pipe := newPipe(t, gabion.Config{}, r)
			for range 1000 {
				go pipe.Run(t.Context(), func(context.Context) error {
					time.Sleep(takes)
					return errDown
				})
			}
			synctest.Wait()
			time.Sleep(time.Minute)
			if s := r.Snapshot(gabion.Now()); s.Retries > 200+10 || s.Retries < 150 {
				t.Errorf("calls of %v: %d retries, want about 200 and at most 210", takes, s.Retries)
			}
		})
	}
}

func TestCallerWhoCancelsIsNotRetried(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	pipe := newPipe(t, gabion.Config{}, newRetry(t, retry.Config{}))
	err := pipe.Run(ctx, func(ctx context.Context) error { calls++; cancel(); return ctx.Err() })
	if !errors.Is(err, context.Canceled) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

func TestCancellingDuringTheWaitEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var outcome gabion.Outcome
		told := gabion.ObserverFunc(func(e gabion.Event) { outcome = e.Outcome })
		pipe := newPipe(t, gabion.Config{Observer: told}, newRetry(t, retry.Config{
			Backoff: retry.Backoff{Initial: time.Hour, Max: time.Hour, Jitter: retry.JitterNone},
		}))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		err := pipe.Run(ctx, func(context.Context) error { return errDown })
		if !errors.Is(err, context.Canceled) || !errors.Is(err, errDown) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if outcome != gabion.Ignored {
			t.Errorf("counts as %v, want ignored", outcome)
		}
	})
}

func TestNoAllocations(t *testing.T) {
	pipe := newPipe(t, gabion.Config{}, newRetry(t, retry.Config{}))
	ctx := t.Context()
	call := func(context.Context) (int, error) { return 1, nil }
	if n := testing.AllocsPerRun(1000, func() { gabion.Do(ctx, pipe, call) }); n != 0 {
		t.Errorf("%v allocations for a success", n)
	}
}

func BenchmarkSuccess(b *testing.B) {
	pipe := newPipe(b, gabion.Config{}, newRetry(b, retry.Config{}))
	ctx := b.Context()
	for b.Loop() {
		if _, err := gabion.Do(ctx, pipe, func(context.Context) (int, error) { return 1, nil }); err != nil {
			b.Fatal(err)
		}
	}
}

// finalError is how a client says whether a request may be sent once more.
type finalError struct {
	error
	retryable bool
}

func (e finalError) Retryable() bool { return e.retryable }
func (e finalError) Unwrap() error   { return e.error }

func TestTrap32WhatMustNotBeMadeTwiceIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			name  string
			errs  []error
			calls int
			want  string
		}{
			{"may be tried again", []error{finalError{errDown, true}, nil}, 2, "<nil>"},
			{"must not", []error{finalError{errDown, false}, nil}, 1, "connection refused"},
			{"must not, within another error", []error{fmt.Errorf("send: %w", finalError{errDown, false}), nil}, 1, "send: connection refused"},
			{
				"must not any more",
				[]error{errDown, finalError{errDown, false}, nil},
				2, "retry: gave up after 2 attempts: it must not be tried again; last error: connection refused",
			},
		} {
			var told events
			pipe := newPipe(t, gabion.Config{}, newRetry(t, retry.Config{Attempts: 5, Observer: &told}))
			calls := 0
			err := pipe.Run(t.Context(), func(context.Context) error {
				calls++
				return test.errs[calls-1]
			})
			if calls != test.calls || fmt.Sprint(err) != test.want || err != nil && !errors.Is(err, errDown) {
				t.Errorf("%s: %v after %d calls, want %s after %d", test.name, err, calls, test.want, test.calls)
			}
			if gaveUp := strings.Contains(told.String(), "final"); gaveUp != (err != nil) {
				t.Errorf("%s: told %s", test.name, &told)
			}
		}
	})
}

// A service that limits its callers is well, so its answer is Ignored. It still says when to come again.
func TestTrap30WhatIsIgnoredIsRetriedWhenItAsksForThat(t *testing.T) {
	limited := &limitedError{}
	for _, test := range []struct {
		name   string
		err    error
		cancel bool
		calls  int
	}{
		{"it asks for that", limited, false, 3},
		{"it asks for that, within another error", fmt.Errorf("answer: %w", limited), false, 3},
		{"it does not", errDown, false, 1},
		{"it forbids it", finalError{errDown, false}, false, 1},
		{"the caller has gone", limited, true, 1},
		{"another policy refused", fmt.Errorf("%w: %w", errGate, limited), false, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			again := newRetry(t, retry.Config{})
			pipe := newPipe(t, gabion.Config{Classify: func(_ any, err error) gabion.Outcome {
				if err == nil {
					return gabion.Success
				}
				return gabion.Ignored
			}}, again)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			calls, start := 0, time.Now()
			err := pipe.Run(ctx, func(context.Context) error {
				if calls++; test.cancel {
					cancel()
				}
				return test.err
			})
			took := time.Since(start)
			if calls != test.calls || !errors.Is(err, test.err) || calls == 3 && took < 4*time.Second {
				t.Errorf("%s: %v after %d calls and %v, want %d calls", test.name, err, calls, took, test.calls)
			}
			if retries := again.Snapshot(gabion.Now()).Retries; retries != uint64(test.calls-1) {
				t.Errorf("%s: %d retries were charged", test.name, retries)
			}
		})
	}
}

// limitedError is an answer such as "too many requests".
type limitedError struct{}

func (*limitedError) Error() string             { return "too many requests" }
func (*limitedError) Retryable() bool           { return true }
func (*limitedError) RetryAfter() time.Duration { return 2 * time.Second }
