package policies

import (
	"math"
	"testing"
	"time"

	"github.com/gabion-io/gabion/internal/yardstick"
)

const (
	// enough calm stretches are waited for.
	enough = 10
	// patience is for how long, at most, with one goroutine. With more, the moments are rarer that are calm for all.
	patience = 400 * time.Millisecond
)

// shortest is the shortest yardstick so far.
var shortest = math.Inf(1)

// report measures stretches of so many calls, and reports the CPU time of a call in the calm ones, or in the calmest when none is.
// The value of a stretch is its CPU time in nanoseconds. It leaves out those of which measure says that they do not count.
func report(b *testing.B, calls int, patience time.Duration, measure func() (yardstick.Sample, bool)) {
	b.Helper()
	var all, chosen []yardstick.Sample
	for began, calm := time.Now(), 0; calm < enough && time.Since(began) < patience; {
		if s, ok := measure(); ok {
			all = append(all, s)
			shortest = min(shortest, s.Yardstick)
			chosen, calm = yardstick.Calm(all, shortest, 1)
		}
	}
	if len(chosen) == 0 {
		return
	}
	var sum yardstick.Sample
	for _, s := range chosen {
		sum = yardstick.Sample{Value: sum.Value + s.Value, Yardstick: max(sum.Yardstick, s.Yardstick)}
	}
	b.ReportMetric(sum.Value/float64(len(chosen)*calls), "cpu-ns/op")
	b.ReportMetric(sum.Yardstick, yardstick.Unit)
}
