package overload

import (
	"github.com/gabion-io/gabion/internal/admission"
)

// call is a request on its way.
type call struct {
	came    Instant
	started Instant // when the limiter let it through
	needs   float64 // work, in nanoseconds at speed 1
	class   int
	tenant  int
	marked  bool // the scenario watches over it: critical, or of a tenant who keeps to its share
	waiter  admission.Waiter
	release func()
}

// verdict is what becomes of a call that arrives.
type verdict uint8

const (
	started verdict = iota
	queued
	refused
)

// Limiter stands before the server.
type Limiter interface {
	// Arrive decides about a call. The call evicted, if any, is refused in its stead.
	Arrive(now Instant, c *call) (v verdict, evicted *call)
	// Complete takes in that a call has ended.
	Complete(now Instant, c *call)
	// Next takes a call out of the limiter's queue, to start it or to refuse it. It returns nil when nothing may leave.
	Next(now Instant) (c *call, start bool)
	// Limit is how many calls may be in flight; 0: not known.
	Limit() float64
}

// Place is where a limiter is put: what it may know.
type Place struct {
	Shape   Shape
	Workers int
}

// Contender makes limiters of a kind.
type Contender struct {
	// Name in tables.
	Name string
	// New makes a limiter.
	New func(p Place) Limiter
	// Clock says that it reads the clock, so it must run in a bubble.
	Clock bool
}

// Ours finds the limit by itself.
var Ours = Contender{Name: "Gabion", New: func(p Place) Limiter {
	return &own{core: admission.New(admission.Config{Deadline: p.Shape.Deadline}, 0)}
}}

// Pool is ours where the number of workers is known.
var Pool = Contender{Name: "Gabion, pool", New: func(p Place) Limiter {
	return &own{core: admission.New(admission.Config{Deadline: p.Shape.Deadline, Known: p.Workers}, 0)}
}}

// None lets everything through.
var None = Contender{Name: "none", New: func(Place) Limiter { return none{} }}

type none struct{}

func (none) Arrive(Instant, *call) (verdict, *call) { return started, nil }
func (none) Complete(Instant, *call)                {}
func (none) Next(Instant) (*call, bool)             { return nil, false }
func (none) Limit() float64                         { return 0 }

type own struct{ core *admission.Core }

// tenants are the names of those whose calls they are.
var tenants = [...]string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}

func (o *own) Arrive(now Instant, c *call) (verdict, *call) {
	switch o.core.Arrive(now, c.class, tenants[c.tenant]) {
	case admission.Start:
		return started, nil
	case admission.Queue:
		c.waiter = admission.Waiter{Class: c.class, Tenant: tenants[c.tenant], Owner: c}
		if w := o.core.Push(now, &c.waiter); w != nil {
			return queued, w.Owner.(*call)
		}
		return queued, nil
	}
	return refused, nil
}

func (o *own) Complete(now Instant, c *call) { o.core.Complete(now, now-c.started, true) }

func (o *own) Next(now Instant) (*call, bool) {
	w, start := o.core.Next(now)
	if w == nil {
		return nil, false
	}
	return w.Owner.(*call), start
}

func (o *own) Limit() float64 { return float64(o.core.State().Limit) }
