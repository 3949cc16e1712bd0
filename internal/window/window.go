// Package window counts calls over a sliding window of time.
//
// The window is a ring of buckets. It holds the bucket of the present and those before it, so it covers between
// one bucket less than its span and the whole span: a count is wrong by at most one bucket's calls, at any
// phase. Nothing here reads a clock: time comes in as nanoseconds since any fixed moment.
package window

import (
	"sync/atomic"
	"time"
)

// Buckets is how many buckets a window has.
const Buckets = 20

// Counts is what happened in a time.
type Counts struct {
	// Calls is how many ended; Failures how many of them failed; Slow how many were slow. A call can be both.
	Calls, Failures, Slow int
}

func (c *Counts) add(o Counts) {
	c.Calls += o.Calls
	c.Failures += o.Failures
	c.Slow += o.Slow
}

func (c *Counts) sub(o Counts) {
	c.Calls -= o.Calls
	c.Failures -= o.Failures
	c.Slow -= o.Slow
}

// Window counts calls over a sliding time. Make it with [New]. It is not safe for concurrent use, except for
// [Window.Success].
type Window struct {
	width   time.Duration
	newest  int64        // number of the newest bucket: its start divided by width
	ends    atomic.Int64 // when the newest bucket ends
	present atomic.Pointer[bucket]
	buckets [Buckets]bucket
}

type bucket struct{ calls, failures, slow atomic.Int64 }

func (b *bucket) add(c Counts) {
	b.calls.Add(int64(c.Calls))
	b.failures.Add(int64(c.Failures))
	b.slow.Add(int64(c.Slow))
}

func (b *bucket) counts() Counts {
	return Counts{int(b.calls.Load()), int(b.failures.Load()), int(b.slow.Load())}
}

// New makes an empty window that covers span, which must be at least [Buckets] nanoseconds.
func New(span time.Duration) *Window {
	return &Window{width: max(span/Buckets, 1)}
}

// Success counts a call that ended now and was neither a failure nor slow, and returns false when it could not: then it
// takes [Window.Add]. It is safe for concurrent use, also while another method runs. One that is overtaken by the end of
// a bucket may be counted in the bucket before.
func (w *Window) Success(now time.Duration) bool {
	if int64(now) >= w.ends.Load() {
		return false
	}
	w.present.Load().calls.Add(1)
	return true
}

// Add counts one call that ended now. A call that is reported late, after others that ended later, counts as
// ended with the newest of them.
func (w *Window) Add(now time.Duration, failed, slow bool) {
	c := Counts{Calls: 1}
	if failed {
		c.Failures = 1
	}
	if slow {
		c.Slow = 1
	}
	w.put(now, c)
}

func (w *Window) put(now time.Duration, c Counts) {
	if int64(now) >= w.ends.Load() {
		w.advance(now)
	}
	w.present.Load().add(c)
}

// advance makes the bucket of now the newest, and forgets those that fall out of the window by that.
func (w *Window) advance(now time.Duration) {
	number := int64(now / w.width)
	for i := int64(1); i <= min(number-w.newest, Buckets); i++ {
		b := &w.buckets[(w.newest+i)%Buckets]
		b.calls.Store(0)
		b.failures.Store(0)
		b.slow.Store(0)
	}
	w.newest = number
	w.present.Store(&w.buckets[number%Buckets])
	w.ends.Store(int64(time.Duration(number+1) * w.width))
}

// Counts is what the window holds now. It changes nothing, so it may be asked about any time from the last Add on.
func (w *Window) Counts(now time.Duration) (total Counts) {
	first := w.newest - Buckets + 1
	if int64(now) >= w.ends.Load() {
		first = int64(now/w.width) - Buckets + 1
	}
	for number := max(0, first); number <= w.newest; number++ {
		total.add(w.buckets[number%Buckets].counts())
	}
	return total
}

// Resized is a window of another span with the counts that lie within it; the same one when the span is.
func (w *Window) Resized(now, span time.Duration) *Window {
	resized := New(span)
	if resized.width == w.width {
		return w
	}
	for number := max(0, w.newest-Buckets+1); number <= w.newest; number++ {
		// A bucket counts at its end, but never in the future: the new window would wait there for the present.
		last := time.Duration(number+1)*w.width - 1
		if counts := w.buckets[number%Buckets].counts(); counts.Calls > 0 {
			resized.put(min(last, now), counts)
		}
	}
	return resized
}
