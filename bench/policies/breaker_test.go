package policies

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/gabion-io/gabion/breaker"
)

var errDown = errors.New("down")

// peer is gobreaker with a sliding window of ten buckets, as ours has.
func peer(timeout time.Duration) *gobreaker.CircuitBreaker[int] {
	return gobreaker.NewCircuitBreaker[int](gobreaker.Settings{
		Interval: 10 * time.Second, BucketPeriod: time.Second, Timeout: timeout,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.Requests >= 20 && c.TotalFailures*2 >= c.Requests },
	})
}

// alone is a call through a breaker and nothing else.
func alone(fuse *breaker.Breaker) func() error {
	ctx := context.Background()
	return func() error { _, err := breaker.Do(ctx, fuse, answer); return err }
}

// BenchmarkBreaker is a call through a closed breaker, and one that an open breaker refuses. (go-zero and aegis let some of
// these through, which fail.)
func BenchmarkBreaker(b *testing.B) {
	benchmarkOurs(b)
	benchmarkPeers(b)
}

func benchmarkOurs(b *testing.B) {
	plain := breaker.Config{Window: 10 * time.Second, FailureRate: .5}
	slow := plain
	slow.SlowCall = time.Second
	ctx := context.Background()
	b.Run("closed/gabion", func(b *testing.B) { measure(b, alone(must(breaker.New(plain)))) })
	other := func(b *testing.B) {
		p := peer(time.Minute)
		measure(b, func() error { _, err := p.Execute(func() (int, error) { return answer(ctx) }); return err })
	}
	b.Run("closed/gobreaker", other)
	b.Run("closed, slow calls/gabion", func(b *testing.B) { measure(b, alone(must(breaker.New(slow)))) })
	b.Run("closed, slow calls/gobreaker", other) // which does not look for them
	b.Run("open/gabion", func(b *testing.B) {
		fuse := must(breaker.New(breaker.Config{Consecutive: 1, OpenFor: time.Hour}))
		_, _ = breaker.Do(ctx, fuse, func(context.Context) (int, error) { return 0, errDown }) // which is what opens it
		call := alone(fuse)
		if err := call(); !errors.Is(err, breaker.ErrOpen) {
			b.Fatal(err)
		}
		measure(b, func() error { return failed(call()) })
	})
	b.Run("open/gobreaker", func(b *testing.B) {
		p := peer(time.Hour)
		for range 20 {
			_, _ = p.Execute(func() (int, error) { return 0, errDown }) // which is what opens it
		}
		measure(b, func() error {
			_, err := p.Execute(func() (int, error) { return answer(ctx) })
			return failed(err)
		})
	})
}

var errSucceeded = errors.New("it succeeded")

// failed is nil for an error.
func failed(err error) error {
	if err == nil {
		return errSucceeded
	}
	return nil
}
