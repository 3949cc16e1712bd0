package admission

import (
	"slices"
	"testing"
	"time"
)

// bench is a service with so many workers, each of which takes the same time for every call, and first come first served. Calls come
// at equal distances.
type bench struct {
	core    *Core
	workers int
	takes   time.Duration
	useless bool // its answers are failures

	now  Instant
	ends []finish // in order
	free []Instant
}

// finish is the end of a call.
type finish struct{ at, began Instant }

// run lets calls come for a while, so many times as the workers can do, and returns how many were answered within the deadline.
func (b *bench) run(lasts time.Duration, times float64) (good int) {
	every := time.Duration(float64(b.takes) / float64(b.workers) / times)
	for end := b.now + lasts; b.now < end; b.now += every {
		for len(b.ends) > 0 && b.ends[0].at <= b.now {
			good += b.finish()
		}
		w := &Waiter{Class: 1, Owner: b.now}
		switch b.core.Arrive(b.now, w.Class, w.Tenant) {
		case Start:
			b.start(b.now)
		case Queue:
			b.core.Push(b.now, w)
		case Refuse:
		}
	}
	return good
}

// start gives a call to the worker who is free first.
func (b *bench) start(now Instant) {
	if len(b.free) < b.workers {
		b.free = append(b.free, 0)
	}
	i := 0
	for j := range b.free {
		if b.free[j] < b.free[i] {
			i = j
		}
	}
	b.free[i] = max(b.free[i], now) + b.takes
	at := b.free[i]
	place, _ := slices.BinarySearchFunc(b.ends, at, func(f finish, at Instant) int { return int(f.at - at) })
	b.ends = slices.Insert(b.ends, place, finish{at, now})
}

func (b *bench) finish() (good int) {
	f := b.ends[0]
	b.ends = b.ends[1:]
	if f.at-f.began <= b.core.config.Deadline {
		good = 1
	}
	b.core.Complete(f.at, f.at-f.began, !b.useless)
	for {
		w, ok := b.core.Next(f.at)
		if w == nil {
			return good
		}
		if ok {
			b.start(f.at)
		}
	}
}

// share is how much of what the workers can do was of use.
func (b *bench) share(good int, of time.Duration) float64 {
	return float64(good) / float64(b.workers) / (float64(of) / float64(b.takes))
}

// A cold limit of a service with a thousand workers reaches them within a few round trips.
func TestSlowStart(t *testing.T) {
	b := &bench{core: New(Config{Deadline: 100 * ms}, 0), workers: 1000, takes: 10 * ms}
	b.run(150*ms, 2)
	if s := b.core.State(); s.Limit < 1000 || s.Limit > 5000 {
		t.Errorf("after 150 ms: %+v", s)
	}
	if share := b.share(b.run(200*ms, 2), 200*ms); share < 0.95 {
		t.Errorf("%.2f of what could be done", share)
	}
}

// The time of the service alone is above the target. A limit that only follows latency would go down to one; the floor that is found by
// an experiment keeps the workers busy.
func TestFloorHoldsWhereServiceTimeIsAboveTarget(t *testing.T) {
	b := &bench{core: New(Config{Deadline: 100 * ms}, 0), workers: 50, takes: 5 * ms}
	b.run(2*time.Second, 0.7)
	b.takes = 45 * ms
	b.run(3*time.Second, 2)
	if share := b.share(b.run(10*time.Second, 2), 10*time.Second); share < 0.9 {
		t.Errorf("%.2f of what could be done: %+v", share, b.core.State())
	}
	if s := b.core.State(); s.Floor < 40 || s.Floor > 120 || s.Limit < s.Floor || s.Target > 33*ms {
		t.Errorf("%+v", s)
	}
	b.takes = 5 * ms
	b.run(time.Second, 2)
	if share := b.share(b.run(time.Second, 2), time.Second); share < 0.97 {
		t.Errorf("%.2f of what could be done when it is fast again: %+v", share, b.core.State())
	}
}

// The twin: without the floor and the judgement that finds it, it starves.
func TestWithoutFloorItStarves(t *testing.T) {
	b := &bench{core: New(Config{Deadline: 100 * ms}, 0), workers: 50, takes: 5 * ms}
	b.run(2*time.Second, 0.7)
	b.takes = 45 * ms
	good := 0
	for range 3000 {
		b.core.limit.floor, b.core.limit.anchor = 0, level{}
		good += b.run(ms, 2)
	}
	if share := b.share(good, 3*time.Second); share > 0.3 {
		t.Errorf("%.2f of what could be done: %+v", share, b.core.State())
	}
}

// A long time without calls says nothing: neither does the floor fade nor does the service look slow after it.
func TestIdleTimeSaysNothing(t *testing.T) {
	b := &bench{core: New(Config{Deadline: 100 * ms}, 0), workers: 50, takes: 5 * ms}
	b.run(2*time.Second, 0.7)
	b.takes = 45 * ms
	b.run(5*time.Second, 2)
	for len(b.ends) > 0 {
		b.finish()
	}
	before := b.core.limit
	b.now += 10 * time.Hour
	b.run(time.Second, 2)
	after := b.core.limit
	if after.floor < 0.7*before.floor || after.value < 0.7*before.floor || after.rate < 0.7*before.rate { // the limit may be that of a probe, before
		t.Errorf("floor %v, limit %v, rate %v became %v, %v, %v", before.floor, before.value, before.rate, after.floor, after.value, after.rate)
	}
}

// Answers of no use come at once. They do not make the limit grow, as useful ones would, and are not how long calls take.
func TestFailuresAtOnce(t *testing.T) {
	for _, useless := range []bool{true, false} {
		b := &bench{core: New(Config{Deadline: 100 * ms}, 0), workers: 10, takes: 20 * ms}
		b.run(2*time.Second, 0.7)
		b.run(2*time.Second, 2)
		before := b.core.State()
		b.useless, b.workers, b.takes, b.free = useless, 100, ms, nil
		b.run(500*ms, 2)
		after := b.core.State()
		if grows := after.Limit > before.Limit+1; grows == useless {
			t.Errorf("useless %v: the limit goes from %d to %d", useless, before.Limit, after.Limit)
		}
		if fast := after.Usual < before.Usual/2; fast == useless {
			t.Errorf("useless %v: calls take %v, then %v", useless, before.Usual, after.Usual)
		}
	}
}

// What was being measured when the configuration changed is given up; what was learned stays.
func TestConfigureGivesUpMeasurements(t *testing.T) {
	c := New(Config{Deadline: 100 * ms}, 0)
	l := &c.limit
	l.mode, l.value, l.floor, l.mean, l.unqueued = probe, 130, 100, 2e7, 1e7
	l.lower, l.anchor, l.judge = level{limit: 100}, level{limit: 150}, sums{n: 5}
	c.Configure(time.Second, Config{Deadline: 100 * ms})
	if l.mode != probe || l.judge.n != 5 {
		t.Errorf("nothing changed, and it became %+v", l)
	}
	c.Configure(time.Second, Config{Deadline: 100 * ms, Most: 50})
	if l.mode != normal || l.lower != (level{}) || l.anchor != (level{}) || l.judge != (sums{}) || l.settled != 1.02e9 {
		t.Errorf("%+v", l)
	}
	if s := c.State(); s.Limit != 50 || s.Floor != 50 || s.Usual != 20*ms || s.Unqueued != 10*ms {
		t.Errorf("%+v", s)
	}
	c.Configure(time.Second, Config{Deadline: 40 * ms, Known: 7})
	if s := c.State(); s.Limit != 7 || s.Floor != 0 || s.Phase != "pool" || s.Target != 13200*time.Microsecond {
		t.Errorf("%+v", s)
	}
	c.Configure(time.Second, Config{Deadline: 40 * ms})
	if s := c.State(); s.Limit != 7 || s.Phase != "normal" || l.most < 1e9 {
		t.Errorf("%+v", s)
	}
}

// Little's law sees the calls that have not ended: those that have were quick, but few end for how many are in flight.
func TestCallsThatHaveNotEndedCount(t *testing.T) {
	l := newLimit(float64(100*ms), 0)
	l.mode, l.value, l.mean = normal, 100, 1e6
	for i := range 200 {
		l.window.limited = true
		l.completed(Instant(i)*ms, sampleOf(ms, 100, true, true))
	}
	if l.value > 70 {
		t.Errorf("one of a hundred calls ends in a millisecond, after a millisecond: the limit is %v", l.value)
	}
}

// A floor that was found while the service was faster gives way when answers come too late, and at once: a hundred workers became ten.
func TestLateAnswersCutTheLimitAtOnce(t *testing.T) {
	b := &bench{core: New(Config{Deadline: 100 * ms}, 0), workers: 100, takes: 10 * ms}
	b.run(2*time.Second, 0.7)
	l := &b.core.limit
	l.mode, l.value, l.floor = normal, 100, 100
	b.workers, b.free = 10, nil
	b.run(time.Second, 2)
	if s := b.core.State(); s.Limit > 70 || s.Floor > 70 {
		t.Errorf("a second later: %+v", s)
	}
	if share := b.share(b.run(5*time.Second, 2), 5*time.Second); share < 0.95 {
		t.Errorf("%.2f of what could be done: %+v", share, b.core.State())
	}
}

// An experiment with a higher limit ends as soon as answers come too late.
func TestLateAnswersEndExperiments(t *testing.T) {
	for _, m := range []mode{probe, verify} {
		l := newLimit(float64(100*ms), 0)
		l.mode, l.value, l.mean, l.lower = m, 130, 1e6, level{limit: 100}
		every := l.every
		for i := range 60 {
			l.window.limited = true
			l.completed(Instant(i)*ms, sampleOf(90*ms, 130, true, true))
		}
		if l.mode != normal || l.value != 100 || (l.every > every) != (m == probe) {
			t.Errorf("%v: %v, limit %v, next probe after %v", m, l.mode, l.value, Instant(l.every))
		}
	}
}

// Whole calls count: a limit of 1.4 is one call, and half of 1.6, which is two.
func TestRatioIsOfWholeCalls(t *testing.T) {
	for _, c := range []struct{ of, to, want float64 }{{1.4, 1.6, 0.5}, {1.4, 1.2, 1}, {3, 0.2, 3}, {85, 100, 0.85}} {
		if got := ratio(c.of, c.to); got != c.want {
			t.Errorf("%v to %v is %v, not %v", c.of, c.to, got, c.want)
		}
	}
}

// A limit of one is cut no further, so a service with two workers whose time alone is above the target would have one of them idle
// for ever: two are tried, and kept where that gives more.
func TestFromOneTwoAreTried(t *testing.T) {
	for workers, want := range map[int]int{1: 1, 2: 2} {
		b := &bench{core: New(Config{Deadline: 100 * ms}, 0), workers: workers, takes: 36 * ms}
		b.core.limit.value, b.core.limit.mode = 1, normal
		b.core.publish()
		b.run(3*time.Second, 2)
		if share := b.share(b.run(10*time.Second, 2), 10*time.Second); share < 0.9 {
			t.Errorf("%d workers: %.2f of what could be done: %+v", workers, share, b.core.State())
		}
		if s := b.core.State(); s.Floor < want {
			t.Errorf("%d workers: %+v", workers, s)
		}
	}
}

// After a deep cut calls are expected to take so much less, and it takes longer until those that were let in before are gone. Until then nothing is
// learned of them: beside what is expected they would look like a long tail.
func TestDeepCut(t *testing.T) {
	for _, c := range []struct {
		to, full float64
		mean     time.Duration
		settled  Instant
	}{{7, 16, 80 * ms, 50 * ms}, {6, 16, 48 * ms, 50 * ms}, {5, 16, 40 * ms, 90 * ms}, {2, 16, 16 * ms, 90 * ms}, {2, 12, 80 * ms, 90 * ms}, {20, 16, 80 * ms, 50 * ms}} {
		l := newLimit(float64(100*ms), 0)
		l.value, l.mean, l.window.n, l.window.full = c.to, float64(80*ms), 16, c.full
		l.moved(0, float64(90*ms), 10)
		if time.Duration(l.mean) != c.mean || Instant(l.settled) != c.settled {
			t.Errorf("from 10 to %v: mean %v, settled after %v", c.to, time.Duration(l.mean), Instant(l.settled))
		}
		before := l.tail
		l.completed(c.settled-1, sampleOf(100*ms, 10, true, true))
		if deep := c.to <= 6; deep != (l.tail == before) {
			t.Errorf("from 10 to %v: the tail is %+v, and was %+v before a call from before the cut ended", c.to, l.tail, before)
		}
	}
}

// From one to two, and so on, calls are expected to take so much longer, but not when all that is known is the start.
func TestBigStep(t *testing.T) {
	for _, c := range []struct {
		mode     mode
		from     int
		to, full float64
		mean     time.Duration
	}{{normal, 1, 2, 16, 40 * ms}, {probe, 2, 3, 16, 30 * ms}, {normal, 5, 7, 16, 20 * ms}, {verify, 1, 9, 16, 100 * ms}, {normal, 1, 2, 12, 20 * ms}, {slowStart, 8, 32, 16, 20 * ms}} {
		l := newLimit(float64(100*ms), 0)
		l.mode, l.value, l.mean, l.window.n, l.window.full = c.mode, c.to, float64(20*ms), 16, c.full
		l.moved(0, float64(20*ms), c.from)
		if time.Duration(l.mean) != c.mean {
			t.Errorf("%v from %d to %v: calls are expected to take %v, not %v", c.mode, c.from, c.to, time.Duration(l.mean), c.mean)
		}
	}
}

// When answers come plainly too late, half a window is enough to cut the limit; when they do not, it is not.
func TestPlainlyLateAnswersEndTheWindow(t *testing.T) {
	for _, takes := range []time.Duration{90 * ms, 50 * ms} {
		l := newLimit(float64(100*ms), 0)
		l.mode, l.value, l.mean, l.quiet = normal, 9, 2e7, false
		for i := range fullWindow / 2 {
			l.window.limited = true
			l.completed(Instant(i+1)*10*ms, sampleOf(takes, 9, true, true))
		}
		if late := takes == 90*ms; late != (l.value < 7) || late != (l.window.n == 0) {
			t.Errorf("calls take %v: after half a window the limit is %v, and %v calls are in the window", takes, l.value, l.window.n)
		}
	}
}

// After a cut that cost goodput a higher limit is tried, but of that from before the cut no more than is twice the lower one.
func TestVerificationDoublesAtMost(t *testing.T) {
	for _, c := range []struct{ anchor, value, want float64 }{{100, 20, 40}, {30, 20, 30}, {10, 1, 2}, {2, 1.2, 2}} {
		l := newLimit(float64(100*ms), 0)
		l.mode, l.value, l.anchor = normal, c.value, level{limit: c.anchor, good: 1}
		l.judge, l.window = sums{n: 100, time: float64(time.Second), good: 100}, window{sums: sums{n: 16, time: float64(160 * ms), good: 16}, full: 16, most: c.value}
		l.follow(float64(time.Second), float64(40*ms), false)
		if l.mode != verify || l.value != c.want || l.lower.limit != c.value {
			t.Errorf("%+v: %v at %v, compared with %v", c, l.mode, l.value, l.lower.limit)
		}
	}
}

// A limit of 1.4 is one call: when one is in flight, the limit is reached, and two are tried.
func TestReachedIsOfWholeCalls(t *testing.T) {
	b := &bench{core: New(Config{Deadline: 100 * ms}, 0), workers: 2, takes: 40 * ms}
	b.core.limit.value, b.core.limit.mode = 1.4, normal
	b.core.publish()
	b.run(3*time.Second, 5)
	if share := b.share(b.run(5*time.Second, 5), 5*time.Second); share < 0.9 {
		t.Errorf("%.2f of what could be done: %+v", share, b.core.State())
	}
}

// One worker gets three times slower while he has as many calls before him as he could do in time: few are done in vain.
func TestOneWorkerGetsSlower(t *testing.T) {
	b := &bench{core: New(Config{Deadline: 141 * ms}, 0), workers: 1, takes: 10 * ms}
	b.run(3*time.Second, 0.9)
	b.run(2*time.Second, 1.5)
	b.takes = 30 * ms
	if share := b.share(b.run(time.Second, 2), time.Second); share < 0.85 {
		t.Errorf("%.2f of what could be done in the first second: %+v", share, b.core.State())
	}
	if share := b.share(b.run(10*time.Second, 2), 10*time.Second); share < 0.95 {
		t.Errorf("%.2f of what could be done after that: %+v", share, b.core.State())
	}
}
