package admission

import "math"

// A limit that only follows latency goes down without end once the service time alone exceeds the target. So every cut is
// judged by what it did to goodput: a cut that cost goodput is taken back, and the higher limit is measured again right
// after (high, low, high: an A/B/A test), because in the meantime the service itself may have changed. What is found is the
// floor. From time to time a higher limit than the floor is tried.

const (
	// probeFirst and probeMost are how long it is between two probes, in deadlines and in nanoseconds: the time doubles
	// while probes find nothing.
	probeFirst = 4
	probeMost  = 8e9
	// probeStep is how far above the floor a probe goes, verifyStep how far above the lower limit a verification goes at most: where the
	// limit stood before a deep cut all calls may come too late, and the service may have been faster then.
	probeStep, verifyStep = 1.3, 2
	// enoughCut is how far below its anchor a limit must be to be judged. Under answers that come too late it goes on being cut
	// without judgement, down to deepestCut: the deeper, the sooner it can be judged.
	enoughCut  = 0.85
	deepestCut = 0.3
	// floorSlack is how far above the floor a limit may stand.
	floorSlack = 1.1
)

// judged says whether enough has been seen since the limit changed to compare it with another: two standard deviations
// when that of the latency is half the mean.
func (l *limit) judged(ratio float64) bool {
	need := 8 / max((1-ratio)*(1-ratio), 1e-6)
	return l.judge.n >= max(need, fullWindow) && l.judge.time >= l.deadline
}

// measured is the present limit with what was seen since it was set.
func (l *limit) measured() level {
	return level{l.value, l.judge.good / l.judge.time, (l.judge.n - l.judge.good) / l.judge.time}
}

// ratio is how many times one limit the other is. What counts is whole calls: 1.6 is twice 1.4.
func ratio(of, to float64) float64 { return math.Round(of) / max(1, math.Round(to)) }

// relieve lowers the limit because the latency is more than can be borne. No experiment that raised it goes on.
func (l *limit) relieve(now, seen float64) {
	switch l.mode {
	case probe:
		l.every = min(2*l.every, probeMost)
		fallthrough
	case verify:
		l.value, l.mode, l.anchor = l.lower.limit, normal, level{}
	default:
		l.mode = normal
		l.follow(now, seen, true)
	}
}

// follow moves the limit so that the latency seen comes to the target, and fast when the answers come late.
func (l *limit) follow(now, seen float64, late bool) {
	w := &l.window
	part := 1.0
	if l.anchor.limit > 0 {
		part = ratio(l.value, l.anchor.limit)
	}
	if part < enoughCut && w.good > 0.1*w.n && !(late && part > deepestCut) {
		if !l.judged(part) {
			return
		}
		m := l.measured()
		if m.good < l.anchor.good*(1-0.5*(1-part)) { // the cut cost goodput, or so it seems
			l.lower, l.value, l.mode = m, min(l.anchor.limit, max(verifyStep*l.value, l.value+1)), verify
			return
		}
		l.anchor = m
	}
	factor := 1 + w.n/(w.n+fullWindow)*(min(max(l.target/seen, 0.5), 2)-1)
	switch {
	case factor >= 1:
		if l.value*factor > l.anchor.limit {
			l.anchor = level{}
		}
	case w.most < 0.8*float64(l.calls()): // it is not the limit that makes the latency
		factor = 1
	default:
		if l.anchor.limit == 0 {
			l.anchor = level{l.value, w.good / w.time, (w.n - w.good) / w.time}
		}
		if late {
			factor = min(factor, l.hurry(seen))
		}
		if l.calls() <= 1 { // there is nothing below, so two are tried now and then
			l.floor = max(l.floor, 1)
			l.value = l.floor
		}
		if l.value*factor < l.floor {
			l.standOnFloor(now)
			return
		}
	}
	l.value *= factor
}

// hurry is the factor that brings a latency that cannot be borne down to what can, in one step. The floor, found when the service was
// faster, gives way.
func (l *limit) hurry(seen float64) float64 {
	w, most := &l.window, l.bearable()
	l.floor = min(l.floor, l.value*max(most/seen, 0.8))
	if w.full < 0.5*w.n {
		return 1
	}
	return max(most/max(seen, w.inFlight/w.n*w.time/w.n), 0.25) // by Little's law: latencies are not learned beyond the deadline
}

// standOnFloor puts the limit on the floor, and tries a higher one now and then.
func (l *limit) standOnFloor(now float64) {
	w := &l.window
	if l.value < l.floor || l.value > floorSlack*l.floor {
		l.value = l.floor
		return
	}
	if w.good <= 0.5*w.n || now-l.probed < l.every {
		return
	}
	l.probed, l.mode = now, probe
	l.lower = l.measured()
	l.value = max(probeStep*l.value, l.value+1)
}

// compare ends a verification or a probe once the higher limit, which is in force, can be judged.
func (l *limit) compare(now float64) {
	times := ratio(l.value, l.lower.limit)
	if !l.judged(1 / times) {
		return
	}
	high, low := l.measured(), l.lower
	longest := l.deadline / 2
	if l.unqueued > 0 {
		longest = min(longest, 6*l.unqueued)
	}
	most := max(low.limit, l.judge.n/l.judge.time*longest)
	below := low.good * (1 + gainToRise*min(1, times-1))
	switch wasProbe := l.mode == probe; {
	case high.limit > 1.3*most:
		l.value = low.limit
	case high.good-latePrice*max(0, high.late-low.late) > below: // more limit gives more goodput
		l.every = probeFirst * l.deadline
		reached := 2 * high.limit
		if low.good > 0 {
			reached = low.limit * high.good / low.good
		}
		l.floor = min(1.2*min(high.limit, reached), most)
		if reached > 0.9*high.limit && 1.5*high.limit <= most {
			l.lower, l.value, l.mode, l.probed = high, 1.5*high.limit, probe, now
			return
		}
		l.value = l.floor
	default:
		l.value = low.limit
		if wasProbe {
			l.every = min(2*l.every, probeMost)
		}
	}
	l.mode = normal
	l.anchor = level{}
}
