package ratelimit

import (
	"context"
	"time"

	"github.com/gabion-io/gabion"
)

// ServerTime limits how much server time each key uses.
type ServerTime struct{ config ServerTimeConfig }

// NewServerTime makes a limiter.
func NewServerTime(cfg ServerTimeConfig) (*ServerTime, error) { return &ServerTime{cfg}, nil }

// Update replaces the configuration.
func (l *ServerTime) Update(cfg ServerTimeConfig) error { return nil }

// Begin admits a call of key or refuses it.
func (l *ServerTime) Begin(now gabion.Instant, key string) (Charge, Decision) {
	return Charge{}, Decision{OK: true}
}

// Charge is a call in flight. The zero Charge is that of a refused call: settling it does nothing.
type Charge struct{ stamp uint64 }

// Settle ends the call.
func (c Charge) Settle(now gabion.Instant, cost time.Duration) {}

// Cancel ends a call that never ran.
func (c Charge) Cancel(now gabion.Instant) {}

// Top returns the n keys that used most server time lately.
func (l *ServerTime) Top(now gabion.Instant, n int) []Usage { return nil }

// TopByRequests returns the n keys that asked for most calls lately.
func (l *ServerTime) TopByRequests(now gabion.Instant, n int) []Usage { return nil }

// Snapshot counts what the limiter did.
func (l *ServerTime) Snapshot() Snapshot { return Snapshot{} }

// Describe implements [gabion.Policy].
func (l *ServerTime) Describe() gabion.Description {
	return gabion.Description{Kind: "ratelimit", Name: l.config.Name, Position: gabion.PositionRateLimit}
}

// Acquire implements [gabion.Guard].
func (l *ServerTime) Acquire(ctx context.Context, now gabion.Instant) (gabion.Ticket, error) {
	return gabion.Ticket{}, nil
}

// Done implements [gabion.Guard].
func (l *ServerTime) Done(gabion.Ticket, gabion.Result) {}
