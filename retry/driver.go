package retry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gabion-io/gabion"
)

// Why a call that failed was not tried again. The error that says so wraps one of these and the last real error.
var (
	// ErrAttempts says that all tries are used up.
	ErrAttempts = errors.New("no attempts left")
	// ErrBudget says that too many calls are being retried.
	ErrBudget = errors.New("retry budget exhausted")
	// ErrDeadline says that the next try would have come after the deadline.
	ErrDeadline = errors.New("no time left for another attempt")
	// ErrFinal says that what failed must not be tried again: see the package comment.
	ErrFinal = errors.New("it must not be tried again")
)

// Describe implements [gabion.Policy].
func (r *Retry) Describe() gabion.Description {
	return gabion.Description{Kind: "retry", Name: r.settings().Name, Position: gabion.PositionRetry, Failures: true}
}

// Before implements [gabion.Driver].
func (r *Retry) Before(_ context.Context, a gabion.Attempt) gabion.Plan {
	if a.Number == 1 {
		r.Start(a.Now)
	}
	return gabion.Plan{}
}

// After implements [gabion.Driver].
func (r *Retry) After(ctx context.Context, a gabion.Attempt) gabion.Verdict {
	if a.Outcome == gabion.Success {
		return gabion.Verdict{}
	}
	if errors.Is(a.Err, gabion.ErrRejected) || a.Outcome == gabion.Ignored && !welcome(ctx, a.Err) {
		return r.refused(a)
	}
	after, hasAfter := askedFor(a.Err)
	d := r.decide(ctx, a, after)
	r.tell(a, d)
	if d.Again {
		return gabion.Verdict{Again: true, Wait: d.Wait}
	}
	if a.Err == nil || a.Number == 1 && (d.Why == WhyAttempts || d.Why == WhyNested || d.Why == WhyFinal) {
		return gabion.Verdict{} // a failure that is a value, such as an answer with status 503; or nothing was retried
	}
	e := r.error(a, reason(d.Why))
	if hasAfter {
		e.Until = a.Now + after
	}
	return gabion.Verdict{Err: e}
}

func (r *Retry) decide(ctx context.Context, a gabion.Attempt, after time.Duration) Decision {
	switch {
	case nested(ctx, a.Err):
		return Decision{Why: WhyNested}
	case final(a.Err):
		return Decision{Why: WhyFinal}
	}
	return r.Decide(a.Now, a.Number, deadlineOf(ctx), after)
}

// final says whether err forbids another try: who made the call may know that it must not be made twice, and says so with
// this method.
func final(err error) bool {
	again, says := retryable(err)
	return says && !again
}

// welcome says whether another try is asked for although the last one was [gabion.Ignored]: an answer such as "too many
// requests" is no failure of the one who was called, and says when to come again.
func welcome(ctx context.Context, err error) bool {
	again, _ := retryable(err)
	return again && ctx.Err() == nil
}

func retryable(err error) (again, says bool) {
	if err == nil {
		return false, false
	}
	e, says := errors.AsType[interface {
		error
		Retryable() bool
	}](err)
	return says && e.Retryable(), says
}

// nested says whether a failure is not for this policy to retry: because the call is a retry of somebody further out, who
// goes on, or because somebody further in has given up on it. Otherwise three layers with three tries each would make 27
// calls of one.
func nested(ctx context.Context, err error) bool {
	if gabion.AttemptOf(ctx) > 1 {
		return true
	}
	_, gaveUp := errors.AsType[*giveUpError](err)
	return gaveUp
}

// refused is the end of a call that was refused locally, or that its caller gave up. When an earlier try got as far
// as a real failure, the error says so.
func (r *Retry) refused(a gabion.Attempt) gabion.Verdict {
	if a.Earlier == nil || a.Err == nil {
		return gabion.Verdict{}
	}
	e := r.error(a, a.Err)
	e.Cause = a.Earlier
	if refusal, ok := errors.AsType[*gabion.Error](a.Err); ok {
		e.Until = refusal.Until
	}
	return gabion.Verdict{Err: e}
}

func (r *Retry) error(a gabion.Attempt, why error) *gabion.Error {
	return &gabion.Error{
		Policy: "retry", Name: r.settings().Name, Reason: &giveUpError{a.Number, why}, Cause: a.Err,
	}
}

// giveUpError is the reason of an error after which there was no other try.
type giveUpError struct {
	attempts int
	why      error
}

func (e *giveUpError) Error() string {
	if e.attempts == 1 {
		return fmt.Sprintf("gave up after 1 attempt: %v", e.why)
	}
	return fmt.Sprintf("gave up after %d attempts: %v", e.attempts, e.why)
}

func (e *giveUpError) Unwrap() error { return e.why }

func reason(why string) error {
	switch why {
	case WhyBudget:
		return ErrBudget
	case WhyDeadline:
		return ErrDeadline
	case WhyFinal:
		return ErrFinal
	}
	return ErrAttempts
}

func (r *Retry) tell(a gabion.Attempt, d Decision) {
	config := r.settings()
	if config.Observer == nil {
		return
	}
	e := gabion.Event{
		Kind: gabion.EventGaveUp, Policy: "retry", Name: config.Name, At: a.Now,
		Outcome: a.Outcome, Err: a.Err, Attempt: a.Number, Detail: d.Why,
	}
	if d.Again {
		e.Kind = gabion.EventRetry
	}
	config.Observer.Observe(e)
}

func (r *Retry) settings() *Config { return r.config.Load() }

// askedFor is how long err asks to wait: errors of HTTP or gRPC clients that carry a Retry-After say it with this
// method.
func askedFor(err error) (time.Duration, bool) {
	if err == nil {
		return 0, false
	}
	e, ok := errors.AsType[interface {
		error
		RetryAfter() time.Duration
	}](err)
	if !ok {
		return 0, false
	}
	after := e.RetryAfter()
	return after, after > 0
}

func deadlineOf(ctx context.Context) gabion.Instant {
	if deadline, ok := ctx.Deadline(); ok {
		return gabion.InstantOf(deadline)
	}
	return 0
}
