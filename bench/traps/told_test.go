package traps

import (
	"context"
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

// told are breakers that ask themselves for their state when they are told of a change of it.
func told() map[string]fuse {
	var own *breaker.Breaker
	own = must(breaker.New(breaker.Config{Consecutive: opens, Observer: gabion.ObserverFunc(func(gabion.Event) { own.State() })}))
	var sony *gobreakerv2.CircuitBreaker[int]
	sony = gobreakerv2.NewCircuitBreaker[int](gobreakerv2.Settings{
		ReadyToTrip:   func(c gobreakerv2.Counts) bool { return c.ConsecutiveFailures >= opens },
		OnStateChange: func(string, gobreakerv2.State, gobreakerv2.State) { sony.State() },
	})
	var safe circuitbreaker.CircuitBreaker[any]
	safe = circuitbreaker.NewBuilder[any]().WithFailureThreshold(opens).
		OnStateChanged(func(circuitbreaker.StateChangedEvent) { safe.State() }).Build()
	factory := cephystrix.Factory{ConfigureOpener: cephystrix.ConfigureOpener{RequestVolumeThreshold: opens}}
	watch := &watcher{}
	cfg := factory.Configure("")
	cfg.Metrics.Circuit = append(cfg.Metrics.Circuit, watch)
	watch.of = circuit.NewCircuitFromConfig("", cfg)
	name := newName()
	must(sentinelbreaker.LoadRulesOfResource(name, []*sentinelbreaker.Rule{sentinelRule(name, breakFor)}))
	alibaba := ofSentinel(name)
	sentinelbreaker.RegisterStateChangeListeners(listener{name, alibaba})
	return map[string]fuse{
		ours:     {must(gabion.New(gabion.Config{Policies: []gabion.Policy{own}})).Run},
		failsafe: ofFailsafe(safe), cep21: {watch.of.Run}, sentinel: alibaba,
		gobreaker: {func(ctx context.Context, f func(context.Context) error) error {
			_, err := sony.Execute(func() (int, error) { return 0, f(ctx) })
			return err
		}},
	}
}

type watcher struct{ of *circuit.Circuit }

func (w *watcher) Closed(context.Context, time.Time) { w.of.IsOpen() }
func (w *watcher) Opened(context.Context, time.Time) { w.of.IsOpen() }

// listener makes a call of the resource whose state has changed: there is nothing that only asks.
type listener struct {
	name string
	fuse fuse
}

func (l listener) ask(rule sentinelbreaker.Rule) {
	if rule.Resource == l.name {
		l.fuse.run(context.Background(), succeed)
	}
}

func (l listener) OnTransformToClosed(_ sentinelbreaker.State, r sentinelbreaker.Rule) { l.ask(r) }

func (l listener) OnTransformToOpen(_ sentinelbreaker.State, r sentinelbreaker.Rule, _ any) { l.ask(r) }

func (l listener) OnTransformToHalfOpen(_ sentinelbreaker.State, r sentinelbreaker.Rule) { l.ask(r) }

// askingCallback is in real time: who waits for a mutex is not idle in a bubble.
func askingCallback(t *testing.T) findings {
	defer sentinelbreaker.ClearStateChangeListeners()
	found := findings{}
	for name, f := range told() {
		found[name] = fell("deadlock")
		opened := make(chan struct{})
		go func() {
			defer close(opened)
			for range opens + 1 {
				f.run(context.Background(), fail)
			}
		}()
		select {
		case <-opened:
			found[name] = held("")
		case <-time.After(time.Second):
		}
	}
	return found
}
