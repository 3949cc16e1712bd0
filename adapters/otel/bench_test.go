//go:build unix

package otel_test

import (
	"context"
	"slices"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/gabion-io/gabion"
	gabionotel "github.com/gabion-io/gabion/adapters/otel"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/retry"
)

// BenchmarkSuccess compares the CPU time of a successful call through policies with an observer, and through the same without
// one. Both take turns, in one run, and what is reported is the median of the turns. Policies tell nothing of a success, so
// an observer of theirs costs nothing; a pipe's is told of every call.
func BenchmarkSuccess(b *testing.B) {
	o := must(gabionotel.NewObserver(gabionotel.Config{Meters: noop.NewMeterProvider()}))
	for _, c := range []struct {
		name     string
		policies gabion.Observer
		pipe     gabion.Observer
	}{{"nobody", nil, nil}, {"policies", o, nil}, {"policies and pipe", o, o}} {
		b.Run(c.name, func(b *testing.B) {
			with, without := piped(c.policies, c.pipe), piped(nil, nil)
			var added, ratio []float64
			for b.Loop() {
				a, z := turn(b, with), turn(b, without)
				added, ratio = append(added, a-z), append(ratio, a/z)
			}
			slices.Sort(added)
			slices.Sort(ratio)
			b.ReportMetric(added[len(added)/2], "added-cpu-ns/call")
			b.ReportMetric(ratio[len(ratio)/2], "ratio")
		})
	}
}

// piped makes a call through policies with this observer, in a pipe with that one.
func piped(policies, pipe gabion.Observer) func() error {
	p := must(gabion.New(gabion.Config{Name: "shop", Observer: pipe, Policies: []gabion.Policy{
		must(retry.New(retry.Config{Name: "shop", Observer: policies})),
		must(breaker.New(breaker.Config{Name: "shop", Observer: policies})),
		must(bulkhead.New(bulkhead.Config{Name: "shop", Observer: policies})),
	}}))
	ctx := context.Background()
	return func() error {
		_, err := gabion.Do(ctx, p, func(context.Context) (int, error) { return 42, nil })
		return err
	}
}

// turn is the CPU time of a call in nanoseconds, on average of many.
func turn(b *testing.B, call func() error) float64 {
	b.Helper()
	const calls = 20_000
	before := cpu(b)
	for range calls {
		if err := call(); err != nil {
			b.Fatal(err)
		}
	}
	return float64(cpu(b)-before) / calls
}

func cpu(b *testing.B) time.Duration {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
