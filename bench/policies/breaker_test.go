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

// BenchmarkBreaker is a call through a closed breaker, and one that an open breaker refuses.
func BenchmarkBreaker(b *testing.B) {
	plain := breaker.Config{Window: 10 * time.Second, FailureRate: .5}
	slow := plain
	slow.SlowCall = time.Second
	ctx := context.Background()
	b.Run("closed/gabion", func(b *testing.B) { measure(b, alone(must(breaker.New(plain)))) })
	b.Run("closed, slow calls/gabion", func(b *testing.B) { measure(b, alone(must(breaker.New(slow)))) })
	b.Run("closed/gobreaker", func(b *testing.B) {
		p := peer(time.Minute)
		measure(b, func() error { _, err := p.Execute(func() (int, error) { return answer(ctx) }); return err })
	})
	b.Run("open/gabion", func(b *testing.B) {
		fuse := must(breaker.New(breaker.Config{Consecutive: 1, OpenFor: time.Hour}))
		_, _ = breaker.Do(ctx, fuse, func(context.Context) (int, error) { return 0, errDown }) // which is what opens it
		call := alone(fuse)
		measure(b, func() error { return only(breaker.ErrOpen, call()) })
	})
	b.Run("open/gobreaker", func(b *testing.B) {
		p := peer(time.Hour)
		for range 20 {
			_, _ = p.Execute(func() (int, error) { return 0, errDown }) // which is what opens it
		}
		measure(b, func() error {
			_, err := p.Execute(func() (int, error) { return answer(ctx) })
			return only(gobreaker.ErrOpenState, err)
		})
	})
}

// only is nil for the error that is expected.
func only(want, got error) error {
	if errors.Is(got, want) {
		return nil
	}
	return errors.Join(errors.New("not refused"), got)
}
