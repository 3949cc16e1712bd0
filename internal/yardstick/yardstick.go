// Package yardstick tells for benchmarks whether the machine was calm.
//
// The two halves of a core of a shared machine may be used by different guests. While the other one is busy, ours gets as
// little as half of the core, for some milliseconds or some seconds, and no clock of ours shows it. A piece of work
// that is always the same, the yardstick, does: it takes up to twice as long. What is measured meanwhile says more of the
// neighbour than of what is measured.
package yardstick

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/gabion-io/gabion"
)

// Unit is the name of the metric of a benchmark that says how long the yardstick was: see [testing.B.ReportMetric].
const Unit = "yardstick-ns"

// disturbed is how much longer than the shortest one a yardstick is that shows a neighbour: most are twice as long.
const disturbed = 1.15

// Take says how long the yardstick is now, in nanoseconds. It takes some microseconds.
func Take() float64 {
	least := time.Duration(math.MaxInt64)
	for range 3 { // one of them may be interrupted
		began := gabion.Now()
		runtime.KeepAlive(work(uint64(began)))
		least = min(least, gabion.Now()-began)
	}
	return float64(least)
}

// work keeps several parts of a core busy at once, as only that shows whether somebody else is there.
func work(a uint64) uint64 {
	b, c, d := a+1, a+2, a+3
	for range 1000 {
		a += b ^ 7
		b += 3
		c += d ^ 5
		d += 9
		a ^= 3
		c ^= 1
		b ^= 8
		d ^= 2
	}
	return a ^ b ^ c ^ d
}

// Sample is a value that was measured, and the yardstick meanwhile: 0 when there is none.
type Sample struct{ Value, Yardstick float64 }

// Fewest samples count in any case: those with the shortest yardsticks.
const Fewest = 3

// Shortest is the shortest yardstick of all samples, which is that of a calm machine, or before when that is shorter.
func Shortest(before float64, all []Sample) float64 {
	for _, s := range all {
		before = min(before, s.Yardstick)
	}
	return before
}

// Calm returns the samples of calm moments, and how many they are. When they are too few, it returns the fewest that count.
func Calm(all []Sample, shortest float64, fewest int) (chosen []Sample, calm int) {
	sorted := slices.SortedStableFunc(slices.Values(all), func(a, b Sample) int { return cmp.Compare(a.Yardstick, b.Yardstick) })
	for calm < len(sorted) && sorted[calm].Yardstick <= shortest*disturbed {
		calm++
	}
	return sorted[:max(calm, min(fewest, len(sorted)))], calm
}

// Values are those of the samples, in ascending order.
func Values(of []Sample) (values []float64) {
	for _, s := range of {
		values = append(values, s.Value)
	}
	slices.Sort(values)
	return values
}
