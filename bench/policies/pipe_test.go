// Package policies compares the policies with those of other libraries, in one run. What counts is CPU time per call: see
// `make bench-policies`.
package policies

import (
	"context"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"

	"github.com/gabion-io/gabion"
	gabionbreaker "github.com/gabion-io/gabion/breaker"
	gabionbulkhead "github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/internal/yardstick"
	gabionretry "github.com/gabion-io/gabion/retry"
	gabiontimeout "github.com/gabion-io/gabion/timeout"
)

// answer is what all calls return.
func answer(context.Context) (int, error) { return 42, nil }

// The clocks of Linux for the CPU time that the process and the thread have used. What getrusage says is as old as the last tick of
// the scheduler.
const (
	ofProcess = 2
	ofThread  = 3
)

func cpu(b *testing.B, clock uintptr) time.Duration {
	var at syscall.Timespec
	if _, _, err := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&at)), 0); err != 0 {
		b.Error(err)
	}
	return time.Duration(at.Nano())
}

// stretchTime is about how long calls are measured at a time.
const stretchTime = 3 * time.Millisecond

// measure runs call and reports CPU time per call. It returns how many calls it made.
func measure(b *testing.B, call func() error) (calls int) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		if err := call(); err != nil {
			b.Fatal(err)
		}
	}
	n := max(1, int(float64(b.N)*float64(stretchTime)/float64(b.Elapsed())))
	calls = b.N
	report(b, n, patience, func() (yardstick.Sample, bool) {
		calls += n
		yard := yardstick.Take()
		before := cpu(b, ofProcess)
		for range n {
			if err := call(); err != nil {
				b.Fatal(err)
			}
		}
		used := cpu(b, ofProcess) - before
		return yardstick.Sample{Value: float64(used), Yardstick: max(yard, yardstick.Take())}, true
	})
	return calls
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func gabionPipe(more ...gabion.Policy) *gabion.Pipe {
	policies := []gabion.Policy{
		must(gabionretry.New(gabionretry.Config{Attempts: 3})),
		must(gabionbreaker.New(gabionbreaker.Config{Window: 10 * time.Second, FailureRate: .5})),
		must(gabionbulkhead.New(gabionbulkhead.Config{Concurrency: 100})),
	}
	return must(gabion.New(gabion.Config{Policies: append(policies, more...)}))
}

func failsafePipe(more ...failsafe.Policy[int]) failsafe.Executor[int] {
	policies := []failsafe.Policy[int]{
		retrypolicy.NewBuilder[int]().WithMaxAttempts(3).WithBackoff(25*time.Millisecond, time.Second).Build(),
		circuitbreaker.NewBuilder[int]().WithFailureRateThreshold(.5, 20, 10*time.Second).Build(),
		bulkhead.NewBuilder[int](100).Build(),
	}
	return failsafe.With(append(policies, more...)...)
}

// BenchmarkCombined is a successful call through several policies.
func BenchmarkCombined(b *testing.B) {
	ctx := context.Background()
	through := func(p *gabion.Pipe) func() error {
		return func() error { _, err := gabion.Do(ctx, p, answer); return err }
	}
	against := func(e failsafe.Executor[int]) func() error {
		e = e.WithContext(ctx)
		return func() error { _, err := e.Get(func() (int, error) { return answer(ctx) }); return err }
	}
	b.Run("retry+breaker+bulkhead/gabion", func(b *testing.B) { measure(b, through(gabionPipe())) })
	b.Run("retry+breaker+bulkhead/failsafe-go", func(b *testing.B) { measure(b, against(failsafePipe())) })
	attempt := must(gabiontimeout.New(gabiontimeout.Config{Total: gabion.Off, Attempt: time.Second}))
	b.Run("with timeout/gabion", func(b *testing.B) { measure(b, through(gabionPipe(attempt))) })
	b.Run("with timeout/failsafe-go", func(b *testing.B) { measure(b, against(failsafePipe(timeout.New[int](time.Second)))) })
	b.Run("none/gabion", func(b *testing.B) { measure(b, through(must(gabion.New(gabion.Config{})))) })
}

// everything counts what it is told.
type everything struct{ calls, failures, refused, others atomic.Int64 }

func (c *everything) Observe(e gabion.Event) {
	switch e.Kind {
	case gabion.EventRefused:
		c.refused.Add(1)
	default:
		c.others.Add(1)
	}
}

func (c *everything) ObserveCall(e gabion.Call) {
	c.calls.Add(1)
	if e.Outcome == gabion.Failure {
		c.failures.Add(1)
	}
}

// BenchmarkObserver is a successful call through retry, breaker and bulkhead. The policies tell an observer of all that goes wrong,
// and count the rest for themselves: together that is everything. A pipe tells its observer of every call, and how long it took,
// for which it has to read the clock once more.
func BenchmarkObserver(b *testing.B) {
	through := func(policies, pipe gabion.Observer) func(*testing.B) {
		return func(b *testing.B) {
			retries := must(gabionretry.New(gabionretry.Config{Attempts: 3, Observer: policies}))
			p := must(gabion.New(gabion.Config{Observer: pipe, Policies: []gabion.Policy{
				retries,
				must(gabionbreaker.New(gabionbreaker.Config{Window: 10 * time.Second, FailureRate: .5, Observer: policies})),
				must(gabionbulkhead.New(gabionbulkhead.Config{Concurrency: 100, Observer: policies})),
			}}))
			ctx := b.Context()
			calls := measure(b, func() error { _, err := gabion.Do(ctx, p, answer); return err })
			if n := retries.Snapshot(gabion.Now()).Calls; n != uint64(calls) {
				b.Errorf("%d calls were counted, want %d", n, calls)
			}
			if o, ok := pipe.(*everything); ok && o.calls.Load() != int64(calls) {
				b.Errorf("told of %d calls, want %d", o.calls.Load(), calls)
			}
		}
	}
	b.Run("counts everything/gabion", through(&everything{}, nil))
	b.Run("counts everything/without", through(nil, nil))
	b.Run("told of every call/gabion", through(&everything{}, &everything{}))
	b.Run("told of every call/without", through(nil, nil))
}

// BenchmarkFloor is what nobody can count or time a call without.
func BenchmarkFloor(b *testing.B) {
	var n atomic.Int64
	b.Run("nothing/call", func(b *testing.B) { measure(b, func() error { return nil }) })
	b.Run("one atomic addition/call", func(b *testing.B) { measure(b, func() error { n.Add(1); return nil }) })
	b.Run("one reading of the clock/call", func(b *testing.B) { measure(b, func() error { last = gabion.Now(); return nil }) })
}

// last keeps the compiler from leaving the reading out.
var last gabion.Instant
