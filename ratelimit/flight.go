package ratelimit

import (
	"math"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/gcra"
	"github.com/gabion-io/gabion/internal/keytable"
)

// flight is one running call. It is used again for another call afterwards, with another stamp.
type flight struct {
	stamp uint64
	shard *shard // for ever the same, so that its mutex guards the stamp
	// slot is that of its key, which is not forgotten as long as it has calls in flight.
	slot keytable.Slot

	began gabion.Instant
	// debit is the estimate that was taken in advance, under rule.
	debit time.Duration
	rule  gcra.Rule
	// forgiven is what had been forgiven to the bucket when the call began.
	forgiven time.Duration
	// over is set once the call has taken longer than debit: from then on its time is charged as it passes.
	over       bool
	prev, next *flight // in work, ordered by overAt, while not over
}

// overAt is when the call starts to take longer than what was taken for it in advance.
func (f *flight) overAt() gabion.Instant { return f.began + f.debit }

// work is the running calls of a key and what is known of earlier ones. No goroutine and no timer charges for the
// running ones: whenever the bucket is looked at, it is first brought to the present.
type work struct {
	inFlight int
	// over is how many of the calls in flight are charged as time passes.
	over int
	// first and last are the others, ordered by when they get over.
	first, last *flight
	// charged is the instant up to which the running calls are charged.
	charged gabion.Instant
	// began is the sum of the beginnings of the calls in flight. It may wrap around; so does what uses it.
	began gabion.Instant
	// forgiven is how much debt was forgiven so far, in refilling time. It stops at the largest value.
	forgiven time.Duration
	// learned is the moving average of what calls cost, 0 before the first.
	learned time.Duration
	served  served
}

// Bounds of what is taken in advance and learned.
const (
	minEstimate = time.Millisecond
	maxLearned  = 24 * time.Hour
)

// advance charges the running calls up to now, and returns when the bucket is full then. Between two events the number of
// calls that are charged is constant, so the result does not depend on how often somebody looks.
func (w *work) advance(rule gcra.Rule, full, now gabion.Instant) gabion.Instant {
	for f := w.first; f != nil && f.overAt() <= now; f = w.first {
		full = w.charge(rule, full, f.overAt())
		w.unlink(f)
		f.over = true
		w.over++
	}
	return w.charge(rule, full, now)
}

// charge charges the calls that are over up to now.
func (w *work) charge(rule gcra.Rule, full, now gabion.Instant) gabion.Instant {
	passed := now - w.charged
	if passed <= 0 {
		return full
	}
	if w.over > 0 && !rule.IsZero() {
		spent := int64(passed)
		if spent > math.MaxInt64/int64(w.over) {
			spent = math.MaxInt64
		} else {
			spent *= int64(w.over)
		}
		var forgiven time.Duration
		full, forgiven = rule.Bound(max(full, w.charged)+rule.Span(spent), now)
		w.forgive(forgiven)
	}
	w.charged = now
	return full
}

// debit is what is taken in advance for a call.
func (w *work) debit(rule gcra.Rule, estimate time.Duration) time.Duration {
	if rule.IsZero() {
		return 0
	}
	if estimate == 0 {
		estimate = max(w.learned, minEstimate)
	}
	return min(estimate, quotaOf(rule))
}

// quotaOf is the server time in a full bucket.
func quotaOf(rule gcra.Rule) time.Duration { return time.Duration(rule.Left(0, 0)) }

func (w *work) add(f *flight) {
	f.over, f.forgiven = false, w.forgiven
	w.inFlight++
	w.began += f.began
	before := w.last
	for before != nil && before.overAt() > f.overAt() {
		before = before.prev
	}
	f.prev = before
	if before == nil {
		f.next, w.first = w.first, f
	} else {
		f.next, before.next = before.next, f
	}
	if f.next == nil {
		w.last = f
	} else {
		f.next.prev = f
	}
}

// remove ends a running call, and returns what was charged for it: up to now, or further if somebody looked later.
func (w *work) remove(f *flight, now gabion.Instant) (charged time.Duration) {
	w.inFlight--
	w.began -= f.began
	if !f.over {
		w.unlink(f)
		return f.debit
	}
	w.over--
	return max(f.debit, max(now, w.charged)-f.began)
}

func (w *work) unlink(f *flight) {
	if f.prev == nil {
		w.first = f.next
	} else {
		f.prev.next = f.next
	}
	if f.next == nil {
		w.last = f.prev
	} else {
		f.next.prev = f.prev
	}
	f.prev, f.next = nil, nil
}

// refund is the refilling time to give back to a call that cost less than it was charged. It is never more than what
// its charge is worth now: what was forgiven since the call began may have been its charge, and a change of
// the rule has scaled the charge.
func (w *work) refund(rule gcra.Rule, f *flight, charged, cost time.Duration) time.Duration {
	if f.rule.IsZero() {
		return 0
	}
	span := rule.Span(int64(charged)) - rule.Span(int64(cost))
	if f.rule != rule {
		before := f.rule.Span(int64(charged)) - f.rule.Span(int64(cost))
		span = min(span, f.rule.Scale(before, rule))
	}
	return max(0, span-(w.forgiven-f.forgiven))
}

func (w *work) forgive(d time.Duration) {
	w.forgiven += min(d, math.MaxInt64-w.forgiven)
}

// learn moves the average by an eighth of the difference. More than the quota is not learned, because it is never
// taken in advance, and one call of an hour would be remembered for long.
func (w *work) learn(rule gcra.Rule, cost time.Duration) {
	cost = min(cost, maxLearned)
	if !rule.IsZero() {
		cost = min(cost, quotaOf(rule))
	}
	if w.learned == 0 {
		w.learned = cost
		return
	}
	w.learned += (cost - w.learned) / 8
}

// elapsed is how long the calls in flight have been running, together.
func (w *work) elapsed(now gabion.Instant) time.Duration {
	return max(0, gabion.Instant(w.inFlight)*now-w.began)
}

// maxFree bounds the flights that a shard keeps for later.
const maxFree = 64

func (sh *shard) newFlight() *flight {
	sh.inFlight++
	f := sh.free
	if f == nil {
		return &flight{shard: sh}
	}
	sh.free, f.next = f.next, nil
	sh.freeSize--
	return f
}

func (sh *shard) endFlight(f *flight) {
	sh.inFlight--
	f.stamp++
	if sh.freeSize < maxFree {
		f.next, sh.free = sh.free, f
		sh.freeSize++
	}
}
