package ratelimit

import (
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/gcra"
)

// bucket is the state of one key. Everything in it is guarded by the mutex of its shard.
type bucket struct {
	key        string // or, when shared, the tier
	shared     bool   // by the keys of a tier for which there was no room
	generation uint32 // of the settings that values are from
	values     *values
	full       gabion.Instant // see package gcra
	work       *work          // nil for Requests
	usage      usage
	shard      *shard
}

// sync brings the bucket to the given settings and to now.
func (b *bucket) sync(s *settings, now gabion.Instant) {
	if b.generation != s.generation {
		at := s.begin(now)
		b.advance(at)
		b.adopt(s, at)
	}
	b.advance(now)
}

// adopt takes the values of other settings as of the instant at.
func (b *bucket) adopt(s *settings, at gabion.Instant) {
	next := s.valuesOf(b.key)
	if b.shared {
		next = s.valuesOfTier(b.key)
	}
	if b.values.rule != next.rule {
		b.full = b.values.rule.Convert(b.full, at, next.rule)
	}
	b.values, b.generation = next, s.generation
}

// advance charges what the calls in flight have taken up to now.
func (b *bucket) advance(now gabion.Instant) {
	if b.work != nil {
		b.full = b.work.advance(b.values.rule, b.full, now)
	}
}

// idle says whether the bucket is as good as a new one, so that it can be forgotten.
func (b *bucket) idle(now gabion.Instant) bool {
	return gcra.Missing(b.full, now) == 0 && (b.work == nil || b.work.inFlight == 0)
}

// take takes cost requests.
func (b *bucket) take(now gabion.Instant, cost int) Decision {
	rule := b.values.rule
	if cost < 0 || rule.Span(int64(cost)) > rule.Capacity() {
		return b.decide(now, ReasonCost, Never)
	}
	next, wait := rule.Take(b.full, now, int64(cost))
	b.full = next
	return b.decide(now, ReasonRequests, wait)
}

// refund puts cost requests back.
func (b *bucket) refund(now gabion.Instant, cost int) {
	b.full = gcra.Refund(b.full, now, b.values.rule.Span(int64(cost)))
}

// Bounds of the guess when a place gets free.
const (
	minGuess = time.Second
	maxGuess = time.Minute
)

// begin admits a call whose cost is not known yet, and takes an estimate for it.
func (b *bucket) begin(now gabion.Instant, estimate time.Duration) (*flight, Decision) {
	rule := b.values.rule
	if limit := b.values.concurrency; limit > 0 && b.work.inFlight >= limit {
		return nil, b.decide(now, ReasonConcurrency, min(max(b.work.learned, minGuess), maxGuess))
	}
	debit := b.work.debit(rule, estimate)
	next, wait := rule.Take(b.full, now, int64(debit))
	if wait > 0 {
		return nil, b.decide(now, ReasonServerTime, wait)
	}
	b.full = next
	f := b.shard.newFlight()
	f.bucket, f.rule, f.began, f.debit = b, rule, now, debit
	b.work.add(f)
	return f, b.decide(now, "", 0)
}

// settle ends a call. A call that never ran has cost nothing, and teaches nothing.
func (b *bucket) settle(now gabion.Instant, f *flight, cost time.Duration, ran bool) {
	charged := b.work.remove(f, now)
	switch rule := b.values.rule; {
	case rule.IsZero():
	case cost > charged:
		var forgiven time.Duration
		b.full, forgiven = rule.Spend(b.full, now, int64(cost-charged))
		b.work.forgive(forgiven)
	default:
		b.full = gcra.Refund(b.full, now, b.work.refund(rule, f, charged, cost))
	}
	if ran {
		b.work.learn(b.values.rule, cost)
		b.usage.serves(now, cost)
	} else {
		b.usage.withdraw(now)
	}
}

// decide counts a decision and describes the bucket after it. The call is admitted when wait is 0.
func (b *bucket) decide(now gabion.Instant, reason string, wait time.Duration) Decision {
	b.shard.count(b, wait == 0)
	b.usage.asks(now, wait == 0)
	d := Decision{OK: wait == 0, Tier: b.values.tier}
	if !d.OK {
		d.Reason, d.RetryAfter = reason, wait
	}
	rule := b.values.rule
	if rule.IsZero() {
		return d
	}
	unit := int64(1)
	if b.work != nil {
		unit = int64(time.Millisecond)
	}
	d.Limit, d.Remaining = int(rule.Left(0, 0)/unit), int(rule.Left(b.full, now)/unit)
	d.Window, d.Reset = rule.Capacity(), gcra.Missing(b.full, now)
	return d
}

// refuses says whether the next call would be refused.
func (b *bucket) refuses(now gabion.Instant) bool {
	units := int64(1)
	if b.work != nil {
		if limit := b.values.concurrency; limit > 0 && b.work.inFlight >= limit {
			return true
		}
		units = int64(b.work.debit(b.values.rule, 0))
	}
	_, wait := b.values.rule.Take(b.full, now, units)
	return wait > 0
}

// report is what the key did lately.
func (b *bucket) report(now gabion.Instant) Usage {
	b.advance(now)
	u := Usage{Key: b.key, Tier: b.values.tier, Limited: b.refuses(now)}
	if b.shared {
		u.Key = OverflowKey
	}
	u.Requests, u.Refused, u.ServerTime = b.usage.sums(now)
	if b.work != nil {
		u.InFlight = b.work.inFlight
		u.ServerTime += b.work.elapsed(now)
	}
	return u
}
