package overload

import (
	"math"
	"math/rand/v2"
)

// Run is one run of the simulation.
type Run struct {
	Scenario  *Scenario
	Shape     *Shape
	Workers   int
	Sharing   bool // the calls share the workers; otherwise each has its own, first come first served
	Seed      uint64
	Contender Contender
}

// Play plays the run. The limiter's clock, if it reads one, is moved on by sleep; nil when it reads none.
func (r *Run) Play(sleep func(until Instant)) *Record {
	s := &simulation{
		run: r, sleep: sleep, limiter: r.Contender.New(Place{*r.Shape, r.Workers}),
		segments: r.Scenario.segments(r.Workers),
		random:   newRandom(r.Seed),
		record:   newRecord(r),
		capacity: float64(r.Workers) / float64(r.Shape.Mean),
	}
	s.server = server{workers: r.Workers, sharing: r.Sharing, chore: r.Scenario.Cost * float64(r.Shape.Mean)}
	s.play()
	return s.record
}

func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// simulation is the state of a run.
type simulation struct {
	run      *Run
	sleep    func(Instant)
	limiter  Limiter
	server   server
	segments []segment // the first is the present one
	random   *rand.Rand
	record   *Record
	capacity float64 // calls per nanosecond

	now     Instant
	arrival Instant // of the next call
	ends    Instant // the next job of the server
	due     float64 // calls, on average, until then: it lives through a change of the load
	free    []*call
}

func (s *simulation) play() {
	s.server.speed = s.segments[0].speed
	s.ends = math.MaxInt64
	s.due = s.random.ExpFloat64()
	s.plan()
	for {
		s.wait(min(s.ends, s.arrival, s.segments[0].until))
		switch s.now {
		case s.ends:
			s.complete()
		case s.arrival:
			s.arrive()
		default:
			s.server.advance(s.now)
			parts, work := s.server.begun()
			s.record.turned(s.now, parts, work)
			s.due -= s.load() * float64(s.now-s.record.at)
			if s.segments = s.segments[1:]; len(s.segments) == 0 {
				return
			}
			s.server.speed = s.segments[0].speed
			s.ends = s.server.next()
			s.plan()
		}
	}
}

// load is how many calls come in a nanosecond.
func (s *simulation) load() float64 { return s.segments[0].load * s.capacity }

// plan sets when the next call comes. It remembers since when it holds.
func (s *simulation) plan() {
	s.record.at = s.now
	s.arrival = math.MaxInt64
	if load := s.load(); load > 0 {
		s.arrival = s.now + Instant(math.Ceil(max(s.due, 0)/load))
	}
}

func (s *simulation) wait(until Instant) {
	if s.sleep != nil && until > s.now {
		s.sleep(until)
	}
	s.now = until
}

func (s *simulation) arrive() {
	c := s.make()
	s.due = s.random.ExpFloat64()
	s.plan()
	s.record.offered(c)
	v, evicted := s.limiter.Arrive(s.now, c)
	if evicted != nil {
		s.refuse(evicted)
	}
	switch v {
	case started:
		s.start(c)
	case refused:
		s.refuse(c)
	case queued:
	}
}

// make draws a call. What is drawn does not depend on the limiter, so all contenders see the same calls.
func (s *simulation) make() *call {
	if len(s.free) == 0 {
		s.free = append(s.free, new(call))
	}
	c := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	c.came, c.needs, c.class, c.tenant, c.marked = s.now, s.run.Shape.draw(s.random), 1, 0, false
	switch sc := s.run.Scenario; {
	case sc.urgent > 0:
		if u := s.random.Float64(); u < sc.urgent {
			c.class, c.marked = 0, true
		} else if u > (1+sc.urgent)/2 {
			c.class = 2
		}
	case sc.tenants:
		// The first offers ten times what each of the nine others does.
		c.tenant = max(s.random.IntN(19)-9, 0)
		c.marked = c.tenant > 0
	}
	return c
}

func (s *simulation) start(c *call) {
	c.started = s.now
	s.server.advance(s.now)
	s.server.begin(c.needs, c)
	s.ends = s.server.next()
}

func (s *simulation) refuse(c *call) {
	s.record.refused(c)
	if s.run.Scenario.Cost > 0 {
		s.server.advance(s.now)
		s.server.refuse()
		s.ends = s.server.next()
	}
	s.free = append(s.free, c)
}

func (s *simulation) complete() {
	s.server.advance(s.now)
	defer func() { s.ends = s.server.next() }()
	for {
		c, ok := s.server.done()
		if !ok {
			return
		}
		if c == nil {
			continue
		}
		s.limiter.Complete(s.now, c)
		s.record.answered(s.now, c, s.limiter)
		s.free = append(s.free, c)
		for {
			next, start := s.limiter.Next(s.now)
			if next == nil {
				break
			}
			if start {
				s.start(next)
			} else {
				s.refuse(next)
			}
		}
	}
}
