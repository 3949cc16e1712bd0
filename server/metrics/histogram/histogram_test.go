package histogram

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/status"
)

// above is the upper end of the last bucket.
var above = math.Inf(1)

// seen are the buckets that hold something, by their upper ends.
func seen(s status.Histogram) map[float64]uint64 {
	all := map[float64]uint64{}
	for i, b := range s.Buckets {
		if i == len(s.Buckets)-1 {
			b.LE = above
		}
		if b.Count > 0 {
			all[b.LE] = b.Count
		}
	}
	return all
}

func TestBounds(t *testing.T) {
	for _, test := range []struct {
		took time.Duration
		le   float64
		sum  float64
	}{
		{-time.Second, 0.005, 0},
		{0, 0.005, 0},
		{5 * time.Millisecond, 0.005, 0.005}, // a bound belongs to its bucket
		{5*time.Millisecond + 499, 0.005, 0.005},
		{5*time.Millisecond + 500, 0.01, 0.005001},
		{75 * time.Millisecond, 0.075, 0.075},
		{10 * time.Second, 10, 10},
		{10*time.Second + time.Microsecond, above, 10.000001},
		{100 * 24 * time.Hour, above, 100 * 24 * 3600},
	} {
		h := Durations()
		h.Took(test.took)
		s := h.Status()
		if got := seen(s); len(got) != 1 || got[test.le] != 1 || math.Abs(s.Sum-test.sum) > 1e-9*max(1, test.sum) {
			t.Errorf("%v: %v, %v s in all", test.took, got, s.Sum)
		}
	}
	h := Sizes()
	for _, size := range []int64{-1, 0, 1, 256, 257, 64 << 20, 1 << 40} {
		h.Size(size)
	}
	if got := seen(h.Status()); got[0] != 2 || got[256] != 2 || got[1<<10] != 1 || got[64<<20] != 1 || got[above] != 1 {
		t.Errorf("sizes: %v", got)
	}
}

// TestBucketsAreOrdered: who shows a histogram adds up its buckets.
func TestBucketsAreOrdered(t *testing.T) {
	for name, h := range map[string]*Histogram{"durations": Durations(), "sizes": Sizes()} {
		all := h.Status().Buckets
		for i := 1; i < len(all)-1; i++ {
			if all[i].LE <= all[i-1].LE {
				t.Errorf("%s: %v after %v", name, all[i].LE, all[i-1].LE)
			}
		}
		if last := all[len(all)-1]; last.LE != 0 {
			t.Errorf("%s: the last bucket ends at %v", name, last.LE)
		}
	}
}

func TestNothingIsLostOrAllocated(t *testing.T) {
	h := Durations()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range 1000 {
				h.Took(time.Duration(i) * time.Millisecond)
			}
		})
	}
	group.Wait()
	var sum uint64
	for _, n := range seen(h.Status()) {
		sum += n
	}
	if s := h.Status(); sum != 4000 || math.Abs(s.Sum-4*499.5) > 1e-6 {
		t.Errorf("%d observations, %v s in all", sum, s.Sum)
	}
	if n := testing.AllocsPerRun(100, func() { h.Took(time.Second) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkTook(b *testing.B) {
	h := Durations()
	b.ReportAllocs()
	for b.Loop() {
		h.Took(30 * time.Millisecond)
	}
}
