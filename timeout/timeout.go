package timeout

import (
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
)

// Timeout bounds the time of a call and of each try. It is a [gabion.Composite] of two drivers, safe for concurrent
// use. Make it with [New].
type Timeout struct{ config atomic.Pointer[Config] }

// New makes a timeout. It fails with what [Config.Validate] says.
func New(cfg Config) (*Timeout, error) {
	t := &Timeout{}
	if err := t.Update(cfg); err != nil {
		return nil, err
	}
	return t, nil
}

// Update changes the configuration, for the calls and tries that begin after it. When cfg is impossible, nothing
// changes.
func (t *Timeout) Update(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	cfg = cfg.withDefaults()
	t.config.Store(&cfg)
	return nil
}

// Total is how long the whole call may take, 0 when that is off.
func (t *Timeout) Total() time.Duration { return bound(t.config.Load().Total) }

// Attempt is how long each try may take, 0 when that is off.
func (t *Timeout) Attempt() time.Duration { return bound(t.config.Load().Attempt) }

func bound(d time.Duration) time.Duration {
	if d == gabion.Off {
		return 0
	}
	return d
}

// Describe implements [gabion.Policy].
func (t *Timeout) Describe() gabion.Description {
	return gabion.Description{Kind: "timeout", Name: t.config.Load().Name, Position: gabion.PositionTotalTimeout}
}

// Policies implements [gabion.Composite]: the bound of the call and the bound of each try.
func (t *Timeout) Policies() []gabion.Policy {
	return []gabion.Policy{
		&part{t, gabion.PositionTotalTimeout, "call", t.Total},
		&part{t, gabion.PositionAttemptTimeout, "attempt", t.Attempt},
	}
}
