package overload

import "time"

// Record is what was seen in a run.
type Record struct {
	run    *Run
	phases phases
	at     Instant // since when the present plan of arrivals holds
	ticks  []counts
	late   []uint32 // answers by the time from arrival, in parts of the deadline
	served uint64   // their sum
	done   float64  // calls that the server did in the trouble, answered in time or not; of those that it did a part of, that part
	needed float64  // by them
}

// counts are of the calls of a tick.
type counts struct {
	offered, good, refused int     // by when they came; good: answered within the deadline
	marked, markedGood     int     // by when they came
	answered               int     // good ones, by when they were answered
	limit                  float64 // at the first answer
}

// Latencies are kept in steps of a two hundredth of the deadline, up to twenty deadlines.
const (
	perDeadline = 200
	mostLate    = 20 * perDeadline
)

func newRecord(r *Run) *Record {
	p := r.Scenario.phases(r.Workers)
	return &Record{run: r, phases: p, ticks: make([]counts, p.end()/tick), late: make([]uint32, mostLate+1)}
}

func (r *Record) tick(at Instant) *counts { return &r.ticks[min(int(at/tick), len(r.ticks)-1)] }

func (r *Record) offered(c *call) {
	t := r.tick(c.came)
	t.offered++
	if c.marked {
		t.marked++
	}
}

func (r *Record) refused(c *call) { r.tick(c.came).refused++ }

func (r *Record) answered(now Instant, c *call, l Limiter) {
	took := now - c.came
	t := r.tick(now)
	if t.limit == 0 {
		t.limit = l.Limit()
	}
	if took <= r.run.Shape.Deadline {
		t.answered++
		came := r.tick(c.came)
		came.good++
		if c.marked {
			came.markedGood++
		}
	}
	if since := now - r.phases.before; since >= 0 && since < r.phases.trouble {
		r.done++
		r.needed += c.needs
	}
	if since := c.came - r.phases.before; since >= time.Second && since < r.phases.trouble {
		r.late[min(took*perDeadline/r.run.Shape.Deadline, mostLate)]++
		r.served++
	}
}

// turned takes in what the server has done of the calls that are not done yet. What was done before the trouble is not done in it.
func (r *Record) turned(now Instant, parts, work float64) {
	switch now {
	case r.phases.before:
		r.done -= parts
		r.needed -= work
	case r.phases.before + r.phases.trouble:
		r.done += parts
		r.needed += work
	}
}

// between sums up the ticks from one instant to another.
func (r *Record) between(from, to Instant) (sum counts) {
	for _, t := range r.ticks[from/tick : to/tick] {
		sum.offered += t.offered
		sum.good += t.good
		sum.refused += t.refused
		sum.marked += t.marked
		sum.markedGood += t.markedGood
		sum.answered += t.answered
	}
	return sum
}

// Result is the figures of a run.
type Result struct {
	// Goodput: answers within the deadline in the trouble, as a part of what was possible.
	Goodput float64
	// Tail is the 99th percentile of the time from arrival to answer, in deadlines, of the calls that came from a second after
	// the trouble began.
	Tail float64
	// Refused is the part of the calls not answered at a load of 0.7 from the start on, but for the first 200 ms; in the groups [Pauses] and
	// [OnOff], in the trouble at 0.7×.
	Refused float64
	// Recovery is how long after the trouble a time of 500 ms begins in which 95 % of the calls are answered within the deadline.
	Recovery time.Duration
	// Marked is the part of the calls the scenario watches over (critical ones, or those of tenants who keep to their share)
	// that was answered within the deadline.
	Marked float64
}

// Result sums up.
func (r *Record) Result() Result {
	s, p := r.run.Scenario, r.phases
	trouble := r.between(p.before, p.before+p.trouble)
	ease := 1.0
	if r.done > 0 {
		ease = float64(r.run.Shape.Mean) * r.done / r.needed
	}
	possible := s.possible(r.run.Workers, ease) * float64(r.run.Workers) / float64(r.run.Shape.Mean)
	result := Result{
		Goodput: float64(trouble.answered) / possible, Tail: r.tail(),
		Recovery: r.recovery(), Marked: part(trouble.markedGood, trouble.marked),
	}
	const start = 200 * time.Millisecond
	quiet := r.between(min(start, p.before), p.before)
	switch {
	case s.pauses && s.load < 1, s.onOff:
		quiet = trouble
	case s.before == 0 && s.load < 1:
		quiet = r.between(start, p.trouble)
	}
	result.Refused = part(quiet.refused, quiet.offered)
	return result
}

func part(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

func (r *Record) tail() float64 {
	above := r.served / 100
	for i := mostLate; i >= 0; i-- {
		n := uint64(r.late[i])
		if n > above {
			return float64(i+1) / perDeadline
		}
		above -= n
	}
	return 0
}

func (r *Record) recovery() time.Duration {
	end := r.phases.before + r.phases.trouble
	const span = 500 * time.Millisecond
	for from := end; from+span <= r.phases.end()-r.run.Shape.Deadline; from += tick {
		if c := r.between(from, from+span); part(c.good, c.offered) >= 0.95 {
			return from - end
		}
	}
	return r.phases.after
}
