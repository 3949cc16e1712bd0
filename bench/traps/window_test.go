package traps

import (
	"context"
	"errors"
	"testing"
	"time"

	sentinelbreaker "github.com/alibaba/sentinel-golang/core/circuitbreaker"
	"github.com/cep21/circuit/v4"
	cephystrix "github.com/cep21/circuit/v4/closers/hystrix"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	gobreakerv2 "github.com/sony/gobreaker/v2"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
)

// window and enough are what breakers by failure rate are set to: half of at least so many calls in this time.
const (
	window = 10 * time.Second
	enough = 20
)

// rated is a breaker by failure rate. failures is what it says that its window holds; nil: it does not say.
type rated struct {
	fuse
	failures func() int
}

var rates = map[string]func() rated{
	ours: func() rated {
		b := must(breaker.New(breaker.Config{Window: window, MinCalls: enough, FailureRate: .5}))
		return rated{
			fuse{must(gabion.New(gabion.Config{Policies: []gabion.Policy{b}})).Run},
			func() int { return b.Snapshot(gabion.Now()).Failures },
		}
	},
	gobreaker: func() rated {
		b := gobreakerv2.NewCircuitBreaker[int](gobreakerv2.Settings{
			Interval:    window,
			ReadyToTrip: func(c gobreakerv2.Counts) bool { return c.Requests >= enough && c.TotalFailures*2 >= c.Requests },
		})
		return rated{fuse{func(ctx context.Context, f func(context.Context) error) error {
			_, err := b.Execute(func() (int, error) { return 0, f(ctx) })
			return err
		}}, func() int { return int(b.Counts().TotalFailures) }}
	},
	failsafe: func() rated {
		b := circuitbreaker.NewBuilder[any]().WithFailureRateThreshold(.5, enough, window).Build()
		return rated{ofFailsafe(b), func() int { return int(b.Metrics().Failures()) }}
	},
	cep21: func() rated {
		factory := cephystrix.Factory{ConfigureOpener: cephystrix.ConfigureOpener{RequestVolumeThreshold: enough}}
		return rated{fuse: fuse{circuit.NewCircuitFromConfig("", factory.Configure("")).Run}}
	},
	sentinel: func() rated {
		name := newName()
		must(sentinelbreaker.LoadRulesOfResource(name, []*sentinelbreaker.Rule{{
			Resource: name, Strategy: sentinelbreaker.ErrorRatio, Threshold: .5, MinRequestAmount: enough,
			StatIntervalMs: uint32(window.Milliseconds()), RetryTimeoutMs: 5000,
		}}))
		return rated{fuse: ofSentinel(name)}
	},
	zero:  func() rated { return rated{fuse: newZero(0)} },
	aegis: func() rated { return rated{fuse: newAegis(0)} },
}

// eachRated runs a scenario on each of them.
func eachRated(scenario func(*testing.T, func() rated) finding) func(*testing.T) findings {
	return func(t *testing.T) findings {
		found := findings{}
		for name, fresh := range rates {
			found[name] = bubble(t, func(t *testing.T) finding { return scenario(t, fresh) })
		}
		return found
	}
}

// rollover: what fails is 6 % of the calls of any ten seconds, but at once.
func rollover(t *testing.T, fresh func() rated) finding {
	const phases, perSecond, burst = 20, 100, 60
	opened := 0
	for phase := range phases {
		b := fresh()
		calls := 2*window + time.Duration(phase)*window/phases
		for range calls / (time.Second / perSecond) {
			b.admitted(t.Context(), succeed)
			pass(time.Second / perSecond)
		}
		for range burst {
			b.admitted(t.Context(), fail)
		}
		if !b.admitted(t.Context(), succeed) {
			opened++
		}
	}
	if opened > 0 {
		return fell("opens in %d of %d", opened, phases)
	}
	return held("")
}

func quietHour(t *testing.T, fresh func() rated) finding {
	b := fresh()
	for range enough - 1 {
		b.admitted(t.Context(), fail)
	}
	pass(time.Hour)
	shown := 0
	if b.failures != nil {
		shown = b.failures()
	}
	b.admitted(t.Context(), fail)
	for range 10 {
		if !b.admitted(t.Context(), succeed) {
			return fell("refuses after 1 failure")
		}
	}
	if shown > 0 {
		return fell("shows %d failures", shown)
	}
	return held("")
}

// ignoring are breakers that know calls which are neither good nor bad: those that their callers cancelled.
var ignoring = map[string]maker{
	ours: newGabion, cep21: newCep21, hystrix: newHystrix,
	gobreaker: func(d time.Duration) fuse {
		return ofGobreaker(gobreakerv2.Settings{
			Timeout: d, ReadyToTrip: func(c gobreakerv2.Counts) bool { return c.ConsecutiveFailures >= opens },
			IsExcluded: func(err error) bool { return errors.Is(err, context.Canceled) },
		})
	},
}

func ignoredProbe(t *testing.T, fresh maker, d time.Duration) finding {
	f := fresh(d)
	f.open(t)
	pass(d + d/4)
	ctx, cancel := context.WithCancel(t.Context())
	f.run(ctx, func(ctx context.Context) error { cancel(); return ctx.Err() })
	after, ok := recovers(t, f, d, succeed)
	if !ok {
		return fell("stuck")
	}
	return held("after %.1f open times", float64(after)/float64(d))
}
