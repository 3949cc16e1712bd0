package health

import (
	"fmt"
	"slices"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/window"
)

const (
	// rateWindow and rateMin are the time and the least number of requests over which the error rate is taken.
	rateWindow = 10 * time.Second
	rateMin    = 20
	// maxEjectFor bounds the doubling.
	maxEjectFor = 5 * time.Minute
	// forgetAfter times the length of the last ejection is how long an endpoint must stay in until the next ejection
	// is short again.
	forgetAfter = 2
	// The first trial is alone; after its success up to trialsAtOnce run at a time. trialsNeeded must succeed in all.
	trialsAtOnce = 3
	trialsNeeded = 4
	// trialLease is how long a trial may take before its place is given to another.
	trialLease = 10 * time.Second
)

// Rules say when an endpoint is ejected.
type Rules struct {
	// Off ejects none.
	Off bool
	// Consecutive errors eject.
	Consecutive int
	// Rate ejects when this share of at least 20 requests in 10 s failed.
	Rate float64
	// EjectFor is how long the first ejection lasts. Each further one lasts twice as long, up to 5 minutes, until the
	// endpoint has been in for twice the length of its last ejection.
	EjectFor time.Duration
}

// Ejection judges one endpoint by its real requests. Make it with [NewEjection].
//
// Every admission has a stamp. A result whose stamp is not known any more belongs to an earlier state and is dropped.
type Ejection struct {
	rules  Rules
	state  State
	stamp  uint64 // the newest
	period uint64 // the stamp of requests while In
	since  gabion.Instant

	streak int
	lately *window.Window

	until  gabion.Instant // when the first trial is due
	level  int            // ejections in a row
	lasted time.Duration  // the last one
	why    string
	count  uint64

	trials []trial
	passed int
}

type trial struct {
	stamp uint64
	began gabion.Instant
}

// NewEjection makes one that is in.
func NewEjection(rules Rules) Ejection {
	return Ejection{rules: rules, stamp: 1, period: 1, lately: window.New(rateWindow)}
}

// Update changes the rules. What is out stays out, unless they are off.
func (e *Ejection) Update(rules Rules, now gabion.Instant) {
	e.rules = rules
	if rules.Off && e.state != In {
		e.Release(now)
	}
}

// State is the present state. Out lasts until a trial is asked for after its time.
func (e *Ejection) State() State { return e.state }

// Since is when the state began, 0 when it has always been.
func (e *Ejection) Since() gabion.Instant { return e.since }

// Why is what the endpoint was ejected for; "" while it is in.
func (e *Ejection) Why() string {
	if e.state == In {
		return ""
	}
	return e.why
}

// Count is how often it was ejected.
func (e *Ejection) Count() uint64 { return e.count }

// Period is the stamp of requests that are sent while it is in.
func (e *Ejection) Period() uint64 { return e.period }

// Due is when the next trial can begin, at the latest; 0 when it can now or the endpoint is in.
func (e *Ejection) Due(now gabion.Instant) gabion.Instant {
	switch e.state {
	case Out:
		return e.until
	case Trial:
		e.expire(now)
		if len(e.trials) >= e.room() {
			return e.trials[0].began + trialLease
		}
	}
	return 0
}

// Rest is until when no trial can begin whatever comes; 0 when it is not out.
func (e *Ejection) Rest() gabion.Instant {
	if e.state != Out {
		return 0
	}
	return e.until
}

// Try begins a trial, if one is due and has a place.
func (e *Ejection) Try(now gabion.Instant) (stamp uint64, ok bool) {
	if e.state == Out && now >= e.until {
		e.become(Trial, now)
	}
	if e.state != Trial {
		return 0, false
	}
	if e.expire(now); len(e.trials) >= e.room() {
		return 0, false
	}
	e.stamp++
	e.trials = append(e.trials, trial{e.stamp, now})
	return e.stamp, true
}

// room is how many trials may run at once.
func (e *Ejection) room() int {
	if e.passed == 0 {
		return 1
	}
	return min(trialsAtOnce, trialsNeeded-e.passed)
}

func (e *Ejection) expire(now gabion.Instant) {
	e.trials = slices.DeleteFunc(e.trials, func(t trial) bool { return now >= t.began+trialLease })
}

// Result takes the outcome of the request with this stamp. why says what was wrong with a failure.
func (e *Ejection) Result(stamp uint64, now gabion.Instant, outcome gabion.Outcome, why func() string) Verdict {
	switch {
	case e.state == In && stamp == e.period && !e.rules.Off:
		return e.observe(now, outcome, why)
	case e.state == Trial:
		i := slices.IndexFunc(e.trials, func(t trial) bool { return t.stamp == stamp })
		if i < 0 {
			return Nothing
		}
		e.trials = slices.Delete(e.trials, i, i+1)
		return e.try(now, outcome, why)
	}
	return Nothing
}

// observe takes a result while In.
func (e *Ejection) observe(now gabion.Instant, outcome gabion.Outcome, why func() string) Verdict {
	if outcome == gabion.Ignored {
		return Nothing
	}
	failed := outcome == gabion.Failure
	e.lately.Add(now, failed, false)
	if !failed {
		e.streak = 0
		return Nothing
	}
	e.streak++
	if e.streak >= e.rules.Consecutive {
		e.why = fmt.Sprintf("%d errors in a row, the last: %s", e.streak, why())
		return Guilty
	}
	n := e.lately.Counts(now)
	if n.Calls >= rateMin && float64(n.Failures) >= e.rules.Rate*float64(n.Calls) {
		e.why = fmt.Sprintf("%d of %d requests failed, the last: %s", n.Failures, n.Calls, why())
		return Guilty
	}
	return Nothing
}

// try takes the result of a trial.
func (e *Ejection) try(now gabion.Instant, outcome gabion.Outcome, why func() string) Verdict {
	switch outcome {
	case gabion.Ignored:
		return Nothing
	case gabion.Failure:
		e.why = "a trial request failed: " + why()
		return Guilty
	}
	if e.passed++; e.passed < trialsNeeded {
		return Nothing
	}
	e.Release(now)
	return Cleared
}

// Eject takes the endpoint out, after a verdict of [Guilty]. longer says that a further ejection in a row lasts longer
// than the last; without it, it lasts as long.
func (e *Ejection) Eject(now gabion.Instant, longer bool) {
	if e.state == In && now-e.since >= forgetAfter*e.lasted {
		e.level = 0
	}
	if longer || e.level == 0 {
		e.level++
	}
	e.lasted = e.rules.EjectFor
	for i := 1; i < e.level && e.lasted < maxEjectFor; i++ {
		e.lasted *= 2
	}
	e.lasted = min(e.lasted, max(maxEjectFor, e.rules.EjectFor))
	e.until = now + e.lasted
	e.count++
	e.become(Out, now)
}

// Hasten makes a trial due now: there is a reason to think that the endpoint has changed.
func (e *Ejection) Hasten(now gabion.Instant) { e.until = min(e.until, now) }

// Release lets the endpoint in without trials.
func (e *Ejection) Release(now gabion.Instant) {
	e.become(In, now)
	e.stamp++
	e.period = e.stamp
	e.streak = 0
	e.lately = window.New(rateWindow)
}

func (e *Ejection) become(s State, now gabion.Instant) {
	e.state, e.since = s, now
	e.trials, e.passed = e.trials[:0], 0
}
