package gabion

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errUnwound is the error that guards and the observer are told when the called function did not return.
var errUnwound = errors.New("the function panicked or called runtime.Goexit")

// run is one call on its way through a pipe. Steps are entered by recursion, so that every guard has its own
// deferred release and every driver its own context, without a closure for either.
type run[T any] struct {
	pipe    *Pipe
	caller  context.Context
	f       func(context.Context) (T, error)
	now     Instant
	began   Instant // when f first ran within the innermost entered guard, 0 before
	outcome Outcome
}

// step runs what stands at place i and everything further in.
func (r *run[T]) step(ctx context.Context, i int) (T, error) {
	if i == len(r.pipe.steps) {
		return r.call(ctx)
	}
	if s := &r.pipe.steps[i]; s.guard != nil {
		return r.guarded(ctx, i, s.guard)
	}
	return r.driven(ctx, i, r.pipe.steps[i].driver)
}

func (r *run[T]) call(ctx context.Context) (T, error) {
	r.outcome = Failure // stands when f panics
	if r.began == 0 {
		r.began = r.now
	}
	v, err := r.f(ctx)
	r.now = Now()
	r.outcome = classify(r.pipe, r.caller, v, err)
	return v, err
}

func (r *run[T]) guarded(ctx context.Context, i int, g Guard) (T, error) {
	ticket, err := g.Acquire(ctx, r.now)
	r.now += ticket.Waited
	if err != nil {
		if ctx.Err() != nil { // it may have waited for as long as that took
			r.now = Now()
		}
		var none T
		r.outcome = Ignored
		return none, err
	}
	outer := r.began
	r.began = 0
	returned := false
	defer func() {
		if !returned { // a panic or runtime.Goexit is passing through
			g.Done(ticket, Result{Outcome: Failure, Err: errUnwound, Began: r.began, Ended: Now()})
		}
	}()
	v, err := r.step(ctx, i+1)
	returned = true
	g.Done(ticket, Result{Outcome: r.outcome, Err: err, Began: r.began, Ended: r.now})
	if outer != 0 {
		r.began = outer
	}
	return v, err
}

func (r *run[T]) driven(ctx context.Context, i int, d Driver) (T, error) {
	a := Attempt{Number: 1, Entered: r.now, Now: r.now}
	failed := false // an earlier run was a Failure
	for {
		started := r.now
		plan := d.Before(ctx, a)
		v, err := r.planned(ctx, i+1, plan)
		a.Now, a.Outcome, a.Err = r.now, r.outcome, err
		a.TimedOut = plan.Timeout > 0 && r.now-started >= plan.Timeout
		verdict := d.After(ctx, a)
		if !verdict.Again {
			if failed && r.outcome == Ignored && r.caller.Err() == nil {
				r.outcome = Failure // the last run was refused, but the call did say something about the dependency
			}
			return r.settled(ctx, v, err, verdict)
		}
		r.discard(v, err)
		if slept := sleep(ctx, verdict.Wait); slept != nil {
			return r.interrupted(slept, err)
		}
		if r.outcome == Failure {
			failed, a.Earlier = true, err
		}
		r.now = Now()
		a = Attempt{Number: a.Number + 1, Entered: a.Entered, Now: r.now, Earlier: a.Earlier}
	}
}

// interrupted is the end of a call whose context ended between two runs. The first of them failed with cause.
func (r *run[T]) interrupted(ended, cause error) (T, error) {
	r.now = Now()
	if errors.Is(r.caller.Err(), context.Canceled) {
		r.outcome = Ignored
	}
	var none T
	return none, errors.Join(ended, cause)
}

// planned runs what stands at place i and further in, once, the way that plan says.
func (r *run[T]) planned(ctx context.Context, i int, plan Plan) (T, error) {
	if plan.Timeout > 0 {
		bounded, cancel := context.WithTimeout(ctx, plan.Timeout)
		defer cancel()
		ctx = bounded
	}
	return r.step(ctx, i)
}

// settled is the end of a driven run that is not repeated.
func (r *run[T]) settled(ctx context.Context, v T, err error, verdict Verdict) (T, error) {
	if verdict.Replace != nil {
		r.discard(v, err)
		return r.replaced(ctx, verdict, err)
	}
	if verdict.Err != nil {
		r.discard(v, err)
		var none T
		if r.outcome == Success {
			r.outcome = Failure
		}
		return none, verdict.Err
	}
	return v, err
}

// replaced is the result that stands in for a failed run.
func (r *run[T]) replaced(ctx context.Context, verdict Verdict, cause error) (T, error) {
	var none T
	value, err := verdict.Replace(ctx, cause)
	r.now = Now()
	if err != nil {
		return none, err
	}
	v, ok := value.(T)
	if !ok && value != nil {
		r.outcome = Failure
		return none, errors.Join(fmt.Errorf("gabion: the replacement is a %T, but the caller of Do expects a %T", value, none), cause)
	}
	r.outcome = Success
	return v, nil
}

func (r *run[T]) discard(v T, err error) {
	if r.pipe.config.Discard != nil && err == nil {
		r.pipe.config.Discard(v)
	}
}

// sleep waits for d, or until ctx ends and then returns its error.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
