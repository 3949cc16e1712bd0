package gabion

import (
	"context"
	"sync/atomic"
)

// Permit is the admission of a call that is not a function: a stream, a handler, a worker's job. Give it back
// with Done exactly once; further calls of Done do nothing.
type Permit struct {
	pipe    *Pipe
	guards  []Guard  // that were passed, outermost first
	tickets []Ticket // theirs
	began   Instant
	done    atomic.Bool
}

// Acquire passes the guards of the pipe, outermost first, and may wait in them until ctx ends. Drivers do not
// act: what is not a function cannot be run again. When a guard refuses, those passed before are released with
// [Ignored] and the guard's error is returned.
func (p *Pipe) Acquire(ctx context.Context) (*Permit, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	permit := &Permit{pipe: p}
	now := Now()
	for i := range p.steps {
		guard := p.steps[i].guard
		if guard == nil {
			continue
		}
		ticket, err := guard.Acquire(ctx, now)
		if err != nil {
			permit.release(Result{Outcome: Ignored, Err: err, Ended: now})
			return nil, err
		}
		now += ticket.Waited
		permit.guards = append(permit.guards, guard)
		permit.tickets = append(permit.tickets, ticket)
	}
	permit.began = now
	return permit, nil
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
	for i := len(m.tickets) - 1; i >= 0; i-- {
		m.guards[i].Done(m.tickets[i], r)
	}
}
