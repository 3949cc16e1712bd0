// Package gcra is the generic cell rate algorithm (ITU-T I.371): a bucket that refills evenly, whose whole state is one
// instant.
//
// That instant, here called full, is when the bucket will be full again. What is missing from the bucket is the time
// from now until then; taking from it moves the instant forward, and waiting needs no work at all. All values are
// nanoseconds in integers. Roundings are against the taker, so no window of time ever admits more than
//
//	what the bucket holds + rate · length of the window
//
// Nothing here reads a clock, and no argument makes anything overflow.
package gcra

import (
	"math/bits"
	"time"
)

const (
	// MaxFill is the longest time that an empty bucket may take to get full.
	MaxFill = 366 * 24 * time.Hour
	// MinInterval is the shortest time for one unit of [Count] in which rounding to nanoseconds loses at most 1 %.
	MinInterval = 100 * time.Nanosecond
	// beyond is more than any wait or amount that makes sense, and far from overflowing when added to an instant.
	beyond = 8 * MaxFill
	// small is how many units most calls take at most.
	small = 1000
)

// Rule is how fast a bucket refills and how much it holds. The zero Rule is no bound at all.
type Rule struct {
	// One unit takes num/den nanoseconds to refill.
	num, den int64
	// unit is how long one unit takes, rounded up.
	unit     time.Duration
	capacity time.Duration
	// inverse is 2^64/num of a [Count], 0 otherwise: multiplying by it is faster than dividing by num.
	inverse uint64
}

// Count is the rule of n units in per, with room for burst units. All three must be positive, per/n at least
// [MinInterval], and burst units must refill within [MaxFill].
func Count(n int64, per time.Duration, burst int64) Rule {
	interval := (int64(per) + n - 1) / n
	r := Rule{num: interval, den: 1, unit: time.Duration(interval), capacity: time.Duration(min(clamped(burst, interval, 1, 0), int64(MaxFill)))}
	if interval > 1 {
		r.inverse, _ = bits.Div64(1, 0, uint64(interval))
	}
	return r
}

// Amount is the rule of a quota of nanoseconds in per, with room for the whole quota. Both must be positive, per at most
// [MaxFill].
func Amount(quota, per time.Duration) Rule {
	return Rule{num: int64(per), den: int64(quota), unit: time.Duration((int64(per)-1)/int64(quota) + 1), capacity: per}
}

// IsZero says whether the rule is no bound at all.
func (r *Rule) IsZero() bool { return r.num == 0 }

// Capacity is how long an empty bucket takes to get full.
func (r *Rule) Capacity() time.Duration { return r.capacity }

// Span is how long so many units take to refill.
func (r *Rule) Span(units int64) time.Duration {
	if units == 1 {
		return r.unit
	}
	return r.span(units)
}

func (r *Rule) span(units int64) time.Duration {
	if r.IsZero() || units <= 0 {
		return 0
	}
	if uint64(units) <= small && r.inverse != 0 && r.num <= int64(beyond)/small {
		return time.Duration(units * r.num)
	}
	return time.Duration(clamped(units, r.num, r.den, uint64(r.den-1)))
}

// Take takes units from a bucket that will be full at the given instant, if it holds that many. It returns the
// new instant. When the bucket holds too little, the instant is unchanged and wait is how long until it holds enough;
// that is never the case for more units than the capacity.
func (r *Rule) Take(full, now time.Duration, units int64) (next, wait time.Duration) {
	next = max(full, now) + r.Span(units)
	if wait = next - now - r.capacity; wait > 0 && !r.IsZero() {
		return full, wait
	}
	return next, 0
}

// Spend takes units whether the bucket holds them or not, but leaves it at most one capacity in debt. It returns the new
// instant and how much refilling time was forgiven so.
func (r *Rule) Spend(full, now time.Duration, units int64) (next, forgiven time.Duration) {
	return r.Bound(max(full, now)+r.Span(units), now)
}

// Bound forgives what is more than one capacity of debt.
func (r *Rule) Bound(full, now time.Duration) (next, forgiven time.Duration) {
	forgiven = max(0, full-now-2*r.capacity)
	return full - forgiven, forgiven
}

// Refund puts back what takes span to refill, up to the capacity.
func Refund(full, now, span time.Duration) time.Duration {
	return max(full-max(span, 0), min(full, now))
}

// Missing is how long the bucket takes to be full again. It is more than the capacity when the bucket is in debt.
func Missing(full, now time.Duration) time.Duration { return max(0, full-now) }

// Left is how many whole units the bucket holds, never negative.
func (r *Rule) Left(full, now time.Duration) int64 {
	left := r.capacity - Missing(full, now)
	if left <= 0 || r.IsZero() {
		return 0
	}
	if r.inverse != 0 {
		n, _ := bits.Mul64(uint64(left), r.inverse)
		if uint64(left)-n*uint64(r.num) >= uint64(r.num) {
			n++ // the inverse was rounded down, which makes one less at most
		}
		return int64(n)
	}
	return clamped(int64(left), r.den, r.num, 0)
}

// Convert is the instant of the same bucket under another rule: what share of it is missing stays. So an empty bucket
// stays empty, a full one full, and nobody waits longer than a bucket in the same state would under the new rule.
func (r *Rule) Convert(full, now time.Duration, to Rule) time.Duration {
	missing := Missing(full, now)
	if missing == 0 || r.IsZero() || to.IsZero() {
		return now
	}
	return now + r.Scale(missing, to)
}

// Scale converts a refilling time to the same share of another rule's capacity. Neither rule may be zero.
func (r *Rule) Scale(span time.Duration, to Rule) time.Duration {
	return time.Duration(clamped(int64(span), int64(to.capacity), int64(r.capacity), uint64(r.capacity-1)))
}

// clamped is (a·b + round) / c without overflow, at most beyond. None may be negative, c must be positive.
func clamped(a, b, c int64, round uint64) int64 {
	high, low := bits.Mul64(uint64(a), uint64(b))
	low, carry := bits.Add64(low, round, 0)
	high += carry
	if high >= uint64(c) {
		return int64(beyond)
	}
	quotient, _ := bits.Div64(high, low, uint64(c))
	return int64(min(quotient, uint64(beyond)))
}
