package gabion

import (
	"context"
	"slices"
	"sync/atomic"
)

// Permit is the admission of a call that is not a function: a stream, a handler, a worker's job. Give it back
// with Done exactly once; further calls of Done do nothing.
type Permit struct {
	pipe   *Pipe
	passed []passage // outermost first
	room   [4]passage
	began  Instant
	done   atomic.Bool
}

// passage is a guard that admitted the call, and its ticket.
type passage struct {
	guard  Guard
	ticket Ticket
}

// Acquire passes the guards of the pipe, outermost first, and may wait in them until ctx ends. Drivers do not
// act: what is not a function cannot be run again. When a guard refuses, those passed before are released with
// [Ignored] and the guard's error is returned.
func (p *Pipe) Acquire(ctx context.Context) (*Permit, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	permit := &Permit{pipe: p}
	permit.passed = permit.room[:0]
	entered := Now()
	now, err := permit.pass(ctx, entered)
	if err != nil {
		p.ended(Ignored, err, entered, now)
		return nil, err
	}
	permit.began = now
	return permit, nil
}

// pass passes all guards and says when that was done. When it does not get through, also by a panic, it releases
// those passed before.
func (m *Permit) pass(ctx context.Context, now Instant) (_ Instant, err error) {
	through := false
	defer func() {
		if !through {
			m.release(Result{Outcome: Ignored, Err: err, Ended: now})
		}
	}()
	for i := range m.pipe.steps {
		guard := m.pipe.steps[i].guard
		if guard == nil {
			continue
		}
		ticket, err := guard.Acquire(ctx, now)
		now += ticket.Waited
		if err != nil {
			if ctx.Err() != nil {
				now = Now()
			}
			return now, err
		}
		m.passed = append(m.passed, passage{guard, ticket})
	}
	through = true
	return now, nil
}

// Done gives the permit back and tells the policies how the call ended. err may be nil.
func (m *Permit) Done(outcome Outcome, err error) {
	if m.done.Swap(true) {
		return
	}
	now := Now()
	m.release(Result{Outcome: outcome, Err: err, Began: m.began, Ended: now})
	m.pipe.ended(outcome, err, m.began, now)
}

// release gives the tickets back, innermost first.
func (m *Permit) release(r Result) {
	for _, p := range slices.Backward(m.passed) {
		p.guard.Done(p.ticket, r)
	}
}
