package breaker

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/backoff"
	"github.com/gabion-io/gabion/internal/window"
)

// spread is the part of OpenFor by which an open time is moved at random.
const spread = 0.1

// core is the state machine: no clock, no lock, no I/O.
//
// Stamps are never used twice. Each period in one state has one, which its tickets carry while it is closed; each
// probe has its own. So a result whose stamp is not known any more is from an earlier state and is dropped.
type core struct {
	rules  Config // with defaults applied
	random func() float64

	state  State
	stamp  uint64         // the newest stamp
	period uint64         // the stamp of the present period
	since  gabion.Instant // when it began
	opened uint64
	again  int     // how often it has opened since it was closed
	held   bool    // it stays closed whatever happens
	luck   float64 // in [0, 1): where this open time lies within its spread
	cause  error   // what the call that opened the breaker ended with

	calls  counted        // while closed
	streak atomic.Int64   // failures in a row, where these count
	pile   pile           // of calls in flight, where these count
	asked  *window.Window // calls that were asked for, where they are throttled

	probes []probe // that run
	passed int     // probes that succeeded
	slow   int     // how many of these were slow
}

// probe is a call on trial.
type probe struct {
	stamp uint64
	began gabion.Instant
}

// turn is a change of state; nil: there was none.
type turn struct {
	from, to State
	why      string
	err      error
}

func newCore(rules Config, random func() float64) core {
	return core{rules: rules, random: random, stamp: 1, period: 1, calls: newCounted(rules), pile: rules.pile()}
}

// reconfigure takes new rules. They act on what there is: state, counts and probes stay.
func (c *core) reconfigure(rules Config, now gabion.Instant) {
	c.calls = c.calls.resized(now, rules)
	if c.asked != nil {
		c.asked = c.asked.Resized(now, rules.Window)
	}
	if next := rules.pile(); next.width != c.pile.width {
		c.pile = next
		if c.state == Closed { // the calls in flight are not in it: their results would be taken off
			c.stamp++
			c.period = c.stamp
		}
	}
	c.rules = rules
}

// pile is the pile that the rules ask for.
func (c *Config) pile() pile {
	if c.Hanging == gabion.Off {
		return pile{}
	}
	return newPile(c.SlowCall)
}

// begin admits a call while closed, unless too many hang, which opens the breaker, or it is throttled.
func (c *core) begin(now gabion.Instant) (stamp uint64, admitted bool, t *turn) {
	if c.rules.Hanging != gabion.Off && !c.held {
		if c.pile.roll(now); c.pile.old >= c.rules.Hanging {
			return 0, false, c.become(Open, now, fmt.Sprintf("%d calls hang", c.pile.old), nil)
		}
	}
	if c.rules.Throttle > 0 && c.throttled(now) {
		return 0, false, nil
	}
	return c.admit(now), true, nil
}

// mostThrottled is the largest share of calls that is throttled. What is let through grows by what is served of it, so if
// almost nothing were let through, it would be long until a dependency that is well again had all calls.
const mostThrottled = 0.99

// throttled says whether the next call is refused, so that the dependency gets what it accepts and a bit more.
func (c *core) throttled(now gabion.Instant) bool {
	if c.asked == nil {
		c.asked = window.New(c.rules.Window)
	}
	asked, n := float64(c.asked.Counts(now).Calls), c.calls.counts(now)
	c.asked.Add(now, false, false)
	accepted := float64(n.Calls - n.Failures)
	refused := min((asked-c.rules.Throttle*accepted)/(asked+1), mostThrottled)
	return !c.held && asked >= float64(c.rules.MinCalls) && c.random() < refused
}

// admit stamps a call while closed.
func (c *core) admit(now gabion.Instant) uint64 {
	if c.pile.width == 0 {
		return c.period
	}
	return stamped(c.period, c.pile.begin(now))
}

// acquire admits a call and stamps it, or refuses it.
func (c *core) acquire(now gabion.Instant) (stamp uint64, admitted bool, t *turn) {
	if c.state == Open && now >= c.openUntil() {
		t = c.become(HalfOpen, now, "open time is over", nil)
	}
	if c.state == Ramping && now >= c.since+c.rules.RampFor {
		t = c.become(Closed, now, "the ramp is over", nil)
	}
	switch {
	case c.state == Closed:
		return c.admit(now), true, t
	case c.state == Ramping:
		return c.period, c.random() < c.share(now), t
	case c.state == Open || now < c.refusesUntil(now):
		return 0, false, t
	}
	c.probes = slices.DeleteFunc(c.probes, func(p probe) bool { return now >= p.began+c.rules.ProbeLease })
	c.stamp++
	c.probes = append(c.probes, probe{c.stamp, now})
	return c.stamp, true, t
}

// firstShare is the share of calls that is admitted when a ramp begins.
const firstShare = 0.05

// share is the share of calls that is admitted while ramping.
func (c *core) share(now gabion.Instant) float64 {
	return firstShare + (1-firstShare)*float64(now-c.since)/float64(c.rules.RampFor)
}

// openUntil is when the present open time ends.
func (c *core) openUntil() gabion.Instant {
	return c.since + backoff.Around(backoff.Bound(c.again, c.rules.OpenFor, c.rules.OpenMax), spread, c.luck)
}

// refusesUntil is before when every call is refused, 0 when the next may be admitted.
func (c *core) refusesUntil(now gabion.Instant) gabion.Instant {
	switch c.state {
	case Open:
		return c.openUntil()
	case HalfOpen:
		return c.fullUntil(now)
	}
	return 0
}

// fullUntil is when the place of a running probe can be given to another at the latest, 0 when one is free.
func (c *core) fullUntil(now gabion.Instant) gabion.Instant {
	var leased []gabion.Instant
	for _, p := range c.probes {
		if end := p.began + c.rules.ProbeLease; end > now {
			leased = append(leased, end)
		}
	}
	if len(leased) < c.rules.Probes {
		return 0
	}
	slices.Sort(leased)
	return leased[len(leased)-c.rules.Probes] // after an Update to fewer Probes, several must end first
}

// done takes the result of the call with this stamp. freed says that a probe's place became free, or that there is
// something else to show outside.
func (c *core) done(stamp uint64, r *gabion.Result) (t *turn, freed bool) {
	switch {
	case c.state == Closed && stamp&periodMask == c.period:
		if c.pile.width > 0 {
			c.pile.end(c.pile.slotOf(stamp))
		}
		if r.Outcome == gabion.Ignored {
			return nil, false
		}
		if c.rules.Throttle > 0 && r.Outcome == gabion.Failure {
			c.cause, freed = r.Err, true // refusals tell it
		}
		return c.count(r), freed
	case c.state == Ramping && stamp == c.period && r.Outcome != gabion.Ignored:
		return c.count(r), false
	case c.state == HalfOpen:
		if i := slices.IndexFunc(c.probes, func(p probe) bool { return p.stamp == stamp }); i >= 0 {
			c.probes = slices.Delete(c.probes, i, i+1)
			return c.judge(r), true
		}
	}
	return nil, false
}

// count takes a result while closed or ramping. Only a failure or a slow call can open the breaker.
func (c *core) count(r *gabion.Result) *turn {
	failed, slow := r.Outcome == gabion.Failure, c.isSlow(r)
	c.calls.add(r.Ended, failed, slow)
	switch {
	case !failed:
		c.streak.Store(0)
	case c.rules.Consecutive != gabion.Off:
		c.streak.Add(1)
	}
	if c.held || !failed && !slow {
		return nil
	}
	why := c.verdict(r.Ended)
	if why == "" {
		return nil
	}
	return c.become(Open, r.Ended, why, r.Err)
}

// verdict says why the breaker has to open, "" when it has not.
func (c *core) verdict(now gabion.Instant) string {
	if streak := c.streak.Load(); c.rules.Consecutive != gabion.Off && streak >= int64(c.rules.Consecutive) {
		return fmt.Sprintf("failures in a row: %d", streak)
	}
	n, enough := c.calls.counts(now), c.rules.MinCalls
	if c.state == Ramping { // it was open a moment ago: less proves that it is not well yet
		enough = min(enough, c.rules.Probes)
	}
	if n.Calls < enough {
		return ""
	}
	if reaches(n.Failures, n.Calls, c.rules.FailureRate) {
		return fmt.Sprintf("%d of %d calls failed", n.Failures, n.Calls)
	}
	if reaches(n.Slow, n.Calls, c.rules.SlowRate) {
		return fmt.Sprintf("%d of %d calls were slow", n.Slow, n.Calls)
	}
	return ""
}

// judge takes the result of a probe. A failure opens the breaker again at once. When enough have succeeded it
// closes, unless so many of them were slow that the same calls would open it again.
func (c *core) judge(r *gabion.Result) *turn {
	switch r.Outcome {
	case gabion.Ignored:
		return nil
	case gabion.Failure:
		return c.become(Open, r.Ended, "a probe failed", r.Err)
	}
	c.passed++
	if c.isSlow(r) {
		c.slow++
	}
	if c.passed < c.rules.Probes {
		return nil
	}
	if reaches(c.slow, c.passed, c.rules.SlowRate) {
		return c.become(Open, r.Ended, fmt.Sprintf("%d of %d probes were slow", c.slow, c.passed), nil)
	}
	next := Closed
	if c.rules.RampFor > 0 {
		next = Ramping
	}
	return c.become(next, r.Ended, fmt.Sprintf("probes that succeeded: %d", c.passed), nil)
}

func (c *core) isSlow(r *gabion.Result) bool {
	return c.rules.SlowCall != gabion.Off && r.Began != 0 && r.Ended-r.Began >= c.rules.SlowCall
}

// grain forgives what binary fractions add: 55 % of 20 is 11.
const grain = 1e-9

// reaches says whether part is at least the share limit of whole. A limit that is off is never reached.
func reaches(part, whole int, limit gabion.Share) bool {
	return part > 0 && limit != gabion.Off && float64(part) >= float64(limit)*float64(whole)*(1-grain)
}

// become starts a new period. What is still out from the one before can touch nothing any more.
func (c *core) become(state State, now gabion.Instant, why string, err error) *turn {
	t := &turn{from: c.state, to: state, why: why, err: err}
	c.stamp++
	c.state, c.period, c.since = state, c.stamp, now
	c.probes, c.passed, c.slow = c.probes[:0], 0, 0
	switch state {
	case Open:
		c.opened++
		c.again++
		c.cause = err
		c.luck = c.random()
	case Closed, Ramping:
		if state == Closed {
			c.cause = nil
			c.again = 0
		}
		c.streak.Store(0)
		c.pile, c.asked = c.rules.pile(), nil
		c.calls = newCounted(c.rules) // a late result that found the old one counts there
	case HalfOpen: // keeps the cause, for refusals
	}
	return t
}

func (c *core) snapshot(now gabion.Instant) Snapshot {
	n := c.calls.counts(now)
	s := Snapshot{State: c.state, Calls: n.Calls, Failures: n.Failures, Slow: n.Slow, Opened: c.opened}
	if c.state == Open {
		s.Until = c.openUntil()
	}
	return s
}
