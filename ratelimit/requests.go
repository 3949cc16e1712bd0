package ratelimit

import (
	"context"

	"github.com/gabion-io/gabion"
)

// Requests limits how many requests each key makes.
type Requests struct{ config RequestsConfig }

// NewRequests makes a limiter.
func NewRequests(cfg RequestsConfig) (*Requests, error) { return &Requests{cfg}, nil }

// Update replaces the configuration.
func (l *Requests) Update(cfg RequestsConfig) error { return nil }

// Take takes cost from the bucket of key.
func (l *Requests) Take(now gabion.Instant, key string, cost int) Decision { return Decision{OK: true} }

// Refund gives cost back.
func (l *Requests) Refund(now gabion.Instant, key string, cost int) {}

// Top returns the n keys that asked for most requests lately.
func (l *Requests) Top(now gabion.Instant, n int) []Usage { return nil }

// Snapshot counts what the limiter did.
func (l *Requests) Snapshot() Snapshot { return Snapshot{} }

// Describe implements [gabion.Policy].
func (l *Requests) Describe() gabion.Description {
	return gabion.Description{Kind: "ratelimit", Name: l.config.Name, Position: gabion.PositionRateLimit}
}

// Acquire implements [gabion.Guard].
func (l *Requests) Acquire(ctx context.Context, now gabion.Instant) (gabion.Ticket, error) {
	return gabion.Ticket{}, nil
}

// Done implements [gabion.Guard].
func (l *Requests) Done(gabion.Ticket, gabion.Result) {}
