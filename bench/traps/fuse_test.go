package traps

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	hystrixgo "github.com/afex/hystrix-go/hystrix"
	sentinelapi "github.com/alibaba/sentinel-golang/api"
	sentinelbreaker "github.com/alibaba/sentinel-golang/core/circuitbreaker"
	sentinelconfig "github.com/alibaba/sentinel-golang/core/config"
	"github.com/alibaba/sentinel-golang/logging"
	"github.com/cep21/circuit/v4"
	cephystrix "github.com/cep21/circuit/v4/closers/hystrix"
	resiliency "github.com/eapache/go-resiliency/breaker"
	failsafego "github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/go-kratos/aegis/circuitbreaker/sre"
	gobreakerv2 "github.com/sony/gobreaker/v2"
	zerobreaker "github.com/zeromicro/go-zero/core/breaker"
	"github.com/zeromicro/go-zero/core/logx"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
)

var errDown = errors.New("down")

// opens is how many failures in a row open a breaker, where that can be set.
const opens = 3

// fuse is a breaker of any library.
type fuse struct {
	run func(ctx context.Context, f func(context.Context) error) error
}

// admitted says whether a call with this end was made.
func (f fuse) admitted(ctx context.Context, end func(context.Context) error) bool {
	var called atomic.Bool
	f.run(ctx, func(ctx context.Context) error { called.Store(true); return end(ctx) })
	return called.Load()
}

// open fails calls until one is refused.
func (f fuse) open(t *testing.T) {
	t.Helper()
	for range 10_000 {
		if !f.admitted(t.Context(), fail) {
			return
		}
	}
	t.Fatal("it does not open")
}

func fail(context.Context) error    { return errDown }
func succeed(context.Context) error { return nil }

// maker makes a breaker that is open for d after as few failures as can be, and lets one probe try. Everything else is as the
// library has it by default.
type maker func(d time.Duration) fuse

// machines are the breakers with states; those of go-zero and aegis refuse a share of calls instead.
var machines = map[string]maker{
	ours: newGabion, gobreaker: newGobreaker, failsafe: newFailsafe, cep21: newCep21, eapache: newEapache,
	hystrix: newHystrix, sentinel: newSentinel,
}

func newGabion(d time.Duration) fuse {
	pipe := must(gabion.New(gabion.Config{Policies: []gabion.Policy{
		must(breaker.New(breaker.Config{Consecutive: opens, OpenFor: d, Probes: 1})),
	}}))
	return fuse{pipe.Run}
}

func newGobreaker(d time.Duration) fuse {
	return ofGobreaker(gobreakerv2.Settings{
		Timeout: d, ReadyToTrip: func(c gobreakerv2.Counts) bool { return c.ConsecutiveFailures >= opens },
	})
}

func ofGobreaker(s gobreakerv2.Settings) fuse {
	b := gobreakerv2.NewCircuitBreaker[int](s)
	return fuse{func(ctx context.Context, f func(context.Context) error) error {
		_, err := b.Execute(func() (int, error) { return 0, f(ctx) })
		return err
	}}
}

func newFailsafe(d time.Duration) fuse {
	return ofFailsafe(circuitbreaker.NewBuilder[any]().WithFailureThreshold(opens).WithSuccessThreshold(1).WithDelay(d).Build())
}

func ofFailsafe(policies ...failsafego.Policy[any]) fuse {
	e := failsafego.With(policies...)
	return fuse{func(ctx context.Context, f func(context.Context) error) error {
		return e.WithContext(ctx).RunWithExecution(func(x failsafego.Execution[any]) error { return f(x.Context()) })
	}}
}

func newCep21(d time.Duration) fuse {
	factory := cephystrix.Factory{
		ConfigureOpener: cephystrix.ConfigureOpener{RequestVolumeThreshold: opens},
		ConfigureCloser: cephystrix.ConfigureCloser{SleepWindow: d},
	}
	return fuse{circuit.NewCircuitFromConfig("", factory.Configure("")).Run}
}

func newEapache(d time.Duration) fuse {
	b := resiliency.New(opens, 1, d)
	return fuse{func(ctx context.Context, f func(context.Context) error) error {
		return b.Run(func() error { return f(ctx) })
	}}
}

// names makes one for each breaker of the libraries that keep all of them.
var names atomic.Int64

func newName() string { return fmt.Sprintf("trap-%d", names.Add(1)) }

// newHystrix makes a command that bounds the calls at once to so many that only the breaker acts.
func newHystrix(d time.Duration) fuse {
	name := newName()
	hystrixgo.ConfigureCommand(name, hystrixgo.CommandConfig{
		RequestVolumeThreshold: opens, SleepWindow: int(d.Milliseconds()), MaxConcurrentRequests: 10_000,
	})
	return fuse{func(ctx context.Context, f func(context.Context) error) error {
		return hystrixgo.DoC(ctx, name, f, nil)
	}}
}

func newSentinel(d time.Duration) fuse {
	name := newName()
	must(sentinelbreaker.LoadRulesOfResource(name, []*sentinelbreaker.Rule{sentinelRule(name, d)}))
	return ofSentinel(name)
}

func sentinelRule(name string, d time.Duration) *sentinelbreaker.Rule {
	return &sentinelbreaker.Rule{
		Resource: name, Strategy: sentinelbreaker.ErrorCount, Threshold: opens, MinRequestAmount: opens,
		StatIntervalMs: 10_000, RetryTimeoutMs: uint32(d.Milliseconds()),
	}
}

var errBlocked = errors.New("blocked")

func ofSentinel(name string) fuse {
	return fuse{func(ctx context.Context, f func(context.Context) error) error {
		entry, blocked := sentinelapi.Entry(name)
		if blocked != nil {
			return errBlocked
		}
		defer entry.Exit()
		err := f(ctx)
		if err != nil {
			sentinelapi.TraceError(entry, err)
		}
		return err
	}}
}

func newZero(time.Duration) fuse {
	b := zerobreaker.NewBreaker()
	return fuse{func(ctx context.Context, f func(context.Context) error) error {
		return b.DoCtx(ctx, func() error { return f(ctx) })
	}}
}

// newAegis marks results as its documentation does: every error is a failure.
func newAegis(time.Duration) fuse {
	b := sre.NewBreaker()
	return fuse{func(ctx context.Context, f func(context.Context) error) error {
		if err := b.Allow(); err != nil {
			return err
		}
		err := f(ctx)
		if err != nil {
			b.MarkFailed()
		} else {
			b.MarkSuccess()
		}
		return err
	}}
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

// quiet starts what has to be started, without files and goroutines that nobody needs here.
func quiet() {
	logx.Disable()
	cfg := sentinelconfig.NewDefaultConfig()
	cfg.Sentinel.Log.Logger = noLog{}
	cfg.Sentinel.Log.Metric.FlushIntervalSec = 0
	cfg.Sentinel.Stat.System.CollectIntervalMs = 0
	cfg.Sentinel.Stat.System.CollectCpuIntervalMs = 0
	cfg.Sentinel.Stat.System.CollectLoadIntervalMs = 0
	cfg.Sentinel.Stat.System.CollectMemoryIntervalMs = 0
	cfg.Sentinel.UseCacheTime = false
	if err := errors.Join(logging.ResetGlobalLogger(noLog{}), sentinelapi.InitWithConfig(cfg)); err != nil {
		panic(err)
	}
}
