package breaker

import (
	"math"

	"github.com/gabion-io/gabion"
)

// Mode says who decides about calls.
type Mode uint8

// The modes of a breaker.
const (
	// Automatic: the breaker does.
	Automatic Mode = iota
	// ForcedOpen: every call is refused, until the mode changes.
	ForcedOpen
	// ForcedClosed: every call is admitted. Results count, but open nothing.
	ForcedClosed
	// Watching: every call is admitted, while state and events are what they would be. It shows what a configuration
	// would do before it does it.
	Watching
)

// String returns "automatic", "forced_open", "forced_closed" or "watching".
func (m Mode) String() string {
	switch m {
	case Automatic:
		return "automatic"
	case ForcedOpen:
		return "forced_open"
	case ForcedClosed:
		return "forced_closed"
	case Watching:
		return "watching"
	}
	return "unknown"
}

// Force changes the mode. It comes into force for the calls that begin after it. [ForcedClosed] closes a breaker that is
// open, and back in [Automatic] an open one goes on where it was.
func (b *Breaker) Force(m Mode) { b.force(m, gabion.Now()) }

func (b *Breaker) force(m Mode, now gabion.Instant) {
	b.mu.Lock()
	var turn *turn
	from := b.mode
	b.mode = m
	b.core.held = m == ForcedClosed
	if b.core.held && b.core.state != Closed {
		turn = b.core.become(Closed, now, "it was forced to", nil)
	}
	f := b.publish(b.face.Load().config, now)
	b.mu.Unlock()
	f.tell(turn, now)
	if o := f.config.Observer; o != nil && from != m {
		o.Observe(gabion.Event{
			Kind: gabion.EventState, Policy: "breaker", Name: f.config.Name, At: now,
			From: from.String(), To: m.String(), Detail: "the mode was changed",
		})
	}
}

// override makes what a forced mode shows of a state.
func (f *face) override(m Mode) {
	switch m {
	case ForcedOpen:
		f.state, f.until, f.timeless = Open, math.MaxInt64, false
		f.refusal = &gabion.Error{Policy: "breaker", Name: f.config.Name, Reason: ErrOpen, Hint: "it is forced open"}
	case Watching:
		f.watching = true
	case Automatic, ForcedClosed: // as the state machine has it
	}
}
