package overload

import "time"

// Group is a kind of trouble. Goals hold for a group.
type Group string

// The groups.
const (
	Steps      Group = "steps"
	Cold       Group = "cold start"
	Slower     Group = "3× slower and back"
	Drift      Group = "drift to 3× slower"
	Priorities Group = "priorities"
	Tenant     Group = "one tenant at 10×"
	Cost       Group = "cost of a refusal"
	Pauses     Group = "pauses"
	OnOff      Group = "on/off traffic"
)

// Groups in the order of tables.
var Groups = []Group{Steps, Cold, Slower, Drift, Priorities, Tenant, Cost, Pauses, OnOff}

// Scenario is what is offered and how the server fares. Loads are parts of what the server can do at its usual speed.
type Scenario struct {
	Group Group
	Name  string
	// Cost of a refusal, as a part of a mean call.
	Cost float64

	before  float64 // load before, and after; 0: the run begins with the trouble
	load    float64
	slow    float64 // the server gets so many times slower
	drift   bool    // bit by bit
	pauses  bool    // the server stands still for 50 ms in every 2 s
	onOff   bool    // the load is there for 100 ms, then gone for 100 ms
	urgent  float64 // part of the calls that is critical
	tenants bool    // ten tenants, one of whom offers ten times its share
}

// Scenarios of the suite.
var Scenarios = []Scenario{
	{Group: Steps, Name: "1.2×", before: 0.7, load: 1.2},
	{Group: Steps, Name: "2×", before: 0.7, load: 2},
	{Group: Steps, Name: "5×", before: 0.7, load: 5},
	{Group: Steps, Name: "10×", before: 0.7, load: 10},
	{Group: Cold, Name: "0.7×", load: 0.7},
	{Group: Cold, Name: "2×", load: 2},
	{Group: Cold, Name: "5×", load: 5},
	{Group: Slower, Name: "at 0.7×", before: 0.7, load: 0.7, slow: 3},
	{Group: Slower, Name: "at 2×", before: 0.7, load: 2, slow: 3},
	{Group: Drift, Name: "at 0.7×", before: 0.7, load: 0.7, slow: 3, drift: true},
	{Group: Drift, Name: "at 2×", before: 0.7, load: 2, slow: 3, drift: true},
	{Group: Priorities, Name: "10 % critical at 2×", before: 0.7, load: 2, urgent: 0.1},
	{Group: Priorities, Name: "30 % critical at 2×", before: 0.7, load: 2, urgent: 0.3},
	{Group: Priorities, Name: "10 % critical at 5×", before: 0.7, load: 5, urgent: 0.1},
	{Group: Tenant, Name: "others at 0.63×", before: 0.7, load: 0.63 + 0.7, tenants: true},
	{Group: Cost, Name: "1 % at 2×", before: 0.7, load: 2, Cost: 0.01},
	{Group: Cost, Name: "1 % at 10×", before: 0.7, load: 10, Cost: 0.01},
	{Group: Cost, Name: "5 % at 2×", before: 0.7, load: 2, Cost: 0.05},
	{Group: Cost, Name: "5 % at 10×", before: 0.7, load: 10, Cost: 0.05},
	{Group: Pauses, Name: "at 0.7×", before: 0.7, load: 0.7, pauses: true},
	{Group: Pauses, Name: "at 2×", before: 0.7, load: 2, pauses: true},
	{Group: OnOff, Name: "at 0.7×", before: 0.7, load: 1.4, onOff: true},
}

// tick is how fine the figures are kept over time. Everything in a scenario happens at a multiple of it.
const tick = 50 * time.Millisecond

// phases are the lengths of a run.
type phases struct{ before, trouble, after Instant }

// phases of the scenario. With more workers the same time has more calls, so it may be shorter.
func (s *Scenario) phases(workers int) phases {
	unit := 30 * time.Second
	switch {
	case workers >= 1000:
		unit = 1500 * time.Millisecond
	case workers >= 100:
		unit = 4 * time.Second
	case workers >= 10:
		unit = 10 * time.Second
	}
	p := phases{unit, unit, 2 * time.Second}
	switch {
	case s.before == 0:
		p.before = 0
		if s.load < 1 {
			p.trouble = max(unit, 10*time.Second)
		}
	case s.drift:
		p.trouble = 2 * unit
	case s.pauses, s.onOff:
		p.trouble = max(unit, 6*time.Second)
	}
	return p
}

// end of the run.
func (p phases) end() Instant { return p.before + p.trouble + p.after }

// segment is a time in which nothing changes.
type segment struct {
	until Instant
	load  float64
	speed float64
}

// segments of a run.
func (s *Scenario) segments(workers int) []segment {
	p := s.phases(workers)
	var all []segment
	add := func(until Instant, load, speed float64) { all = append(all, segment{until, load, speed}) }
	if p.before > 0 {
		add(p.before, s.before, 1)
	}
	end := p.before + p.trouble
	step := tick
	if s.pauses {
		step = 2 * time.Second
	} else if s.onOff {
		step = 200 * time.Millisecond
	}
	switch {
	case s.pauses:
		for t := p.before; t < end; t += step {
			add(t+tick, s.load, 0)
			add(t+step, s.load, 1)
		}
	case s.onOff:
		for t := p.before; t < end; t += step {
			add(t+step/2, s.load, 1)
			add(t+step, 0, 1)
		}
	case s.drift:
		for t := p.before; t < end; t += step {
			add(t+step, s.load, 1/(1+(s.slow-1)*float64(t+step-p.before)/float64(p.trouble)))
		}
	default:
		add(end, s.load, 1/max(s.slow, 1))
	}
	add(p.end(), 0.7, 1)
	return all
}

// possible is how many calls could be answered in the trouble, as a number of capacities × nanoseconds at the usual speed:
// what is offered, or what the server can do when it refuses the rest. The calls that the server did may have needed more or less
// than the mean, by chance: ease is the mean divided by what they needed.
func (s *Scenario) possible(workers int, ease float64) float64 {
	p := s.phases(workers)
	var sum, offered, can float64
	from := Instant(0)
	for _, g := range s.segments(workers) {
		if from >= p.before && from < p.before+p.trouble {
			time := float64(g.until - from)
			capacity := g.speed * ease
			if g.load > capacity {
				capacity = max(capacity-g.load*s.Cost*ease, 0) / (1 - s.Cost*ease)
			}
			sum += min(g.load, capacity) * time
			offered += g.load * time
			can += capacity * time
		}
		from = g.until
	}
	if s.pauses || s.onOff { // the queue carries calls over from one segment to another
		return min(offered, can)
	}
	return sum
}
