package policies

import (
	"context"
	"testing"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/go-kratos/aegis/ratelimit"
	"github.com/go-kratos/aegis/ratelimit/bbr"
	"github.com/zeromicro/go-zero/core/load"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/shed"
)

// BenchmarkAdaptive is a call that an adaptive limiter admits at once, from its admission to its end.
func BenchmarkAdaptive(b *testing.B) {
	calls := []struct {
		name string
		call func() error
	}{
		{"gabion", shedding(must(shed.New(shed.Config{})))},
		{"failsafe-go", func() func() error {
			limit := adaptivelimiter.NewWithDefaults[int]()
			return func() error {
				permit, ok := limit.TryAcquirePermit()
				if !ok {
					return adaptivelimiter.ErrExceeded
				}
				permit.Record()
				return nil
			}
		}()},
		{"aegis", func() func() error {
			limit := bbr.NewLimiter()
			return func() error {
				done, err := limit.Allow()
				if err == nil {
					done(ratelimit.DoneInfo{})
				}
				return err
			}
		}()},
		{"go-zero", func() func() error {
			limit := load.NewAdaptiveShedder()
			return func() error {
				promise, err := limit.Allow()
				if err == nil {
					promise.Pass()
				}
				return err
			}
		}()},
	}
	for _, c := range calls {
		b.Run("admitted/"+c.name, func(b *testing.B) { measure(b, c.call) })
	}
}

// shedding reads the clock as a pipe does, which the others do on their own.
func shedding(s *shed.Shedder) func() error {
	ctx := context.Background()
	return func() error {
		began := gabion.Now()
		ticket, err := s.Acquire(ctx, began)
		if err == nil {
			s.Done(ticket, gabion.Result{Began: began, Ended: gabion.Now()})
		}
		return err
	}
}
