package traps

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	hystrixgo "github.com/afex/hystrix-go/hystrix"
	sentinelapi "github.com/alibaba/sentinel-golang/api"
	sentinelbreaker "github.com/alibaba/sentinel-golang/core/circuitbreaker"
	"github.com/alibaba/sentinel-golang/core/flow"
	"github.com/alibaba/sentinel-golang/core/isolation"
	"github.com/cep21/circuit/v4"
	cephystrix "github.com/cep21/circuit/v4/closers/hystrix"
	"github.com/eapache/go-resiliency/deadline"
	failsafego "github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	failsafebulkhead "github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/ratelimiter"
	failsafetimeout "github.com/failsafe-go/failsafe-go/timeout"
	"github.com/zeromicro/go-zero/core/fx"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/ratelimit"
	"github.com/gabion-io/gabion/timeout"
)

var callTraps = []trap{
	{7, "a permit is lost in a panic", "one call at once; 3 panic; is the next one admitted?", lostPermit},
	{8, "pipes share what they are made of", "two are made of one base; what does each have?", sharedBase},
	{9, "a timeout around what does not listen", "50 ms around a function that takes 600 ms", deafFunction},
	{11, "a call whose context has ended", "is the function called?", endedContext},
	{21, "a refusal further in", "the probe is refused by a full bulkhead (sentinel: by another breaker); when is a call admitted after?", refusedFurtherIn},
	{23, "a change of the configuration", "while open, something is changed; is the next call refused?", reconfigured},
	{28, "an error that is nil and is not", "what admits a call, as an `error`", typedNil},
	{30, "refusals count as failures", "a rate limiter further in refuses 10 calls; is the breaker open?", refusedByRate},
}

func pipeOf(policies ...gabion.Policy) fuse {
	return fuse{must(gabion.New(gabion.Config{Policies: policies})).Run}
}

func lostPermit(t *testing.T) findings {
	name := newName()
	must(isolation.LoadRulesOfResource(name, []*isolation.Rule{{Resource: name, MetricType: isolation.Concurrency, Threshold: 1}}))
	narrow := circuit.NewCircuitFromConfig("", circuit.Config{Execution: circuit.ExecutionConfig{MaxConcurrentRequests: 1}})
	found := findings{
		ours:     afterPanics(t, "refused for ever", pipeOf(must(bulkhead.New(bulkhead.Config{Concurrency: 1})))),
		failsafe: afterPanics(t, "bulkhead full for ever", ofFailsafe(failsafebulkhead.New[any](1))),
		cep21:    afterPanics(t, "refused for ever", fuse{narrow.Run}),
		sentinel: afterPanics(t, "refused for ever", ofSentinel(name)),
	}
	adaptive := adaptivelimiter.NewBuilder[any]().WithLimits(1, 1, 1).Build()
	if !afterPanics(t, "", ofFailsafe(adaptive)).held {
		found[failsafe] = fell("bulkhead and adaptive limiter full for ever")
	}
	if crashes(t, "panic in hystrix-go") {
		found[hystrix] = fell("the process crashes")
	}
	return found
}

func afterPanics(t *testing.T, otherwise string, f fuse) finding {
	t.Helper()
	for range 3 {
		aside(time.Second, func() { f.run(t.Context(), func(context.Context) error { panic("in a call") }) })
	}
	if f.admitted(t.Context(), succeed) {
		return held("")
	}
	return fell("%s", otherwise)
}

// sharedBase: one of two pipes gets a bulkhead of one place, the other nothing that refuses, so it can be used within itself.
func sharedBase(t *testing.T) findings {
	base := make([]gabion.Policy, 0, 4) // with room, where an append could be overwritten by another
	base = append(base, must(timeout.New(timeout.Config{Total: time.Hour})))
	narrow := gabion.Config{Policies: append(base, must(bulkhead.New(bulkhead.Config{Concurrency: 1})))}
	first := must(gabion.New(narrow))
	free := pipeOf(append(base, must(breaker.New(breaker.Config{})))...)
	within := func(outer, inner fuse) (made bool) {
		outer.run(t.Context(), func(ctx context.Context) error { made = inner.admitted(ctx, succeed); return nil })
		return made
	}
	found := findings{ours: fell("each has the policies of both")}
	if within(free, free) && !within(fuse{first.Run}, fuse{first.Run}) {
		found[ours] = held("its own")
	}
	executor := failsafego.With[any](failsafetimeout.New[any](time.Hour))
	other := executor.Compose(failsafetimeout.New[any](time.Hour))
	executor.Compose(failsafebulkhead.New[any](1))
	shared := fuse{func(_ context.Context, f func(context.Context) error) error {
		return other.Run(func() error { return f(t.Context()) })
	}}
	found[failsafe] = fell("each has the policies of both")
	if within(shared, shared) {
		found[failsafe] = held("its own")
	}
	return found
}

// deafFunction: what matters is that the caller learns that it timed out, and that nothing goes on behind its back.
func deafFunction(t *testing.T) findings {
	const bound, takes = 50 * time.Millisecond, 600 * time.Millisecond
	factory := cephystrix.Factory{}
	slow := factory.Configure("")
	slow.Execution.Timeout = bound
	command := newName()
	hystrixgo.ConfigureCommand(command, hystrixgo.CommandConfig{Timeout: int(bound.Milliseconds())})
	eapacheDeadline := deadline.New(bound)
	runs := map[string]func(context.Context, func(context.Context) error) error{
		ours:     pipeOf(must(timeout.New(timeout.Config{Total: bound}))).run,
		failsafe: ofFailsafe(failsafetimeout.New[any](bound)).run,
		cep21:    circuit.NewCircuitFromConfig("", slow).Run,
		eapache: func(ctx context.Context, f func(context.Context) error) error {
			return eapacheDeadline.Run(func(<-chan struct{}) error { return f(ctx) })
		},
		hystrix: func(ctx context.Context, f func(context.Context) error) error {
			return hystrixgo.DoC(ctx, command, f, nil)
		},
		zero: func(ctx context.Context, f func(context.Context) error) error {
			return fx.DoWithTimeout(func() error { return f(ctx) }, bound, fx.WithContext(ctx))
		},
	}
	found := findings{}
	for name, run := range runs {
		scenario := func(t *testing.T) finding {
			var ended atomic.Bool
			err := run(t.Context(), func(context.Context) error { pass(takes); ended.Store(true); return nil })
			switch {
			case !ended.Load():
				return fell("left running")
			case err == nil:
				return fell("no error")
			}
			return held("")
		}
		if name == hystrix {
			found[name] = scenario(t)
			continue
		}
		found[name] = bubble(t, scenario)
	}
	return found
}

func endedContext(t *testing.T) findings {
	found := findings{}
	for name, f := range retriers(t) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		found[name] = held("")
		if f.admitted(ctx, succeed) {
			found[name] = fell("called")
		}
	}
	return found
}

func refusedFurtherIn(t *testing.T) findings {
	found := findings{
		ours: bubble(t, func(t *testing.T) finding {
			place := must(bulkhead.New(bulkhead.Config{Concurrency: 1}))
			return fullPlace(t, pipeOf(must(breaker.New(breaker.Config{Consecutive: opens, OpenFor: breakFor, Probes: 1})), place), pipeOf(place))
		}),
		failsafe: bubble(t, func(t *testing.T) finding {
			place := failsafebulkhead.New[any](1)
			fuse := circuitbreaker.NewBuilder[any]().WithFailureThreshold(opens).WithSuccessThreshold(1).WithDelay(breakFor).Build()
			return fullPlace(t, ofFailsafe(fuse, place), ofFailsafe(place))
		}),
		sentinel: bubble(t, func(t *testing.T) finding {
			name := newName()
			longer := sentinelRule(name, 10*breakFor)
			must(sentinelbreaker.LoadRulesOfResource(name, []*sentinelbreaker.Rule{sentinelRule(name, breakFor), longer}))
			f := ofSentinel(name)
			f.open(t)
			pass(2 * breakFor)
			f.admitted(t.Context(), succeed) // the first of the breakers lets it try, the other does not
			pass(9 * breakFor)
			return soon(t, f)
		}),
	}
	return found
}

// fullPlace: the probe of f meets a bulkhead in which another call has the only place, and then it is free again.
func fullPlace(t *testing.T, f, place fuse) finding {
	t.Helper()
	f.open(t)
	pass(breakFor + breakFor/4)
	place.run(t.Context(), func(ctx context.Context) error { f.run(ctx, succeed); return nil })
	return soon(t, f)
}

// soon says whether a call is admitted without another open time.
func soon(t *testing.T, f fuse) finding {
	t.Helper()
	after, ok := recovers(t, f, breakFor, succeed)
	switch {
	case !ok:
		return fell("stuck")
	case after > breakFor/2:
		return fell("opens again: after %.1f open times", float64(after)/float64(breakFor))
	}
	return held("at once")
}

func reconfigured(t *testing.T) findings {
	found := findings{}
	check := func(name string, f fuse, change func()) {
		f.open(t)
		change()
		found[name] = held("")
		if f.admitted(t.Context(), succeed) {
			found[name] = fell("admitted: it starts anew")
		}
	}
	own := must(breaker.New(breaker.Config{Consecutive: opens, OpenFor: time.Minute}))
	check(ours, pipeOf(own), func() {
		if err := own.Update(breaker.Config{Consecutive: opens + 1, OpenFor: 2 * time.Minute}); err != nil {
			t.Error(err)
		}
	})
	name := newName()
	rule := sentinelRule(name, time.Minute)
	must(sentinelbreaker.LoadRulesOfResource(name, []*sentinelbreaker.Rule{rule}))
	check(sentinel, ofSentinel(name), func() {
		longer := *rule
		longer.RetryTimeoutMs *= 2
		must(sentinelbreaker.LoadRulesOfResource(name, []*sentinelbreaker.Rule{&longer}))
	})
	factory := cephystrix.Factory{ConfigureOpener: cephystrix.ConfigureOpener{RequestVolumeThreshold: opens}}
	c := circuit.NewCircuitFromConfig("", factory.Configure(""))
	check(cep21, fuse{c.Run}, func() {
		cfg := c.Config()
		cfg.Execution.Timeout *= 2
		c.SetConfigThreadSafe(cfg)
	})
	return found
}

func typedNil(t *testing.T) findings {
	found := findings{ours: held(""), sentinel: held("")}
	place := must(bulkhead.New(bulkhead.Config{}))
	if _, err := place.Acquire(t.Context(), gabion.Now()); err != nil {
		found[ours] = fell("not nil")
	}
	admit := func() error {
		_, blocked := sentinelapi.Entry(newName())
		return blocked
	}
	if admit() != nil {
		found[sentinel] = fell("not nil")
	}
	return found
}

func refusedByRate(t *testing.T) findings {
	const calls = 10
	name := newName()
	must(sentinelbreaker.LoadRulesOfResource(name, []*sentinelbreaker.Rule{sentinelRule(name, time.Minute)}))
	must(flow.LoadRulesOfResource(name, []*flow.Rule{{
		Resource: name, Threshold: 1, StatIntervalInMs: 1000, TokenCalculateStrategy: flow.Direct, ControlBehavior: flow.Reject,
	}}))
	of := map[string]fuse{
		ours: pipeOf(
			must(breaker.New(breaker.Config{Consecutive: opens, OpenFor: time.Minute})),
			must(ratelimit.NewRequests(ratelimit.RequestsConfig{Rate: ratelimit.Rate{Count: 1, Per: time.Second}, Burst: 1})),
		),
		failsafe: ofFailsafe(
			circuitbreaker.NewBuilder[any]().WithFailureThreshold(opens).WithDelay(time.Minute).Build(),
			ratelimiter.NewBursty[any](1, time.Second),
		),
		sentinel: ofSentinel(name),
	}
	found := findings{}
	for contender, f := range of {
		found[contender] = bubble(t, func(t *testing.T) finding {
			for range calls {
				f.run(t.Context(), succeed)
			}
			pass(5 * time.Second)
			if f.admitted(t.Context(), succeed) {
				return held("")
			}
			return fell("open")
		})
	}
	return found
}
