package breaker

import (
	"time"

	"github.com/gabion-io/gabion"
)

// Config is what a breaker is made of. The zero value of every field means its default.
type Config struct {
	// Name names what the breaker protects, in errors and events.
	Name string `yaml:"-" json:"-"`
	// Window is the sliding time over which calls are counted.
	Window time.Duration `yaml:"window" json:"window" default:"10s"`
	// MinCalls is how many calls the window must hold before a rate can open the breaker.
	MinCalls int `yaml:"min_calls" json:"min_calls" default:"20"`
	// FailureRate opens the breaker when this share of the calls in the window failed. It can be off.
	FailureRate gabion.Share `yaml:"failure_rate" json:"failure_rate" default:"50%" off:"true"`
	// SlowCall is how long a call takes to be slow. Off: calls are never slow.
	SlowCall time.Duration `yaml:"slow_call" json:"slow_call" default:"off" off:"true"`
	// SlowRate opens the breaker when this share of the calls in the window was slow. It needs SlowCall.
	SlowRate gabion.Share `yaml:"slow_rate" json:"slow_rate" default:"80%" off:"true"`
	// Consecutive opens the breaker after so many failures in a row, whatever the window holds. It can be off.
	Consecutive int `yaml:"consecutive" json:"consecutive" default:"off" off:"true"`
	// OpenFor is how long the breaker refuses calls before it tries probes, ±10 % so that many breakers do not
	// try at the same moment.
	OpenFor time.Duration `yaml:"open_for" json:"open_for" default:"5s"`
	// Probes is how many calls may try at once while half-open, and how many must succeed to close the breaker.
	Probes int `yaml:"probes" json:"probes" default:"3"`
	// ProbeLease is how long a probe may take before its place is given to another. Default: OpenFor.
	ProbeLease time.Duration `yaml:"probe_lease" json:"probe_lease" default:"open_for"`
	// OnOpen is called when the breaker opens, outside of its lock: a place to close pooled connections.
	OnOpen func() `yaml:"-" json:"-"`
	// Observer is told of changes of state and of refusals.
	Observer gabion.Observer `yaml:"-" json:"-"`
}
