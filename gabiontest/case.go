package gabiontest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
)

// Case is what [Survives] asks of a function. The zero value of every field means its default.
type Case struct {
	// Modes are the ways in which the dependency fails. Default: Error, Latency, Hang, Reset, Panic and Overload. Freeze
	// and Goexit are possible too; but who calls what does not look at its context can only leave it behind, and leak.
	Modes []Mode
	// Rules says how the dependency fails in a mode, in place of: Error, with ErrFailed; Latency of twice the Deadline;
	// Overload with Capacity 1, Queue half of Calls, and a Delay with which the last in the queue is done at twice the
	// Deadline. Each must have its mode. With {Mode: Error, Status: 503} a round trip answers instead of failing.
	Rules map[Mode]Rule
	// Deadline is how long a call of the function may take. Default: 15 s.
	Deadline time.Duration
	// Bounded ends the function's context at the Deadline. Then it survives what hangs by passing its context on. Default:
	// the context has no deadline, as that of a server's request has none.
	Bounded bool
	// Calls is how often the function is called in each mode: one after the other, in Overload all at once. Default: 10.
	Calls int
	// Amplification is how often the dependency may be called for each call of the function, on average over the Calls. It
	// can be Off. Default: 3.
	Amplification float64
	// Recovery is how long after a failure has gone the function must succeed again. It can be Off. Default: 1 minute,
	// of virtual time.
	Recovery time.Duration
	// PanicsPass lets the dependency's panics (and runtime.Goexit) pass through the function, as for a handler of
	// net/http, whose server recovers from them. Default: they must not.
	PanicsPass bool

	// Setup makes what the function uses, such as its policies, anew for each mode. It runs in the bubble of the mode; what
	// it starts must end with t.Cleanup. Give the events to the policies as their Observer to see them in the report.
	Setup func(t *testing.T, events *Recorder)
	// InFlight reads how many permits are taken, such as Bulkhead.Snapshot().InFlight. It must return 0 when all calls have
	// ended. Default: that is not checked.
	InFlight func() int
	// Survived has the last word: an error from it says why the function has not survived. It is asked for each mode, with
	// all that is known. Default: nothing more is asked.
	Survived func(Result) error
}

func (c Case) withDefaults() Case {
	if len(c.Modes) == 0 {
		c.Modes = []Mode{Error, Latency, Hang, Reset, Panic, Overload}
	}
	c.Deadline = cmp.Or(c.Deadline, 15*time.Second)
	c.Calls = cmp.Or(c.Calls, 10)
	c.Amplification = cmp.Or(c.Amplification, 3)
	c.Recovery = cmp.Or(c.Recovery, time.Minute)
	return c
}

func (c Case) validate() error {
	var problems []error
	refuse := func(bad bool, field, format string, args ...any) {
		if bad {
			problems = append(problems, &gabion.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
		}
	}
	for _, m := range c.Modes {
		refuse(m == Succeed || !slices.Contains(modes, m), "Modes", "has %v, which is no way to fail", m)
	}
	for m, r := range c.Rules {
		refuse(r.Mode != m, "Rules", "has the mode %v for %v", r.Mode, m)
		if err := r.validate(); err != nil {
			problems = append(problems, fmt.Errorf("rules for %v: %w", m, err))
		}
	}
	refuse(c.Deadline < 0, "Deadline", "is %v, must be positive", c.Deadline)
	refuse(c.Calls < 0, "Calls", "is %d, must be positive", c.Calls)
	// Written so that NaN is refused.
	refuse(c.Amplification != 0 && c.Amplification != gabion.Off && !(c.Amplification > 0), "Amplification",
		"is %v, must be positive or off", c.Amplification)
	refuse(c.Recovery < 0 && c.Recovery != gabion.Off, "Recovery", "is %v, must be positive or off", c.Recovery)
	return errors.Join(problems...)
}

// rule is how the dependency fails in a mode.
func (c Case) rule(m Mode) Rule {
	if r, ok := c.Rules[m]; ok {
		return r
	}
	switch m {
	case Error:
		return Rule{Mode: Error, Err: ErrFailed}
	case Latency:
		return Rule{Mode: Latency, Delay: 2 * c.Deadline}
	case Overload:
		queue := c.Calls / 2
		return Rule{Mode: Overload, Capacity: 1, Queue: queue, Delay: 2 * c.Deadline / time.Duration(1+queue)}
	}
	return Rule{Mode: m}
}

// limit is how many calls of the dependency are let through before code that does not stop is stopped.
func (c Case) limit() int {
	const enough = 1000
	if c.Amplification == gabion.Off {
		return enough * c.Calls
	}
	return enough + int(10*c.Amplification*float64(c.Calls))
}
