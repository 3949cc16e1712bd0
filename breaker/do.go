package breaker

import (
	"context"
	"errors"

	"github.com/gabion-io/gabion"
)

// errUnwound is the error of a call that did not return.
var errUnwound = errors.New("the function panicked or called runtime.Goexit")

// Do calls f through the breaker alone, for those who need no other policy: it is quicker than a [gabion.Pipe], because it
// reads the clock only where that matters. Outcomes are those of a pipe without a Classify: an error is a failure, except
// for a refusal by a policy, and for whatever comes after the caller has cancelled ctx.
func Do[T any](ctx context.Context, b *Breaker, f func(context.Context) (T, error)) (T, error) {
	face, began := b.face.Load(), gabion.Instant(0)
	if !face.timeless {
		began = gabion.Now()
	}
	ticket, err := b.enter(face, began)
	if err != nil {
		var none T
		return none, err
	}
	returned := false
	defer func() {
		if !returned { // a panic or runtime.Goexit is passing through
			b.Done(ticket, gabion.Result{Outcome: gabion.Failure, Err: errUnwound, Began: began, Ended: gabion.Now()})
		}
	}()
	v, err := f(ctx)
	returned = true
	b.Done(ticket, gabion.Result{Outcome: outcome(ctx, err), Err: err, Began: began, Ended: gabion.Now()})
	return v, err
}

// outcome is what the end of a call means whose caller holds ctx.
func outcome(ctx context.Context, err error) gabion.Outcome {
	switch {
	case err == nil:
		return gabion.Success
	case errors.Is(err, gabion.ErrRejected), errors.Is(ctx.Err(), context.Canceled):
		return gabion.Ignored
	}
	return gabion.Failure
}
