package gabion

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// errUnwound is the error that guards and the observer are told when the called function did not return.
var errUnwound = errors.New("the function panicked or called runtime.Goexit")

// run is one call on its way through a pipe. Steps are entered by recursion, so that every guard has its own
// deferred release and every driver its own context, without a closure for either. The called function is handed
// down and not kept here: what is kept beside a context escapes to the heap.
type run struct {
	pipe    *Pipe
	caller  context.Context
	now     Instant // 0 from when time has passed until somebody wants to know it
	began   Instant // when the function first ran within the innermost entered guard, 0 before
	outcome Outcome
	took    Instant // of the run that won a race, 0 when there was none
	second  bool    // it is one that was started later
	held    any     // the called function, where other goroutines may call it as well
}

// unread is when a function ran that nobody wanted to know the time of.
const unread Instant = -1

// time is the present. To read the clock takes longer than most policies do, and many calls need it only at their end.
func (r *run) time() Instant {
	if r.now == 0 {
		r.now = Now()
	}
	return r.now
}

// enter runs what stands at place i and everything further in.
func enter[T any](ctx context.Context, r *run, i int, f func(context.Context) (T, error)) (T, error) {
	if i == len(r.pipe.steps) {
		return call(ctx, r, f)
	}
	if r.pipe.steps[i].guard != nil {
		return guarded(ctx, r, i, f)
	}
	return driven(ctx, r, i, f)
}

func call[T any](ctx context.Context, r *run, f func(context.Context) (T, error)) (T, error) {
	r.outcome = Failure // stands when f panics
	if r.began == 0 {
		r.began = cmp.Or(r.now, unread)
	}
	v, err := f(ctx)
	r.now = 0
	r.outcome = classify(r.caller, r.pipe, v, err)
	return v, err
}

// guards are those of a pipe that stand side by side, and what they have given to a call. There can be more than have room
// here: those further in are entered for themselves.
type guards struct {
	steps   []step
	tickets [3]Ticket
	entered int
}

// release gives the tickets back, innermost first. When that panics, calling it again goes on with the next one.
func (g *guards) release(r *run, outcome Outcome, err error) {
	ended := r.time()
	if r.began == unread {
		r.began = ended
	}
	result := Result{Outcome: outcome, Err: err, Began: r.began, Ended: ended}
	for g.entered > 0 {
		g.entered--
		g.steps[g.entered].guard.Done(g.tickets[g.entered], result)
	}
}

// enter passes the guards. When one refuses, its error is returned, and those before it have not been released.
func (g *guards) enter(ctx context.Context, r *run) error {
	for g.entered < len(g.steps) && g.entered < len(g.tickets) && g.steps[g.entered].guard != nil {
		ticket, err := g.steps[g.entered].admit(ctx, r)
		if err != nil {
			if ctx.Err() != nil { // it may have waited for as long as that took
				r.now = 0
			}
			r.outcome = Ignored
			return err
		}
		g.tickets[g.entered] = ticket
		g.entered++
	}
	return nil
}

// admit asks a guard.
func (s *step) admit(ctx context.Context, r *run) (Ticket, error) {
	if s.admitter != nil {
		if ticket, ok := s.admitter.Admit(); ok {
			return ticket, nil
		}
	}
	ticket, err := s.guard.Acquire(ctx, r.time())
	r.now += ticket.Waited
	return ticket, err
}

func guarded[T any](ctx context.Context, r *run, i int, f func(context.Context) (T, error)) (v T, err error) {
	g := guards{steps: r.pipe.steps[i:]}
	outer := r.began
	r.began = 0
	defer func() {
		if g.entered > 0 { // a panic or runtime.Goexit is passing through
			r.now = 0
			g.release(r, Failure, errUnwound)
		}
	}()
	if err = g.enter(ctx, r); err == nil {
		v, err = enter(ctx, r, i+g.entered, f)
	}
	g.release(r, r.outcome, err)
	if outer != 0 {
		r.began = outer
	}
	return v, err
}

func driven[T any](ctx context.Context, r *run, i int, f func(context.Context) (T, error)) (T, error) {
	s := &r.pipe.steps[i]
	if s.starter != nil {
		v, err := enter(ctx, r, i+1, f)
		now := r.time()
		s.starter.Start(now)
		if r.outcome == Success {
			return v, err
		}
		return judged(ctx, r, i, now, 0, v, err, f)
	}
	entered := r.time()
	plan := s.driver.Before(ctx, Attempt{Number: 1, Entered: entered, Now: entered})
	v, err := planned(ctx, r, i+1, plan, f)
	return judged(ctx, r, i, entered, plan.Timeout, v, err, f)
}

// judged is what comes after the first run of what a driver encloses, which began at started and had a timeout, or none.
func judged[T any](ctx context.Context, r *run, i int, started, timeout Instant, v T, err error, f func(context.Context) (T, error)) (T, error) {
	d := r.pipe.steps[i].driver
	a := Attempt{Number: 1, Entered: started, Now: started}
	failed := false // an earlier run was a Failure
	for {
		a.Now, a.Outcome, a.Err = r.time(), r.outcome, err
		a.TimedOut = timeout > 0 && a.Now-started >= timeout
		a.Took, a.Second = cmp.Or(r.took, a.Now-started), r.second
		r.took, r.second = 0, false
		verdict := d.After(ctx, a)
		if !verdict.Again {
			if failed && r.outcome == Ignored && r.caller.Err() == nil {
				r.outcome = Failure // the last run was refused, but the call did say something about the dependency
			}
			return settled(ctx, r, v, err, verdict)
		}
		discard(r.pipe, v, err)
		if slept := sleep(ctx, verdict.Wait); slept != nil {
			var none T
			return none, r.interrupted(slept, err)
		}
		if r.outcome == Failure {
			failed = true
			a.Earlier = cmp.Or(err, a.Earlier)
		}
		r.now = 0
		started = r.time()
		a = Attempt{Number: a.Number + 1, Entered: a.Entered, Now: started, Earlier: a.Earlier}
		plan := d.Before(ctx, a)
		timeout = plan.Timeout
		v, err = planned(WithAttempt(ctx, a.Number), r, i+1, plan, f)
	}
}

// interrupted is the end of a call whose context ended between two runs. The first of them failed with cause.
func (r *run) interrupted(ended, cause error) error {
	r.now = 0
	if errors.Is(r.caller.Err(), context.Canceled) {
		r.outcome = Ignored
	}
	return errors.Join(ended, cause)
}

// planned runs what stands at place i and further in, once, the way that plan says.
func planned[T any](ctx context.Context, r *run, i int, plan Plan, f func(context.Context) (T, error)) (T, error) {
	if plan.Timeout > 0 {
		var bound *bounded
		ctx, bound = within(ctx, r.time()+plan.Timeout)
		defer bound.end()
	}
	if plan.Delay > 0 || plan.Instead != nil {
		if over, err := detour(ctx, r, plan); over {
			var none T
			return none, err
		}
	}
	if held, ok := r.held.(func(context.Context) (T, error)); ok && plan.Beside > 0 {
		return raced(ctx, r, i, plan, held)
	}
	return enter(ctx, r, i, f)
}

// detour is what a plan does before a run, and in place of it: then the call is over. For what stands further out, all of
// it is part of the run.
func detour(ctx context.Context, r *run, plan Plan) (over bool, err error) {
	if r.began == 0 {
		r.began = r.time()
	}
	r.outcome = Failure // stands when Instead panics
	if plan.Delay > 0 {
		err = sleep(ctx, plan.Delay)
		r.now = 0
	}
	if err == nil {
		if plan.Instead == nil {
			return false, nil
		}
		err = plan.Instead(ctx)
		r.now = 0
	}
	r.outcome = classify(r.caller, r.pipe, any(nil), err)
	return true, err
}

// settled is the end of a driven run that is not repeated.
func settled[T any](ctx context.Context, r *run, v T, err error, verdict Verdict) (T, error) {
	if verdict.Replace != nil {
		discard(r.pipe, v, err)
		return replaced[T](ctx, r, verdict, err)
	}
	if verdict.Err != nil {
		discard(r.pipe, v, err)
		var none T
		if r.outcome == Success {
			r.outcome = Failure
		}
		return none, verdict.Err
	}
	return v, err
}

// replaced is the result that stands in for a failed run.
func replaced[T any](ctx context.Context, r *run, verdict Verdict, cause error) (T, error) {
	var none T
	value, err := verdict.Replace(ctx, cause)
	r.now = 0
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

func discard[T any](p *Pipe, v T, err error) {
	if p.config.Discard != nil && err == nil {
		p.config.Discard(v)
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
