package grpc

import (
	"context"
	"reflect"
	"sync/atomic"

	"github.com/gabion-io/gabion"
)

// Opening wraps a guard, such as a breaker, so that it judges a stream by how it begins: it is told of a success as soon as
// the stream answers, and not only when it ends, which may be days later. What a stream does after that, it does not
// learn. With a call that is no stream, nothing is different. What bounds how much runs at once, such as a bulkhead, must
// not be wrapped.
func Opening(guard gabion.Guard) gabion.Guard {
	if v := reflect.ValueOf(guard); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return guard // for gabion.New to complain about
	}
	return opening{guard}
}

type opening struct{ gabion.Guard }

// Acquire implements [gabion.Guard].
func (o opening) Acquire(ctx context.Context, now gabion.Instant) (gabion.Ticket, error) {
	ticket, err := o.Guard.Acquire(ctx, now)
	beginning, ok := ctx.Value(beginningKey{}).(*beginning)
	if err != nil || !ok {
		return ticket, err
	}
	v := &verdict{guard: o.Guard, ticket: ticket, admitted: now + ticket.Waited}
	beginning.verdicts = append(beginning.verdicts, v)
	return gabion.Ticket{Ref: v, Waited: ticket.Waited}, nil
}

// Done implements [gabion.Guard].
func (o opening) Done(t gabion.Ticket, r gabion.Result) {
	if v, ok := t.Ref.(*verdict); ok {
		v.give(r)
		return
	}
	o.Guard.Done(t, r)
}

// verdict is what a wrapped guard is told of a stream, once.
type verdict struct {
	guard    gabion.Guard
	ticket   gabion.Ticket
	admitted gabion.Instant
	given    atomic.Bool
}

func (v *verdict) give(r gabion.Result) {
	if !v.given.Swap(true) {
		v.guard.Done(v.ticket, r)
	}
}

// beginning is in the context in which a stream passes its guards, where those leave word who wait for its first answer. It
// belongs to one goroutine until the stream is open.
type beginning struct{ verdicts []*verdict }

type beginningKey struct{}

// answered says that the stream works.
func (b *beginning) answered() {
	if len(b.verdicts) == 0 {
		return
	}
	now := gabion.Now()
	for _, v := range b.verdicts {
		v.give(gabion.Result{Outcome: gabion.Success, Began: v.admitted, Ended: now})
	}
}
