package bulkhead

import (
	"context"

	"github.com/gabion-io/gabion"
)

// ErrFull says that there is no place and that the queue is full, or that the wait for a place was too long.
// It satisfies errors.Is(err, gabion.ErrRejected).
var ErrFull = gabion.Rejection("full")

// Bulkhead bounds how many calls run at once.
type Bulkhead struct{ config Config }

// Snapshot is the state of a bulkhead at one moment.
type Snapshot struct {
	// InFlight is how many calls hold a place, Queued how many wait for one.
	InFlight, Queued int
	// Refused counts the calls that got none, since the bulkhead was made.
	Refused uint64
}

// New makes a bulkhead.
func New(cfg Config) (*Bulkhead, error) { return &Bulkhead{cfg}, nil }

// Update replaces the configuration.
func (b *Bulkhead) Update(cfg Config) error { return nil }

// Describe implements [gabion.Policy].
func (b *Bulkhead) Describe() gabion.Description {
	return gabion.Description{Kind: "bulkhead", Name: b.config.Name, Position: gabion.PositionBulkhead}
}

// Acquire implements [gabion.Guard].
func (b *Bulkhead) Acquire(ctx context.Context, now gabion.Instant) (gabion.Ticket, error) {
	return gabion.Ticket{}, nil
}

// TryAcquire is Acquire without waiting.
func (b *Bulkhead) TryAcquire(now gabion.Instant) (gabion.Ticket, error) { return gabion.Ticket{}, nil }

// Done implements [gabion.Guard].
func (b *Bulkhead) Done(gabion.Ticket, gabion.Result) {}

// Snapshot returns the state.
func (b *Bulkhead) Snapshot() Snapshot { return Snapshot{} }
