package traps

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	resiliencybreaker "github.com/eapache/go-resiliency/breaker"
	"github.com/eapache/go-resiliency/retrier"
	failsafebudget "github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/zeromicro/go-zero/core/fx"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/retry"
)

var retryTraps = []trap{
	{10, "a wait past the deadline", "a retry in 5 s, 200 ms are left", pastDeadline},
	{12, "refusals are retried", "a retry with 3 tries around an open breaker; how often is that asked?", retriedRefusal},
	{13, "nested retries multiply", "3 layers with 3 tries each, the dependency is down; calls that it gets", nestedRetries},
	{14, "the budget hides the cause", "the retry budget is used up; is the error of the call in what is returned?", hiddenCause},
	{33, "a budget by what is in flight", "1000 calls fail at once, 3 tries each, a budget of 10 %; how many retries?", overshoot},
}

// retryAfter makes three tries with this wait between two, without a budget.
func retryAfter(pause time.Duration) *retry.Retry {
	return must(retry.New(retry.Config{
		Attempts: 3, Budget: gabion.Off, Backoff: retry.Backoff{Initial: pause, Max: max(pause, 1), Jitter: retry.JitterNone},
	}))
}

// retriers make three tries at most, with a wait of 5 s.
func retriers(*testing.T) map[string]fuse {
	const pause = 5 * time.Second
	eapacheRetrier := retrier.New(retrier.ConstantBackoff(2, pause), nil)
	return map[string]fuse{
		ours:     pipeOf(retryAfter(pause)),
		failsafe: ofFailsafe(retrypolicy.NewBuilder[any]().WithMaxAttempts(3).WithDelay(pause).Build()),
		eapache:  {eapacheRetrier.RunCtx},
		zero: {func(ctx context.Context, f func(context.Context) error) error {
			return fx.DoWithRetryCtx(ctx, func(ctx context.Context, _ int) error { return f(ctx) }, fx.WithRetry(3), fx.WithInterval(pause))
		}},
	}
}

func pastDeadline(t *testing.T) findings {
	found := findings{}
	for name := range retriers(t) {
		found[name] = bubble(t, func(t *testing.T) finding {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			began := time.Now()
			err := retriers(t)[name].run(ctx, fail)
			switch waited := time.Since(began); {
			case !errors.Is(err, errDown):
				return fell("waits %v, the cause is lost", waited)
			case waited > 0:
				return fell("waits %v", waited)
			}
			return held("at once, with the cause")
		})
	}
	return found
}

func retriedRefusal(t *testing.T) findings {
	asked := map[string]*atomic.Int32{ours: {}, failsafe: {}, eapache: {}}
	fuse := must(breaker.New(breaker.Config{
		Consecutive: 1, OpenFor: time.Hour,
		Observer: gabion.ObserverFunc(func(e gabion.Event) {
			if e.Kind == gabion.EventRefused {
				asked[ours].Add(1)
			}
		}),
	}))
	pipeOf(fuse).run(t.Context(), fail)
	pipeOf(retryAfter(1), fuse).run(t.Context(), succeed)

	safe := circuitbreaker.NewBuilder[any]().WithDelay(time.Hour).Build()
	safe.Open()
	ofFailsafe(retrypolicy.NewBuilder[any]().WithMaxAttempts(3).HandleIf(func(_ any, err error) bool {
		if errors.Is(err, circuitbreaker.ErrOpen) {
			asked[failsafe].Add(1)
		}
		return err != nil // as it is without HandleIf
	}).Build(), safe).run(t.Context(), succeed)

	other := resiliencybreaker.New(1, 1, time.Second)
	other.Run(func() error { return errDown })
	again := retrier.New(retrier.ConstantBackoff(2, 1), nil)
	again.Run(func() error { asked[eapache].Add(1); return other.Run(func() error { return nil }) })

	found := findings{}
	for name, n := range asked {
		found[name] = fell("%d times", n.Load())
		if n.Load() == 1 {
			found[name] = held("once")
		}
	}
	return found
}

func nestedRetries(t *testing.T) findings {
	safe := func() fuse { return ofFailsafe(retrypolicy.NewBuilder[any]().WithMaxAttempts(3).Build()) }
	again := func() fuse { return fuse{retrier.New(retrier.ConstantBackoff(2, 1), nil).RunCtx} }
	zeros := func() fuse {
		return fuse{func(ctx context.Context, f func(context.Context) error) error {
			return fx.DoWithRetryCtx(ctx, func(ctx context.Context, _ int) error { return f(ctx) }, fx.WithRetry(3))
		}}
	}
	own := func() fuse { return pipeOf(retryAfter(1)) }
	found := findings{}
	for name, layer := range map[string]func() fuse{ours: own, failsafe: safe, eapache: again, zero: zeros} {
		found[name] = bubble(t, func(t *testing.T) finding {
			calls := 0
			a, b, c := layer(), layer(), layer()
			a.run(t.Context(), func(ctx context.Context) error {
				return b.run(ctx, func(ctx context.Context) error {
					return c.run(ctx, func(context.Context) error { calls++; return errDown })
				})
			})
			if calls > 3 {
				return fell("%d", calls)
			}
			return held("%d", calls)
		})
	}
	return found
}

// budgeted are three tries with a wait of a millisecond and a budget of 10 %, with the least reserve that there can be.
func budgeted() map[string]fuse {
	own := must(retry.New(retry.Config{Attempts: 3, Budget: .1, Backoff: retry.Backoff{Initial: time.Millisecond}}))
	tight := failsafebudget.NewBuilder().WithMaxRate(.1).WithMinConcurrency(1).Build()
	return map[string]fuse{
		ours:     pipeOf(own),
		failsafe: ofFailsafe(retrypolicy.NewBuilder[any]().WithMaxAttempts(3).WithDelay(time.Millisecond).WithBudget(tight).Build()),
	}
}

func hiddenCause(t *testing.T) findings {
	found := findings{}
	for name := range budgeted() {
		found[name] = bubble(t, func(t *testing.T) finding {
			f := budgeted()[name]
			var errs []error
			var mu sync.Mutex
			var over sync.WaitGroup
			for range 100 {
				over.Go(func() {
					err := f.run(t.Context(), func(context.Context) error { pass(time.Second); return errDown })
					mu.Lock()
					defer mu.Unlock()
					errs = append(errs, err)
				})
			}
			over.Wait()
			exhausted, lost := 0, 0
			for _, err := range errs {
				if errors.Is(err, retry.ErrBudget) || errors.Is(err, failsafebudget.ErrExceeded) {
					exhausted++
				}
				if !errors.Is(err, errDown) {
					lost++
				}
			}
			switch {
			case exhausted == 0:
				t.Error("the budget was not used up")
			case lost > 0:
				return fell("lost in %d of %d", lost, exhausted)
			}
			return held("")
		})
	}
	return found
}

func overshoot(t *testing.T) findings {
	const calls = 1000
	found := findings{}
	for name := range budgeted() {
		found[name] = bubble(t, func(t *testing.T) finding {
			f := budgeted()[name]
			var made atomic.Int32
			var over sync.WaitGroup
			for range calls {
				over.Go(func() { f.run(t.Context(), func(context.Context) error { made.Add(1); return errDown }) })
			}
			over.Wait()
			if n := made.Load() - calls; n > calls/10+10 {
				return fell("%d", n)
			}
			return held("%d", made.Load()-calls)
		})
	}
	return found
}
