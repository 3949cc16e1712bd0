package ratelimit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/gabion-io/gabion"
)

// CompositeConfig is what a composite limit is made of.
type CompositeConfig struct {
	// Name names the limit where it stands in a pipe. Errors and events have the name of the limit that refused.
	Name string
	// Limits are the limits that a call must pass, all of them. Each has a key of its own, so that for instance every user
	// is limited in a second and a day, and all users of a tenant together. At least one is required, none twice.
	Limits []Limit
}

// Composite is several limits that decide as one: a call takes from all of them or from none. There is no moment at
// which one has granted what another refuses, so nobody else is refused because of that.
//
// A refusal is that of the limit with the longest wait. So whoever waits exactly as long, alone, passes all of them.
//
// The limits may also be used on their own, and are updated on their own. It is a [gabion.Guard] for pipes and safe for
// concurrent use. Make it with [NewComposite].
type Composite struct {
	name   string
	limits []Limit // in the order in which they are locked
	calls  sync.Pool
}

// NewComposite makes a composite limit. Its error holds all problems of the configuration.
func NewComposite(cfg CompositeConfig) (*Composite, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("ratelimit %q: %w", cfg.Name, err)
	}
	c := &Composite{name: cfg.Name, limits: slices.Clone(cfg.Limits)}
	slices.SortFunc(c.limits, func(a, b Limit) int { return cmp.Compare(a.core().number, b.core().number) })
	c.calls.New = func() any {
		return &compositeCall{make([]asked, len(c.limits)), make([]gabion.Ticket, len(c.limits))}
	}
	return c, nil
}

// Validate returns all problems of the configuration, each a [*gabion.FieldError], joined.
func (c CompositeConfig) Validate() error {
	var p problems
	if len(c.Limits) == 0 {
		p.add("limits", "is empty, must hold at least one")
	}
	for i, l := range c.Limits {
		switch {
		case missing(l):
			p.add("limits", "has nil at index %d: was the error of its New ignored?", i)
		case slices.Contains(c.Limits[:i], l):
			p.add("limits", "has the limit %q twice", l.core().name)
		}
	}
	return errors.Join(p.all...)
}

// missing finds also a nil pointer: what a New that failed returned.
func missing(l Limit) bool {
	switch l := l.(type) {
	case *Requests:
		return l == nil
	case *ServerTime:
		return l == nil
	}
	return true
}

// compositeCall is what a call asks of each limit, and got.
type compositeCall struct {
	asked   []asked
	tickets []gabion.Ticket
}

// asked is what a call asks of a limit.
type asked struct {
	key  string
	cost int
	request
}

// Describe implements [gabion.Policy].
func (c *Composite) Describe() gabion.Description {
	return gabion.Description{Kind: "ratelimit", Name: c.name, Position: gabion.PositionRateLimit}
}

// Acquire implements [gabion.Guard]: it takes from all limits, each for its own key of ctx, or from none.
func (c *Composite) Acquire(ctx context.Context, now gabion.Instant) (gabion.Ticket, error) {
	call := c.calls.Get().(*compositeCall)
	for i, l := range c.limits { // all of them before the first is locked, because it is not our code
		call.asked[i].key, call.asked[i].cost = l.whose(ctx)
	}
	admitted := true
	for i, l := range c.limits {
		a := &call.asked[i]
		a.request = l.ask(now, a.key, a.cost)
		admitted = admitted && a.wait == 0
	}
	if !admitted {
		refused := call.refuse(now)
		c.release(call)
		return gabion.Ticket{}, refused.tell(now)
	}
	for i, l := range c.limits {
		a := &call.asked[i]
		call.tickets[i] = l.admit(now, a.request)
		a.unlock()
	}
	return gabion.Ticket{Ref: call}, nil
}

// refuse counts the refusal at each limit that refuses, unlocks all, and returns the one with the longest wait.
func (call *compositeCall) refuse(now gabion.Instant) (longest refusal) {
	for i := range call.asked {
		a := &call.asked[i]
		if a.wait > 0 {
			if r := a.refuse(now, a.key); r.decision.RetryAfter > longest.decision.RetryAfter {
				longest = r
			}
		}
		a.unlock()
	}
	return longest
}

// release keeps the memory of a call for another.
func (c *Composite) release(call *compositeCall) {
	clear(call.asked)
	clear(call.tickets)
	c.calls.Put(call)
}

// Done implements [gabion.Guard]: all limits learn how the call ended. One that never ran is given back to all.
func (c *Composite) Done(t gabion.Ticket, r gabion.Result) {
	call, ok := t.Ref.(*compositeCall)
	if !ok {
		return
	}
	for i, l := range c.limits {
		l.Done(call.tickets[i], r)
	}
	c.release(call)
}
