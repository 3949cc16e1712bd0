// Package window counts calls over a sliding window of time.
//
// The window is a ring of buckets. It holds the bucket of the present and those before it, so it covers between
// one bucket less than its span and the whole span: a count is wrong by at most one bucket's calls, at any
// phase. Nothing here reads a clock: time comes in as nanoseconds since any fixed moment.
package window

import "time"

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

// Window counts calls over a sliding time. Make it with [New]. It is not safe for concurrent use.
type Window struct {
	width   time.Duration
	newest  int64         // number of the newest bucket: its start divided by width
	ends    time.Duration // when the newest bucket ends
	buckets [Buckets]Counts
	total   Counts
}

// New makes an empty window that covers span, which must be at least [Buckets] nanoseconds.
func New(span time.Duration) Window {
	return Window{width: max(span/Buckets, 1)}
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
	if now >= w.ends {
		w.advance(now)
	}
	w.buckets[w.newest%Buckets].add(c)
	w.total.add(c)
}

// advance makes the bucket of now the newest, and forgets those that fall out of the window by that.
func (w *Window) advance(now time.Duration) {
	number := int64(now / w.width)
	for i := int64(1); i <= min(number-w.newest, Buckets); i++ {
		oldest := &w.buckets[(w.newest+i)%Buckets]
		w.total.sub(*oldest)
		*oldest = Counts{}
	}
	w.newest = number
	w.ends = time.Duration(number+1) * w.width
}

// Counts is what the window holds now. It changes nothing, so it may be asked about any time from the last Add on.
func (w *Window) Counts(now time.Duration) Counts {
	total := w.total
	if now < w.ends {
		return total
	}
	for i := int64(1); i <= min(int64(now/w.width)-w.newest, Buckets); i++ {
		total.sub(w.buckets[(w.newest+i)%Buckets])
	}
	return total
}

// Reset empties the window.
func (w *Window) Reset() { *w = Window{width: w.width} }

// Resize changes the span and keeps the counts that lie within the new one.
func (w *Window) Resize(now, span time.Duration) {
	resized := New(span)
	if resized.width == w.width {
		return
	}
	for number := max(0, w.newest-Buckets+1); number <= w.newest; number++ {
		// A bucket counts at its end, but never in the future: the new window would wait there for the present.
		last := time.Duration(number+1)*w.width - 1
		if counts := w.buckets[number%Buckets]; counts.Calls > 0 {
			resized.put(min(last, now), counts)
		}
	}
	*w = resized
}
