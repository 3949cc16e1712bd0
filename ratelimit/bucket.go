package ratelimit

import (
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/gcra"
)

// bucket is the state of one key. It holds no pointers, so that a million of them are nothing to the garbage collector.
type bucket struct {
	full   gabion.Instant // see package gcra
	values uint32         // the index of what the key is allowed in the settings of its shard
	usage  usage
}

// convert brings the account to other values as of the instant at.
func (a *account) convert(next *values, at gabion.Instant) {
	switch {
	case a.log != nil && a.values.sliding != next.sliding:
		a.log.Convert(next.sliding, at)
	case a.log == nil && a.values.rule != next.rule:
		a.full = a.values.rule.Convert(a.full, at, next.rule)
	}
}

// advance charges what the calls in flight have taken up to now.
func (a *account) advance(now gabion.Instant) {
	a.full = a.work.advance(a.values.rule, a.full, now)
}

// idle says whether the account is as good as a new one, so that it can be forgotten.
func (a *account) idle(now gabion.Instant) bool {
	if a.log != nil {
		return a.log.Reset(a.values.sliding, now) == 0
	}
	return gcra.Missing(a.full, now) == 0 && (a.work == nil || a.work.inFlight == 0)
}

// request is what a call asks of an account, and how long it has to wait for it: 0 when it is there. The
// account is locked.
type request struct {
	account
	// cost is requests, or nanoseconds of server time.
	cost   int64
	reason string
	wait   time.Duration
	// next is when the bucket is full again once the cost is taken.
	next gabion.Instant
}

// ask asks for cost requests.
func (r *request) ask(now gabion.Instant, cost int) {
	r.cost, r.reason = int64(cost), ReasonRequests
	switch {
	case cost < 0 || cost > r.values.limit:
		r.reason, r.wait = ReasonCost, Never
	case r.log != nil:
		r.wait = r.log.Wait(r.values.sliding, now, r.cost)
	default:
		r.next, r.wait = r.values.rule.Take(r.full, now, r.cost)
	}
}

// describe says what is left in a bucket that refills, and how long it takes to be full again.
func (v *values) describe(now, full gabion.Instant) (remaining int, reset time.Duration) {
	return int(v.rule.Left(full, now)), gcra.Missing(full, now)
}

// take takes what was asked for, which is there.
func (r *request) take(now gabion.Instant) {
	if r.log != nil {
		r.log.Add(r.values.sliding, now, r.cost)
	} else {
		r.full = r.next
	}
}

// refund puts cost requests back.
func (a *account) refund(now gabion.Instant, cost int) {
	if a.log != nil {
		a.log.Refund(a.values.sliding, now, int64(cost))
	} else {
		a.full = gcra.Refund(a.full, now, a.values.rule.Span(int64(cost)))
	}
}

// Bounds of the guess when a place gets free.
const (
	minGuess = time.Second
	maxGuess = time.Minute
)

// askTime asks for a place and, as long as the cost is not known, for an estimate of it.
func (r *request) askTime(now gabion.Instant) {
	r.cost, r.reason = int64(r.work.debit(r.values.rule, r.settings.estimate)), ReasonServerTime
	if limit := r.values.concurrency; limit > 0 && r.work.inFlight >= limit {
		r.reason, r.wait = ReasonConcurrency, min(max(r.work.learned, minGuess), maxGuess)
		return
	}
	r.next, r.wait = r.values.rule.Take(r.full, now, r.cost)
}

// begin takes what was asked for, which is there, for a call that begins.
func (r *request) begin(now gabion.Instant) *flight {
	r.take(now)
	f := r.shard.newFlight()
	f.slot, f.rule, f.began, f.debit = r.slot, r.values.rule, now, time.Duration(r.cost)
	r.work.add(f)
	return f
}

// settle ends a call. A call that never ran has cost nothing, and teaches nothing.
func (a *account) settle(now gabion.Instant, f *flight, cost time.Duration, ran bool) {
	charged := a.work.remove(f, now)
	switch rule := a.values.rule; {
	case rule.IsZero():
	case cost > charged:
		var forgiven time.Duration
		a.full, forgiven = rule.Spend(a.full, now, int64(cost-charged))
		a.work.forgive(forgiven)
	default:
		a.full = gcra.Refund(a.full, now, a.work.refund(rule, f, charged, cost))
	}
	if ran {
		a.work.learn(a.values.rule, cost)
		a.work.served.add(now, cost)
	} else {
		a.shard.past.add(a.usage.withdraw(), 0)
	}
}

// counts counts a decision.
func (a *account) counts(admitted bool) {
	a.usage.asks(admitted)
}

// decide counts the decision on a request and describes the account after it.
func (r *request) decide(now gabion.Instant) Decision {
	d := Decision{OK: r.wait == 0, Tier: r.values.tier, Limit: r.values.limit}
	r.counts(d.OK)
	if !d.OK {
		d.Reason, d.RetryAfter = r.reason, r.wait
	}
	rule := r.values.rule
	switch {
	case r.log != nil:
		d.Remaining, d.Window = int(r.log.Left(r.values.sliding, now)), r.values.sliding.Window()
		d.Reset = r.log.Reset(r.values.sliding, now)
	case rule.IsZero():
	case r.work != nil:
		d.Remaining = int(rule.Left(r.full, now) / int64(time.Millisecond))
		d.Window, d.Reset = rule.Capacity(), gcra.Missing(r.full, now)
	default:
		d.Remaining, d.Reset = r.values.describe(now, r.full)
		d.Window = rule.Capacity()
	}
	return d
}

// refuses says whether the next call, at the ordinary cost, would be refused.
func (a *account) refuses(now gabion.Instant) bool {
	r := request{account: *a}
	if a.work != nil {
		r.askTime(now)
	} else {
		r.ask(now, 1)
	}
	return r.wait > 0
}

// report is what the key did lately.
func (a *account) report(now gabion.Instant) Usage {
	u := Usage{Key: a.shard.buckets.Key(a.slot), Tier: a.values.tier, Limited: a.refuses(now)}
	if a.shard.shared {
		u.Key = OverflowKey
	}
	u.Requests, u.Refused = a.usage.sums(now)
	if a.work != nil {
		u.InFlight = a.work.inFlight
		u.ServerTime = a.work.served.sum(now) + a.work.elapsed(now)
	}
	return u
}
