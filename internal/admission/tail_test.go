package admission

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// The spread is the 99th percentile divided by the mean, within the width of a bucket.
func TestSpread(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for name, test := range map[string]struct {
		draw func() float64
		want float64
	}{
		"constant":    {func() float64 { return 1 }, 1},
		"exponential": {random.ExpFloat64, -math.Log(0.01)},
		"bimodal": {func() float64 {
			if random.Float64() < 0.05 {
				return 100
			}
			return 2
		}, 100 / 6.9},
	} {
		var tl tail
		if tl.spread() != 0 {
			t.Errorf("%s: knows a spread before the first", name)
		}
		for range 10_000 {
			tl.add(test.draw())
		}
		if got := tl.spread(); math.Abs(got/test.want-1) > 0.15 {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// An outlier is forgotten, and nothing falls out of the buckets.
func TestTailForgets(t *testing.T) {
	var tl tail
	for range 100 {
		tl.add(1e9)
		tl.add(1e-9)
	}
	for range 20 * forget {
		tl.add(1)
	}
	if got := tl.spread(); math.Abs(got-1) > 0.1 || tl.top != bucketOf(1) {
		t.Errorf("spread %v, top %d", got, tl.top)
	}
}

func TestSample(t *testing.T) {
	for _, latency := range []time.Duration{-1, 0, 1, 5 * ms, time.Hour, math.MaxInt64} {
		for _, inFlight := range []int{-1, 0, 1, 1000, mostInFlight, math.MaxInt} {
			for flags := range Sample(4) {
				s := sampleOf(latency, inFlight, flags&sampleGood != 0, flags&sampleFull != 0)
				want := float64(max(latency, 1))
				if s == 0 || math.Abs(s.latency()/want-1) > 1e-6 || s.inFlight() != float64(min(max(inFlight, 0), mostInFlight)) || s&3 != flags {
					t.Errorf("%v, %d, %d is %x: %v, %v", latency, inFlight, flags, s, s.latency(), s.inFlight())
				}
			}
		}
	}
}
