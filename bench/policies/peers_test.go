package policies

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/afex/hystrix-go/hystrix"
	sentinel "github.com/alibaba/sentinel-golang/api"
	sentinelbreaker "github.com/alibaba/sentinel-golang/core/circuitbreaker"
	sentinelconfig "github.com/alibaba/sentinel-golang/core/config"
	"github.com/alibaba/sentinel-golang/logging"
	"github.com/cep21/circuit/v4"
	cephystrix "github.com/cep21/circuit/v4/closers/hystrix"
	eapache "github.com/eapache/go-resiliency/breaker"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/go-kratos/aegis/circuitbreaker/sre"
	zerobreaker "github.com/zeromicro/go-zero/core/breaker"
	"github.com/zeromicro/go-zero/core/load"
	"github.com/zeromicro/go-zero/core/logx"
)

func TestMain(m *testing.M) {
	quiet()
	os.Exit(m.Run())
}

// quiet starts what has to be started, without files and logs: they would be measured as well.
func quiet() {
	logx.Disable()
	load.DisableLog()
	cfg := sentinelconfig.NewDefaultConfig()
	cfg.Sentinel.Log.Logger = noLog{}
	cfg.Sentinel.Log.Metric.FlushIntervalSec = 0
	if err := errors.Join(logging.ResetGlobalLogger(noLog{}), sentinel.InitWithConfig(cfg)); err != nil {
		panic(err)
	}
}

type noLog struct{}

func (noLog) Debug(string, ...any)        {}
func (noLog) DebugEnabled() bool          { return false }
func (noLog) Info(string, ...any)         {}
func (noLog) InfoEnabled() bool           { return false }
func (noLog) Warn(string, ...any)         {}
func (noLog) WarnEnabled() bool           { return false }
func (noLog) Error(error, string, ...any) {}
func (noLog) ErrorEnabled() bool          { return false }

// breakers are those of the other libraries: each makes a call through one that is closed at first. Half of the calls must fail
// in ten seconds to open it where that can be set, for an hour.
var breakers = []struct {
	name string
	make func() func(context.Context, func(context.Context) (int, error)) error
}{
	{"failsafe-go", func() func(context.Context, func(context.Context) (int, error)) error {
		b := circuitbreaker.NewBuilder[int]().WithFailureRateThreshold(.5, 20, 10*time.Second).WithDelay(time.Hour).Build()
		return func(ctx context.Context, f func(context.Context) (int, error)) error {
			if !b.TryAcquirePermit() {
				return circuitbreaker.ErrOpen
			}
			v, err := f(ctx)
			if err != nil {
				b.RecordError(err)
			} else {
				b.RecordResult(v)
			}
			return err
		}
	}},
	{"cep21", func() func(context.Context, func(context.Context) (int, error)) error {
		factory := cephystrix.Factory{ConfigureCloser: cephystrix.ConfigureCloser{SleepWindow: time.Hour}}
		cfg := factory.Configure("")
		cfg.Execution.Timeout = -1 // it would be most of the time
		c := circuit.NewCircuitFromConfig("", cfg)
		return func(ctx context.Context, f func(context.Context) (int, error)) error {
			return c.Run(ctx, func(ctx context.Context) error { _, err := f(ctx); return err })
		}
	}},
	{"eapache", func() func(context.Context, func(context.Context) (int, error)) error {
		b := eapache.New(20, 1, time.Hour)
		return func(ctx context.Context, f func(context.Context) (int, error)) error {
			return b.Run(func() error { _, err := f(ctx); return err })
		}
	}},
	{"sentinel", func() func(context.Context, func(context.Context) (int, error)) error {
		const name = "bench"
		must(sentinelbreaker.LoadRulesOfResource(name, nil))
		must(sentinelbreaker.LoadRulesOfResource(name, []*sentinelbreaker.Rule{{
			Resource: name, Strategy: sentinelbreaker.ErrorRatio, Threshold: .5, MinRequestAmount: 20,
			StatIntervalMs: 10_000, StatSlidingWindowBucketCount: 10, RetryTimeoutMs: 3_600_000,
		}}))
		return func(ctx context.Context, f func(context.Context) (int, error)) error {
			entry, blocked := sentinel.Entry(name)
			if blocked != nil {
				return blocked
			}
			defer entry.Exit()
			_, err := f(ctx)
			if err != nil {
				sentinel.TraceError(entry, err)
			}
			return err
		}
	}},
	{"go-zero", func() func(context.Context, func(context.Context) (int, error)) error {
		b := zerobreaker.NewBreaker()
		return func(ctx context.Context, f func(context.Context) (int, error)) error {
			return b.DoCtx(ctx, func() error { _, err := f(ctx); return err })
		}
	}},
	{"aegis", func() func(context.Context, func(context.Context) (int, error)) error {
		b := sre.NewBreaker()
		return func(ctx context.Context, f func(context.Context) (int, error)) error {
			if err := b.Allow(); err != nil {
				return err
			}
			_, err := f(ctx)
			if err != nil {
				b.MarkFailed()
			} else {
				b.MarkSuccess()
			}
			return err
		}
	}},
	{"hystrix-go", func() func(context.Context, func(context.Context) (int, error)) error {
		const name = "bench"
		hystrix.Flush()
		hystrix.ConfigureCommand(name, hystrix.CommandConfig{
			SleepWindow: 3_600_000, MaxConcurrentRequests: 1000, // its places are given back a bit later
		})
		return func(ctx context.Context, f func(context.Context) (int, error)) error {
			return hystrix.DoC(ctx, name, func(ctx context.Context) error { _, err := f(ctx); return err }, nil)
		}
	}},
}

func benchmarkPeers(b *testing.B) {
	ctx := context.Background()
	for _, other := range breakers {
		b.Run("closed/"+other.name, func(b *testing.B) {
			call := other.make()
			measure(b, func() error { return call(ctx, answer) })
		})
		b.Run("open/"+other.name, func(b *testing.B) {
			call, down := other.make(), func(context.Context) (int, error) { return 0, errDown }
			calls := 0 // at least so many that those who refuse a share refuse most; hystrix-go takes notice a bit later
			for calls < 1000 || errors.Is(call(ctx, down), errDown) {
				_ = call(ctx, down) // which is what opens it
				if calls++; calls > 1_000_000 {
					b.Fatal("it does not open")
				}
			}
			measure(b, func() error { return failed(call(ctx, down)) })
		})
	}
}
