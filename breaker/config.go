package breaker

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/gabion-io/gabion"
)

// Config is what a breaker is made of. The zero value of every field means its default.
type Config struct {
	// Name names what the breaker protects, in errors and events.
	Name string `yaml:"-" json:"-"`
	// Window is the sliding time over which calls are counted.
	Window time.Duration `yaml:"window" json:"window" default:"10s"`
	// LastCalls, when it is set, is how many calls are counted instead: the last ones, however long ago they were.
	// Default: those in Window.
	LastCalls int `yaml:"-" json:"-"`
	// MinCalls is how many calls the window must hold before a rate can open the breaker.
	MinCalls int `yaml:"min_calls" json:"min_calls" default:"20"`
	// FailureRate opens the breaker when this share of the calls in the window failed. It can be off.
	FailureRate gabion.Share `yaml:"failure_rate" json:"failure_rate" default:"50%" off:"true"`
	// SlowCall is how long a call takes to be slow. Off: calls are never slow.
	SlowCall time.Duration `yaml:"slow_call" json:"slow_call" default:"off" off:"true"`
	// SlowRate opens the breaker when this share of the calls in the window was slow. It needs SlowCall.
	SlowRate gabion.Share `yaml:"slow_rate" json:"slow_rate" default:"80%" off:"true"`
	// Hanging opens the breaker when so many calls have been running for longer than SlowCall, before the first of them has
	// failed. Default: off.
	Hanging int `yaml:"-" json:"-"`
	// Throttle, when it is set, refuses a share of the calls while the breaker is closed, so that about Throttle times as
	// many get through as the dependency accepts: of n calls asked for in the window, of which m were not failures, the
	// next is refused with the probability max(0, (n − Throttle·m) / (n + 1)), at most 0.99. 2 is a good value; at least 1. It finds the
	// share that a dependency can still serve; with FailureRate off it takes the place of opening altogether. See "Site
	// Reliability Engineering", chapter "Handling Overload", client-side throttling. Default: nothing is throttled.
	Throttle float64 `yaml:"-" json:"-"`
	// Consecutive opens the breaker after so many failures in a row, whatever the window holds. It can be off.
	Consecutive int `yaml:"consecutive" json:"consecutive" default:"off" off:"true"`
	// OpenFor is how long the breaker refuses calls before it tries probes, ±10 % so that many breakers do not
	// try at the same moment.
	OpenFor time.Duration `yaml:"open_for" json:"open_for" default:"5s"`
	// OpenMax bounds the open time, which doubles each time that probes fail. Default: OpenFor, so that it does not grow.
	OpenMax time.Duration `yaml:"-" json:"-"`
	// Probes is how many calls may try at once while half-open, and how many must succeed to close the breaker.
	Probes int `yaml:"probes" json:"probes" default:"3"`
	// ProbeLease is how long a probe may take before its place is given to another, and its result does not count
	// any more: longer than a call can take. Default: OpenFor.
	ProbeLease time.Duration `yaml:"probe_lease" json:"probe_lease" default:"open_for"`
	// RampFor is how long calls are let in gradually after the probes have succeeded: a twentieth of them at first, all in
	// the end. A dependency that has just come up is not hit by everything at once. Default: all at once.
	RampFor time.Duration `yaml:"-" json:"-"`
	// OnOpen is called when the breaker opens, outside of its lock: a place to close pooled connections.
	OnOpen func() `yaml:"-" json:"-"`
	// Observer is told of changes of state and of refusals.
	Observer gabion.Observer `yaml:"-" json:"-"`
}

const defaultSlowRate gabion.Share = 0.8

func (c Config) withDefaults() Config {
	c.Window = cmp.Or(c.Window, 10*time.Second)
	if c.MinCalls == 0 {
		c.MinCalls = 20
		if c.LastCalls > 0 {
			c.MinCalls = min(20, c.LastCalls)
		}
	}
	c.FailureRate = cmp.Or(c.FailureRate, 0.5)
	c.SlowCall = cmp.Or(c.SlowCall, gabion.Off)
	c.SlowRate = cmp.Or(c.SlowRate, defaultSlowRate)
	c.Hanging = cmp.Or(c.Hanging, gabion.Off)
	c.Consecutive = cmp.Or(c.Consecutive, gabion.Off)
	c.OpenFor = cmp.Or(c.OpenFor, 5*time.Second)
	c.OpenMax = cmp.Or(c.OpenMax, c.OpenFor)
	c.Probes = cmp.Or(c.Probes, 3)
	c.ProbeLease = cmp.Or(c.ProbeLease, c.OpenFor)
	return c
}

// minWindow keeps a bucket of the window longer than the clock's and the scheduler's grain.
const minWindow = 10 * time.Millisecond

// Validate returns all that is impossible in c, joined: each a *[gabion.FieldError]. Fields that are zero are
// not looked at, as they mean the default.
func (c Config) Validate() error {
	var problems []error
	refuse := func(field, format string, args ...any) {
		problems = append(problems, &gabion.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	positive := func(field string, value int64, text any) {
		if value < 0 {
			refuse(field, "is %v, must be positive", text)
		}
	}
	share := func(field string, s gabion.Share) {
		if s != gabion.Off && !(s >= 0 && s <= 1) { // written so that NaN is refused
			refuse(field, "is %v, must be above 0%% and at most 100%%, or off", s)
		}
	}
	if c.Window != 0 && c.Window < minWindow {
		refuse("window", "is %v, must be at least %v", c.Window, minWindow)
	}
	positive("last_calls", int64(c.LastCalls), c.LastCalls)
	positive("min_calls", int64(c.MinCalls), c.MinCalls)
	share("failure_rate", c.FailureRate)
	if c.SlowCall < 0 && c.SlowCall != gabion.Off {
		refuse("slow_call", "is %v, must be positive or off", c.SlowCall)
	}
	share("slow_rate", c.SlowRate)
	if c.Consecutive < 0 && c.Consecutive != gabion.Off {
		refuse("consecutive", "is %d, must be positive or off", c.Consecutive)
	}
	if c.Hanging < 0 && c.Hanging != gabion.Off {
		refuse("hanging", "is %d, must be positive or off", c.Hanging)
	}
	if c.Throttle != 0 && !(c.Throttle >= 1 && c.Throttle <= 1000) { // written so that NaN is refused
		refuse("throttle", "is %v, must be at least 1 and at most 1000", c.Throttle)
	}
	positive("open_for", int64(c.OpenFor), c.OpenFor)
	positive("open_max", int64(c.OpenMax), c.OpenMax)
	positive("probes", int64(c.Probes), c.Probes)
	positive("ramp_for", int64(c.RampFor), c.RampFor)
	positive("probe_lease", int64(c.ProbeLease), c.ProbeLease)
	return errors.Join(append(problems, c.contradictions()...)...)
}

// contradictions are fields that are possible each, but not together.
func (c Config) contradictions() (problems []error) {
	d := c.withDefaults()
	bySlow := d.SlowCall != gabion.Off && d.SlowRate != gabion.Off
	if d.SlowCall == gabion.Off && d.SlowRate != gabion.Off && d.SlowRate != defaultSlowRate {
		problems = append(problems, &gabion.FieldError{Field: "slow_rate", Problem: "needs slow_call, which is off"})
	}
	if c.LastCalls > 0 && c.MinCalls > c.LastCalls {
		problems = append(problems, &gabion.FieldError{
			Field: "min_calls", Problem: fmt.Sprintf("is %d, must be at most last_calls, which is %d", c.MinCalls, c.LastCalls),
		})
	}
	if c.LastCalls > 0 && c.Window > 0 {
		problems = append(problems, &gabion.FieldError{Field: "last_calls", Problem: "and window exclude each other"})
	}
	if c.Throttle != 0 && c.LastCalls > 0 {
		problems = append(problems, &gabion.FieldError{Field: "throttle", Problem: "needs a window of time, and last_calls is set"})
	}
	if d.OpenMax > 0 && d.OpenMax < d.OpenFor {
		problems = append(problems, &gabion.FieldError{
			Field: "open_max", Problem: fmt.Sprintf("is %v, must be at least open_for, which is %v", d.OpenMax, d.OpenFor),
		})
	}
	if d.Hanging != gabion.Off && d.SlowCall == gabion.Off {
		problems = append(problems, &gabion.FieldError{Field: "hanging", Problem: "needs slow_call, which is off"})
	}
	if d.FailureRate == gabion.Off && d.Consecutive == gabion.Off && d.Hanging == gabion.Off && d.Throttle == 0 && !bySlow {
		problems = append(problems, &gabion.FieldError{
			Field: "failure_rate", Problem: "is off, and so is everything else that could open the breaker: set consecutive or slow_call",
		})
	}
	return problems
}
