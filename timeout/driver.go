package timeout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gabion-io/gabion"
)

// ErrExceeded says that a call, or a try, took longer than it may. The *[gabion.Error] around it wraps what the
// function returned. errors.Is(err, context.DeadlineExceeded) is true as well.
var ErrExceeded error = exceeded{}

type exceeded struct{}

func (exceeded) Error() string        { return "timeout exceeded" }
func (exceeded) Is(target error) bool { return target == context.DeadlineExceeded }

// Timeout tells those who ask errors in the manner of package net.
func (exceeded) Timeout() bool { return true }

// part is one of the two bounds.
type part struct {
	timeout  *Timeout
	position gabion.Position
	what     string // is bounded
	limit    func() time.Duration
}

// Describe implements [gabion.Policy].
func (p *part) Describe() gabion.Description {
	d := p.timeout.Describe()
	d.Position = p.position
	return d
}

// Before implements [gabion.Driver].
func (p *part) Before(context.Context, gabion.Attempt) gabion.Plan {
	return gabion.Plan{Timeout: p.limit()}
}

// After implements [gabion.Driver].
func (p *part) After(ctx context.Context, a gabion.Attempt) gabion.Verdict {
	if !a.TimedOut || p.endedFromOutside(ctx, a) {
		return gabion.Verdict{}
	}
	config := p.timeout.config.Load()
	err := &gabion.Error{
		Policy: "timeout", Name: config.Name, Cause: a.Err,
		Reason: fmt.Errorf("%w: the %s may take %v", ErrExceeded, p.what, p.limit()),
	}
	if config.Observer != nil {
		config.Observer.Observe(gabion.Event{
			Kind: gabion.EventTimeout, Policy: "timeout", Name: config.Name, At: a.Now,
			Outcome: a.Outcome, Err: err, Took: a.Now - a.Entered, Detail: p.what,
		})
	}
	return gabion.Verdict{Err: err}
}

// endedFromOutside says whether something further out ended the run before this timeout could: the caller, its
// deadline, or another timeout, which then reports it.
func (p *part) endedFromOutside(ctx context.Context, a gabion.Attempt) bool {
	deadline, ok := ctx.Deadline()
	if ok && gabion.InstantOf(deadline) <= a.Entered+p.limit() {
		return true
	}
	return errors.Is(ctx.Err(), context.Canceled)
}
