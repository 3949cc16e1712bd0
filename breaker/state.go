package breaker

import "github.com/gabion-io/gabion"

// State is what a breaker does with calls.
type State uint8

// The states of a breaker.
const (
	// Closed: every call is admitted, and its result counts.
	Closed State = iota
	// Open: every call is refused.
	Open
	// HalfOpen: a few calls are admitted as probes.
	HalfOpen
	// Ramping: a share of the calls is admitted, which grows with time, and their results count.
	Ramping
)

// String returns "closed", "open", "half_open" or "ramping".
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case Open:
		return "open"
	case HalfOpen:
		return "half_open"
	case Ramping:
		return "ramping"
	}
	return "unknown"
}

// Snapshot is what a breaker holds at one moment.
type Snapshot struct {
	State State
	// Mode is who decides.
	Mode Mode
	// Calls, Failures and Slow are what the window holds: the ended calls, and how many of them failed and were
	// slow. The window is filled while the breaker is closed, and emptied when it closes again.
	Calls, Failures, Slow int
	// Until is when probes are tried, while the breaker is open; 0 otherwise. The state stays Open after that
	// until a call comes.
	Until gabion.Instant
	// Opened is how often the breaker has opened.
	Opened uint64
}
