package admission

import "math"

// The constants of the limit. They were chosen together, in simulation; the comments say what each one trades.
const (
	// firstLimit is small enough that one worker can do it within the deadline, and grows to 1000 in four round trips.
	firstLimit = 8
	// backlog is the share of the deadline that calls may take within the service. More keeps the service busier when it
	// slows down: with 0.30 a service that gets three times slower, to a mean of 0.30, is starved. Less answers sooner.
	backlog = 0.33
	// lateShare and lateTimes bound the latency that is borne for the sake of goodput, as a share of the deadline and as a multiple
	// of what backlog and the spread allow: above it, whatever was learned about goodput, most answers will soon come too late.
	lateShare = 0.55
	lateTimes = 2
	// lateLook is how long that must have been seen, as a share of the deadline: a pause is shorter.
	lateLook = 0.5
	// inTime is the share of the deadline within which an answer is good. The rest is for errors of estimation.
	inTime = 0.85
	// knee bounds the latency to this many times the unqueued one: a longer queue in the service gains nothing.
	knee = 4
	// fullWindow is how many completions a window needs: a mean of 16 is right within 12 % when the deviation is half the mean.
	fullWindow = 16
	// patience is the share of the deadline after which a call that waits is given up, unless it would take little time.
	patience = 0.9
	// mostPatience is the most of it, however short calls are: some are long.
	mostPatience = 0.75
	// longestWait is the share of the deadline that calls may wait in the queue, however short they are.
	longestWait = 0.7
	// longestBurst is for how many deadlines the queue may not have been empty until it is no burst any more, where the concurrency is known.
	// Where it is found, it is one deadline, but more where fewer than fewAtOnce calls are worked on at once, for one of them as many.
	longestBurst = 3.0
	fewAtOnce    = 3.0
	// gainToRise is by how much goodput must follow a higher limit before it is believed: staying too low costs goodput,
	// staying too high only latency.
	gainToRise = 0.3
	// latePrice is how many good answers one more late answer costs, when two limits are compared.
	latePrice = 2
	// bigStep is how many times the limit before a limit is when, in one step, it is raised so far that the latency known is not that to
	// expect: from one to two, or from two to three.
	bigStep = 1.5
	// deepCut and deeperCut are the parts of a limit that are left of it when it is cut so deep, in one step, that the latency known is
	// not that to expect, or that it takes longer than half a deadline to see what came of it. A limit of ten or more is cut so deep by
	// late answers only.
	deepCut   = 0.6
	deeperCut = 0.5
	// floorDecay is how much of the floor is forgotten in a second, so that it is found anew every ten seconds or so.
	floorDecay = 0.02
	// spreadDecay is how much of the spread is forgotten in a second.
	spreadDecay = 0.3
)

// mode is what the limit is doing.
type mode uint8

const (
	slowStart mode = iota // grows by multiples until the latency answers
	normal
	verify // back towards the limit from before a cut that cost goodput, to see whether it was the cut
	probe  // above the floor, to see whether the floor is too low
	fixed  // the concurrency is known
)

// String is the mode as Snapshot and its readers show it.
func (m mode) String() string {
	return [...]string{"slow_start", "normal", "verify", "probe", "pool"}[m]
}

// level is what was measured at a limit. Rates are per nanosecond.
type level struct{ limit, good, late float64 }

// limit is how many calls may be in flight, and what is known of the service. Times are nanoseconds as float64.
type limit struct {
	deadline float64
	most     float64 // upper bound
	mode     mode

	value    float64
	floor    float64 // found by experiment; 0: none
	unqueued float64 // mean latency while the limit was not reached; 0: not known yet
	mean     float64 // of the latency lately
	spread   float64 // 99th percentile / mean
	rate     float64 // completions per nanosecond while the limit was reached
	target   float64 // the mean latency aimed at
	tail     tail

	window  window
	settled float64 // completions before it belong to the limit before
	judge   sums    // since the limit last changed
	anchor  level   // where the limit stood before it was cut; limit 0: none
	lower   level   // in verify and probe: the limit compared with
	probed  float64 // when the last probe began
	every   float64 // how long it is between two probes
	gone    float64 // until then calls end that were let in before a deep cut
	quiet   bool    // nothing was in flight since idle
	idle    float64
	first   sums // unqueued calls seen before unqueued is known
}

// sums are of completions.
type sums struct{ n, time, latency, good float64 }

// window is what was seen since the last update.
type window struct {
	sums
	began    float64
	inFlight float64 // sum, at completions
	square   float64 // sum of the squares of the latencies
	short    float64 // sum of what calls that failed at once lacked to the target
	full     float64 // completions when no more calls could start
	most     float64 // calls in flight
	limited  bool    // a call could not start at once
}

// deviation is the standard deviation of the mean latency of the window.
func (w *window) deviation() float64 {
	mean := w.latency / w.n
	return math.Sqrt(max(w.square/w.n-mean*mean, 0) / w.n)
}

func newLimit(deadline float64, now Instant) limit {
	return limit{
		deadline: deadline, most: math.Inf(1), value: firstLimit, spread: 2, target: backlog * deadline,
		window: window{began: float64(now)}, every: probeFirst * deadline, quiet: true, idle: float64(now) - deadline,
	}
}

// calls is the limit as a number of calls.
func (l *limit) calls() int { return int(math.Round(l.value)) }

// completed takes in a call that has ended, and says whether the limit may have changed.
//
// A call whose answer was of no use takes part in the throughput. But what fails at once says nothing about how long calls
// take, and must not make the limit grow: the time is not learned from it, and it counts as if it had taken the target.
func (l *limit) completed(now Instant, s Sample) bool {
	latency := min(s.latency(), l.deadline)
	useful := s&sampleGood != 0
	short := 0.0
	if !useful {
		short = max(0, l.target-max(latency, l.mean))
		latency = max(latency, l.mean)
	} else if l.mean > 0 && float64(now) >= l.gone {
		// While the service gets slower the mean of this window is nearer to its time than that of the windows before. Right after a
		// deep cut nothing is learned: the mean is already that of the calls to come.
		l.tail.add(latency / max(l.mean, l.window.latency/max(l.window.n, 8)))
	}
	at, w := float64(now), &l.window
	awoken := l.quiet && at-latency-l.idle > l.deadline/2
	l.quiet, l.idle = s.inFlight() == 1, at
	if awoken { // neither the idle time nor the time until the first call ends says how many can be done
		l.window = window{began: at, limited: w.limited}
		return false
	}
	if at < l.settled {
		return false
	}
	w.n++
	w.latency += latency
	w.square += latency * latency
	w.short += short
	w.inFlight += s.inFlight()
	w.most = max(w.most, s.inFlight())
	if s&sampleFull != 0 {
		w.full++
	}
	if useful && latency <= inTime*l.deadline {
		w.good++
	}
	w.time = at - w.began
	if w.n < l.windowSize() && !l.plainlyLate() || w.time < min(max(l.mean, 0.02*l.deadline), 0.5*l.deadline) {
		return false
	}
	l.update(at)
	return true
}

func (l *limit) windowSize() float64 {
	if l.mode == slowStart {
		return min(max(l.value/2, 2), fullWindow)
	}
	return fullWindow
}

// plainlyLate says whether the answers come so late that half a window is enough to see it. One worker who has got slower takes long to
// fill a whole one, and all that he does in the meantime is in vain.
func (l *limit) plainlyLate() bool {
	w := &l.window
	return w.n >= fullWindow/2 && w.limited && l.mode != fixed && l.mode != slowStart && w.full >= 0.8*w.n &&
		w.time >= lateLook*l.deadline && w.latency/w.n-w.deviation() > lateShare*l.deadline
}

// update learns from the window and begins the next.
func (l *limit) update(now float64) {
	w := &l.window
	mean := w.latency / w.n
	seen := mean + w.short/w.n
	if w.full >= 0.8*w.n { // Little's law sees calls that have not ended, too
		seen = max(seen, w.inFlight/w.n*w.time/w.n)
	}
	l.aim()
	// Growth needs a look as long as the tail: at first only the short calls have ended. And a cut needs a mean that is
	// above the target by more than chance, or as long a look.
	look := min(max(l.spread*seen, l.deadline/4), l.deadline)
	if w.limited && l.mode == normal && seen-w.deviation() <= l.target && w.time < look {
		return
	}
	late := w.limited && l.mode != fixed && seen-w.deviation() > l.bearable()
	if late && w.time < lateLook*l.deadline {
		return
	}
	l.learn(mean)
	before := l.calls()
	if w.limited {
		l.step(now, seen, late)
	} else {
		l.rate = max(l.rate, w.n/w.time)
		if l.mode != fixed && (l.mode != slowStart || w.n >= fullWindow) {
			l.mode = normal
		}
		l.anchor = level{}
	}
	l.value = min(max(l.value, 1), l.most)
	if l.calls() != before {
		l.moved(now, seen, before)
	}
	l.window = window{began: max(now, l.settled)}
}

// moved begins the measurements anew at another limit. After a deep cut or a big step, calls take so much less or more, by Little's law,
// than is known of those before; and those that were let in before a cut take long to go.
func (l *limit) moved(now, seen float64, before int) {
	w, part, longest := &l.window, ratio(l.value, float64(before)), l.deadline/2
	if (part <= deepCut || part >= bigStep && l.mode != slowStart) && w.full >= 0.8*w.n {
		l.mean = min(l.mean*part, l.deadline)
	}
	if part <= deeperCut {
		longest = l.deadline
	}
	if part <= deepCut { // what is seen of calls from before would be taken for a long tail
		l.gone = now + min(seen, longest)
	}
	l.judge = sums{}
	l.settled = now + min(seen, longest)
}

// aim sets the target.
func (l *limit) aim() {
	l.target = min(backlog, 1/l.spread) * l.deadline
	if l.unqueued > 0 {
		l.target = min(l.target, knee*l.unqueued)
	}
}

// bearable is the mean latency above which the limit is cut at once.
func (l *limit) bearable() float64 {
	return min(lateShare, lateTimes*min(backlog, 1/l.spread)) * l.deadline
}

// restart gives up all measurements that have not ended, because the limit or the deadline was changed from outside.
func (l *limit) restart(now, deadline float64) {
	l.deadline, l.every = deadline, probeFirst*deadline
	l.aim()
	if l.mode == verify || l.mode == probe {
		l.mode = normal
	}
	l.judge, l.anchor, l.lower = sums{}, level{}, level{}
	l.settled = now + min(l.mean, deadline/2)
	l.window = window{began: l.settled}
}

// learn takes in what the window says about the service.
func (l *limit) learn(mean float64) {
	w, second := &l.window, l.window.time/1e9
	if l.mean == 0 {
		l.mean = mean
	}
	l.mean += max(w.n/(w.n+fullWindow), 0.3) * (mean - l.mean)
	l.spread = max(l.tail.spread(), l.spread*(1-min(spreadDecay*second, 1)), 1)
	l.floor *= 1 - min(floorDecay*second, 1)
	switch gap := mean - l.unqueued; {
	case l.unqueued == 0 && !w.limited:
		l.first.n += w.n
		l.first.latency += w.latency
		l.first.time += w.time
		if l.first.n >= 64 && l.first.time >= l.deadline/2 {
			l.unqueued = l.first.latency / l.first.n
		}
	case l.unqueued == 0:
	case !w.limited:
		l.unqueued += 0.1 * gap
	case gap < 0:
		l.unqueued += 0.5 * min(w.n/256, 1) * gap
	default:
		l.unqueued += 0.01 * min(second, 1) * gap
	}
}

// step moves the limit after a window in which it was reached.
func (l *limit) step(now, seen float64, late bool) {
	w := &l.window
	if l.rate == 0 {
		l.rate = w.n / w.time
	}
	l.rate += w.n / (w.n + 3*fullWindow) * (w.n/w.time - l.rate)
	l.judge.n += w.n
	l.judge.time += w.time
	l.judge.good += w.good
	if late {
		l.relieve(now, seen)
		return
	}
	switch l.mode {
	case slowStart:
		switch {
		case w.full < 0.5*w.n: // the limit that was set last has not been reached yet: its latency is still to come
		case 3*seen < l.target:
			l.value *= 4
		case 1.5*seen < l.target:
			l.value *= 2
		default:
			l.mode = normal
		}
	case verify, probe:
		l.compare(now)
	case normal:
		l.follow(now, seen, false)
	case fixed:
	}
}
