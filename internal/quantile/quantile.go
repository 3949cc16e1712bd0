// Package quantile learns the quantiles of a stream of durations.
package quantile

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
)

const (
	// fine is how many buckets there are between a power of two and the next: a quantile is exact to 1/fine.
	fine = 16
	// octaves of nanoseconds are told apart: the last holds everything from some 18 minutes on.
	octaves = 40
	// halfLife is the time in which what was observed counts half.
	halfLife = 10 * time.Second
	// refresh is how long a quantile that was computed is taken for the present one.
	refresh = 100 * time.Millisecond
)

// Estimate is what is known of the stream. It has no clock and is safe for concurrent use; observing is one atomic
// addition. The zero Estimate knows nothing.
type Estimate struct {
	counts [octaves * fine]atomic.Uint32

	mu    sync.Mutex
	aged  gabion.Instant // when the counts were halved
	asked gabion.Instant // when the answer was computed
	of    float64
	value time.Duration
	known uint64
}

// Observe counts a duration.
func (e *Estimate) Observe(d time.Duration) {
	e.counts[bucket(d)].Add(1)
}

// Of is the duration that a share q of the observations does not pass, and how many of them it is known from.
func (e *Estimate) Of(q float64, now gabion.Instant) (d time.Duration, known uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.asked != 0 && now < e.asked+refresh && q == e.of {
		return e.value, e.known
	}
	e.age(now)
	e.asked, e.of = now, q
	e.value, e.known = e.compute(q)
	return e.value, e.known
}

// age halves the counts once for every half-life. The lock is held.
func (e *Estimate) age(now gabion.Instant) {
	if e.aged == 0 {
		e.aged = now
	}
	times := min(int64((now-e.aged)/halfLife), 32)
	if times <= 0 {
		return
	}
	e.aged = now
	for i := range e.counts {
		for n := e.counts[i].Load(); n > 0; n = e.counts[i].Load() {
			if e.counts[i].CompareAndSwap(n, n>>times) {
				break
			}
		}
	}
}

func (e *Estimate) compute(q float64) (time.Duration, uint64) {
	var sum uint64
	for i := range e.counts {
		sum += uint64(e.counts[i].Load())
	}
	if sum == 0 {
		return 0, 0
	}
	var seen uint64
	for i := range e.counts {
		if seen += uint64(e.counts[i].Load()); float64(seen) >= q*float64(sum) {
			return upper(i), sum
		}
	}
	return upper(len(e.counts) - 1), sum
}

// bucket is where a duration is counted: the position of its highest bit, and what follows it.
func bucket(d time.Duration) int {
	n := uint64(max(d, fine)) // what is shorter is not told apart
	octave := bits.Len64(n) - 1
	i := (octave-4)*fine + int(n>>(octave-4))&(fine-1)
	return min(i, octaves*fine-1)
}

// upper is the end of a bucket.
func upper(i int) time.Duration {
	octave := i/fine + 4
	return time.Duration((uint64(fine) + uint64(i%fine) + 1) << (octave - 4))
}
