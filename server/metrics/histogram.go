package metrics

import (
	"sync/atomic"

	"github.com/gabion-io/gabion/server/status"
)

// histogram counts observations by size. The unit of what is observed is a whole number, such as microseconds or
// bytes; per is how many of these make one of the unit that is shown.
type histogram struct {
	bounds []int64 // upper ends, included
	per    float64
	counts []atomic.Uint64 // one more than bounds: the last has no end
	sum    atomic.Uint64
}

func newHistogram(per float64, bounds []int64) histogram {
	return histogram{bounds: bounds, per: per, counts: make([]atomic.Uint64, len(bounds)+1)}
}

// durationBounds are those of http.server.request.duration in the semantic conventions of OpenTelemetry, in
// microseconds.
var durationBounds = []int64{
	5e3, 10e3, 25e3, 50e3, 75e3, 100e3, 250e3, 500e3, 750e3, 1e6, 2.5e6, 5e6, 7.5e6, 10e6,
}

// sizeBounds are in bytes. No body at all is a bucket of its own.
var sizeBounds = []int64{0, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20}

// observe counts one observation. What is negative counts as 0.
func (h *histogram) observe(value int64) {
	value = max(value, 0)
	i := 0
	for i < len(h.bounds) && value > h.bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(uint64(value))
}

// cumulative is what Prometheus wants: how many observations are at most as large as each bound.
func (h *histogram) cumulative() (count uint64, sum float64, buckets map[float64]uint64) {
	buckets = make(map[float64]uint64, len(h.bounds))
	for i := range h.counts {
		count += h.counts[i].Load()
		if i < len(h.bounds) {
			buckets[h.bound(i)] = count
		}
	}
	return count, float64(h.sum.Load()) / h.per, buckets
}

func (h *histogram) status() status.Histogram {
	s := status.Histogram{Sum: float64(h.sum.Load()) / h.per, Buckets: make([]status.Bucket, len(h.counts))}
	for i := range h.counts {
		s.Buckets[i].Count = h.counts[i].Load()
		if i < len(h.bounds) {
			s.Buckets[i].LE = h.bound(i)
		}
	}
	return s
}

func (h *histogram) bound(i int) float64 { return float64(h.bounds[i]) / h.per }
