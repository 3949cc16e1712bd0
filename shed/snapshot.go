package shed

import (
	"time"

	"github.com/gabion-io/gabion"
)

// Snapshot is the state of a shedder at one moment, and what it did since it was made.
type Snapshot struct {
	// Mode is the mode of the configuration, Phase what the limit is doing: "slow_start" (it grows by multiples), "normal",
	// "verify" (it is back where it was before a cut that seems to have cost answers), "probe" (above the floor, to see whether
	// that is too low), or "pool" (it is known).
	Mode, Phase string
	// InFlight is how many calls run, Queued how many wait.
	InFlight, Queued int
	// Limit is how many may run, 0 when all may. Floor is what it does not go below; 0 when none was needed yet.
	Limit, Floor int
	// Target is the mean latency that the limit aims at.
	Target time.Duration
	// Usual is how long calls take lately from their start, and Unqueued how long while the limit is not reached; 0 before that
	// is known.
	Usual, Unqueued time.Duration
	// Waited is how many calls started after waiting, and Wait how long those waited together.
	Waited uint64
	Wait   time.Duration
	// Brownout is what [Shedder.Brownout] says.
	Brownout float64
	// Refused counts the calls that did not start, of all priorities and for all reasons.
	Refused uint64
	// Critical, Normal and Sheddable count them by priority.
	Critical, Normal, Sheddable Drops
}

// Drops counts the calls that did not start, by reason. In events, the reason is the Detail.
type Drops struct {
	// Full ("full"): the call could not have been answered in time.
	Full uint64
	// Displaced ("displaced"): it made room for a call of a higher priority, or of a tenant that has fewer in the queue.
	Displaced uint64
	// Expired ("expired"): it waited for so long that it could not have been answered in time any more.
	Expired uint64
	// Gone ("gone"): its context ended while it waited.
	Gone uint64
}

// Sum is how many there are for all reasons.
func (d Drops) Sum() uint64 { return d.Full + d.Displaced + d.Expired + d.Gone }

// Snapshot returns the state.
func (s *Shedder) Snapshot() Snapshot {
	s.mu.Lock()
	state, mode := s.core.State(), s.config.Load().Mode
	now := Snapshot{Waited: s.waited, Wait: s.wait}
	s.mu.Unlock()
	now.Mode, now.Phase, now.Brownout = mode, state.Phase, s.Brownout()
	now.InFlight, now.Queued, now.Limit, now.Floor = state.InFlight, state.Queued, state.Limit, state.Floor
	now.Target, now.Usual, now.Unqueued = state.Target, state.Usual, state.Unqueued
	if mode == ModeOff {
		now.Limit = 0
	}
	now.Critical, now.Normal, now.Sheddable = s.dropsOf(gabion.Critical), s.dropsOf(gabion.Normal), s.dropsOf(gabion.Sheddable)
	now.Refused = now.Critical.Sum() + now.Normal.Sum() + now.Sheddable.Sum()
	return now
}

func (s *Shedder) dropsOf(p gabion.Priority) Drops {
	of := &s.drops[gabion.Critical-p]
	return Drops{of[full].Load(), of[displaced].Load(), of[expired].Load(), of[gone].Load()}
}
