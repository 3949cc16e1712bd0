package overload

import "time"

// Goals are what a run is held against. Zero: no goal.
type Goals struct {
	Goodput, Marked float64       // at least
	Tail, Refused   float64       // at most
	Recovery        time.Duration // at most
}

// enough is how many workers a service must have for goals of its own. With fewer, calls wait longer than the deadline now and
// then although the load is 0.7, whatever the limiter does.
const enough = 10

// Goals of the run. With few workers the yardstick is the pool, where the limit is known, at the same seed: within five points.
func (r *Run) Goals(pool *Result) Goals {
	s := r.Scenario
	if r.Workers < enough {
		if pool == nil {
			return Goals{}
		}
		return Goals{Goodput: min(pool.Goodput, 1) - 0.05, Refused: pool.Refused + 0.05}
	}
	g := Goals{Goodput: 0.9, Tail: 1, Refused: 0.01, Recovery: time.Second}
	switch {
	case s.Group == Priorities, s.Group == Tenant:
		g.Marked = 0.99
	case s.Group == Pauses:
		g.Refused = 0.025
	case s.slow > 0 && float64(r.Shape.Deadline) < 1.2*s.slow*float64(r.Shape.Tail):
		g.Tail = 0 // calls take nearly as long as the deadline even when they do not wait
	}
	return g
}

// Missed says which goals a result misses.
type Missed struct{ Goodput, Tail, Refused, Recovery, Marked bool }

// Any says whether it misses one.
func (m Missed) Any() bool { return m != Missed{} }

// Judge holds a result against the goals.
func (g Goals) Judge(r Result) Missed {
	return Missed{
		Goodput:  r.Goodput < g.Goodput,
		Tail:     g.Tail > 0 && r.Tail > g.Tail,
		Refused:  g.Refused > 0 && r.Refused > g.Refused,
		Recovery: g.Recovery > 0 && r.Recovery > g.Recovery,
		Marked:   r.Marked < g.Marked,
	}
}
