package bulkhead

import (
	"context"
	"fmt"
	"time"

	"github.com/gabion-io/gabion"
)

// ErrFull says that all places are taken and that the queue is off, or full, or that the wait in it was too long.
// It satisfies errors.Is(err, gabion.ErrRejected).
var ErrFull = gabion.Rejection("full")

// Bulkhead bounds how many calls run at once. It is a [gabion.Guard] for pipes and safe for concurrent use.
// Make it with [New].
type Bulkhead struct {
	name   string
	places places
}

// Snapshot is the state of a bulkhead at one moment.
type Snapshot struct {
	// InFlight is how many calls hold a place, Queued how many wait for one.
	InFlight, Queued int
	// Refused counts the calls that got none, since the bulkhead was made.
	Refused uint64
}

// New makes a bulkhead. Its error holds all problems of the configuration.
func New(cfg Config) (*Bulkhead, error) {
	b := &Bulkhead{name: cfg.Name}
	if err := b.Update(cfg); err != nil {
		return nil, err
	}
	return b, nil
}

// Update replaces the configuration, except for the name. Calls that run or wait go on: with more places, the first in
// the queue start at once; with fewer, none starts until enough have ended. When Update returns an error, nothing has
// changed.
func (b *Bulkhead) Update(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return fmt.Errorf("bulkhead %q: %w", b.name, err)
	}
	b.places.configure(cfg.withDefaults())
	return nil
}

// Describe implements [gabion.Policy].
func (b *Bulkhead) Describe() gabion.Description {
	return gabion.Description{Kind: "bulkhead", Name: b.name, Position: gabion.PositionBulkhead}
}

// Acquire implements [gabion.Guard]: it takes a place, and waits for one if the configuration says so. A refusal has the
// Reason [ErrFull]; when ctx ended while the call waited, its error is the Cause.
func (b *Bulkhead) Acquire(ctx context.Context, now gabion.Instant) (gabion.Ticket, error) {
	place, cfg := b.places.enter()
	switch place {
	case taken:
		return gabion.Ticket{}, nil
	case full:
		return gabion.Ticket{}, b.refuse(now, nil, cfg)
	}
	ok, cause := b.wait(ctx, place, cfg)
	waited := gabion.Now() - now
	if !ok {
		return gabion.Ticket{}, b.refuse(now+waited, cause, cfg)
	}
	return gabion.Ticket{Waited: max(waited, 0)}, nil
}

// TryAcquire is [Bulkhead.Acquire] without waiting.
func (b *Bulkhead) TryAcquire(now gabion.Instant) (gabion.Ticket, error) {
	if cfg, ok := b.places.tryEnter(); !ok {
		return gabion.Ticket{}, b.refuse(now, nil, cfg)
	}
	return gabion.Ticket{}, nil
}

// wait waits until the place is granted. It returns the context's error when that ended the wait.
func (b *Bulkhead) wait(ctx context.Context, w *waiter, cfg *Config) (ok bool, cause error) {
	timer := time.NewTimer(cfg.Wait)
	defer timer.Stop()
	select {
	case <-w.granted:
	case <-timer.C:
		return !b.places.leave(w), nil
	case <-ctx.Done():
	}
	if err := ctx.Err(); err != nil { // whoever has gone away needs no place, even if it was granted just now
		if !b.places.leave(w) {
			b.places.exit()
			b.places.refuse()
		}
		return false, err
	}
	return true, nil
}

// Done implements [gabion.Guard]: it gives the place to the first in the queue.
func (b *Bulkhead) Done(gabion.Ticket, gabion.Result) { b.places.exit() }

// Snapshot returns the state.
func (b *Bulkhead) Snapshot() Snapshot { return b.places.snapshot() }

func (b *Bulkhead) refuse(now gabion.Instant, cause error, cfg *Config) error {
	err := &gabion.Error{
		Policy: "bulkhead", Name: b.name, Reason: ErrFull, Cause: cause,
		Hint: fmt.Sprintf("%d calls run at once, %d may wait for %v", cfg.Concurrency, max(cfg.Queue, 0), cfg.Wait),
	}
	if cfg.Observer != nil {
		cfg.Observer.Observe(gabion.Event{Kind: gabion.EventRefused, Policy: "bulkhead", Name: b.name, At: now, Err: err})
	}
	return err
}
