package gabiontest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
)

// Setup makes the code under test and returns a call of it. It runs anew for each rule of a [Case], in a bubble of
// testing/synctest, while the dependency is well. The code must use dep as what it depends on, as a function or as the
// Transport of an http.Client. Its policies may have events as their Observer, to be seen in the report. What Setup
// starts must end with t.Cleanup, which is also the place for further checks.
type Setup func(t *testing.T, dep *Dependency, events *Recorder) (call func(ctx context.Context) error)

// Case is what [Survives] asks of code. The zero value of every field means its default.
type Case struct {
	// Rules are the ways in which the dependency fails, one after the other. Default: one for each [Mode]. Latency without
	// a Delay is twice the Deadline. Overload without a Delay has Capacity 1, Queue half of Calls, and a Delay with which
	// the last in the queue is done at twice the Deadline.
	Rules []Rule
	// Deadline is how long a call may take. Default: 15 s. The context of a call has no deadline, as that of a server's
	// request has none; it ends when the call has returned.
	Deadline time.Duration
	// Calls is how many calls there are: one after the other, in the mode Overload all at once. Default: 10.
	Calls int
	// Amplification is how often the dependency may be called for each call, on average over the Calls. It can be Off.
	// Default: 3.
	Amplification float64
	// Recovery is how long after the failure a call must succeed again, in virtual time. It can be Off. Default: 1 minute.
	Recovery time.Duration
	// MustSucceed asks every call to succeed, as that of code with a fallback does. Default: it may fail.
	MustSucceed bool
	// PanicsPass lets the dependency's panic pass through the code, as through a handler of net/http, whose server
	// recovers from it. Default: it must not.
	PanicsPass bool
}

func (c Case) withDefaults() Case {
	c.Deadline = cmp.Or(c.Deadline, 15*time.Second)
	c.Calls = cmp.Or(c.Calls, 10)
	c.Amplification = cmp.Or(c.Amplification, 3)
	c.Recovery = cmp.Or(c.Recovery, time.Minute)
	given := c.Rules
	c.Rules = nil
	for _, r := range given {
		c.Rules = append(c.Rules, c.complete(r))
	}
	if len(given) == 0 {
		for _, m := range modes {
			c.Rules = append(c.Rules, c.complete(Rule{Mode: m}))
		}
	}
	return c
}

// complete gives a rule what its mode needs.
func (c Case) complete(r Rule) Rule {
	switch {
	case r.Delay != 0:
	case r.Mode == Latency:
		r.Delay = 2 * c.Deadline
	case r.Mode == Overload:
		r.Capacity, r.Queue = 1, c.Calls/2
		r.Delay = 2 * c.Deadline / time.Duration(1+r.Queue)
	}
	return r
}

// validate returns all that is impossible in a case with defaults, joined.
func (c Case) validate() error {
	var problems []error
	refuse := func(bad bool, field, format string, args ...any) {
		if bad {
			problems = append(problems, &gabion.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
		}
	}
	for i, r := range c.Rules {
		refuse(r.Mode == "", "Rules", "has no Mode at index %d: it is no way to fail", i)
		if err := r.validate(); err != nil {
			problems = append(problems, fmt.Errorf("rules at index %d: %w", i, err))
		}
	}
	refuse(c.Deadline < 0, "Deadline", "is %v, must be positive", c.Deadline)
	refuse(c.Calls < 0, "Calls", "is %d, must be positive", c.Calls)
	// Written so that NaN is refused.
	refuse(c.Amplification != gabion.Off && !(c.Amplification > 0), "Amplification", "is %v, must be positive or off", c.Amplification)
	refuse(c.Recovery < 0 && c.Recovery != gabion.Off, "Recovery", "is %v, must be positive or off", c.Recovery)
	return errors.Join(problems...)
}

// limit is how many calls of the dependency are let through before code that does not stop is stopped.
func (c Case) limit() int {
	const enough = 1000
	if c.Amplification == gabion.Off {
		return enough * c.Calls
	}
	return enough + int(10*c.Amplification*float64(c.Calls))
}
