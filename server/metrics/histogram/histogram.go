// Package histogram counts observations by size, at the cost of two atomic additions.
package histogram

import (
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion/server/status"
)

// Histogram counts observations by size. Make it with [Durations] or [Sizes]. It is safe for concurrent use.
type Histogram struct {
	bounds []int64         // upper ends, included, in a whole unit such as microseconds or bytes
	per    float64         // how many of these make one of the unit that is shown
	counts []atomic.Uint64 // one more than bounds: the last has no end
	sum    atomic.Uint64
}

// Durations makes a histogram of times, shown in seconds. Its buckets are those of http.server.request.duration in the
// semantic conventions of OpenTelemetry.
func Durations() *Histogram { return of(1e6, durations) }

// Sizes makes a histogram of sizes in bytes. Nothing at all is a bucket of its own.
func Sizes() *Histogram { return of(1, sizes) }

func of(per float64, bounds []int64) *Histogram {
	return &Histogram{bounds: bounds, per: per, counts: make([]atomic.Uint64, len(bounds)+1)}
}

var (
	durations = []int64{5e3, 10e3, 25e3, 50e3, 75e3, 100e3, 250e3, 500e3, 750e3, 1e6, 2.5e6, 5e6, 7.5e6, 10e6} // µs
	sizes     = []int64{0, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20}
)

// Took counts a time, to the nearest microsecond. What is negative counts as 0.
func (h *Histogram) Took(d time.Duration) {
	h.observe(int64((d + time.Microsecond/2) / time.Microsecond))
}

// Size counts a size. What is negative counts as 0.
func (h *Histogram) Size(n int64) { h.observe(n) }

func (h *Histogram) observe(value int64) {
	value = max(value, 0)
	i := 0
	for i < len(h.bounds) && value > h.bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(uint64(value))
}

// Status is what was counted.
func (h *Histogram) Status() status.Histogram {
	s := status.Histogram{Sum: float64(h.sum.Load()) / h.per, Buckets: make([]status.Bucket, len(h.counts))}
	for i := range h.counts {
		s.Buckets[i].Count = h.counts[i].Load()
		if i < len(h.bounds) {
			s.Buckets[i].LE = float64(h.bounds[i]) / h.per
		}
	}
	return s
}
