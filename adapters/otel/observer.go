package otel

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
)

// scope is the name of the instrumentation.
const scope = "github.com/gabion-io/gabion/adapters/otel"

// The attributes. Their values come from the configuration and from the words of policies.
const (
	attributePolicy  = attribute.Key("gabion.policy")
	attributeName    = attribute.Key("gabion.name")
	attributeKind    = attribute.Key("gabion.kind")
	attributeReason  = attribute.Key("gabion.reason")
	attributeOutcome = attribute.Key("gabion.outcome")
	attributeState   = attribute.Key("gabion.state")
	attributeMode    = attribute.Key("gabion.mode")
)

// Config is what an [Observer] is made of. The zero value of every field means its default.
type Config struct {
	// Meters gives the meter. Default: otel.GetMeterProvider().
	Meters metric.MeterProvider
}

// Observer makes metrics of events. It is a [gabion.Observer], safe for concurrent use. Make it with [NewObserver].
type Observer struct {
	calls  metric.Float64Histogram
	events metric.Int64Counter
	state  metric.Int64Gauge
	mode   metric.Int64Gauge

	ended labels[ended, []metric.RecordOption]
	told  labels[told, []metric.AddOption]
}

// NewObserver makes an observer. It fails when the meter cannot make an instrument.
func NewObserver(cfg Config) (*Observer, error) {
	if cfg.Meters == nil {
		cfg.Meters = otel.GetMeterProvider()
	}
	meter := cfg.Meters.Meter(scope)
	o := &Observer{}
	o.ended.known, o.told.known = map[ended][]metric.RecordOption{}, map[told][]metric.AddOption{}
	var errs [4]error
	o.calls, errs[0] = meter.Float64Histogram("gabion.call.duration", metric.WithUnit("s"),
		metric.WithDescription("How long calls through a pipe took, with all tries and waits."),
		// Those of the semantic conventions for the duration of HTTP requests.
		metric.WithExplicitBucketBoundaries(.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10))
	o.events, errs[1] = meter.Int64Counter("gabion.policy.events", metric.WithUnit("{event}"),
		metric.WithDescription("What policies did: refusals, retries, timeouts, changes of state."))
	o.state, errs[2] = meter.Int64Gauge("gabion.breaker.state",
		metric.WithDescription("1 for the state a breaker is in, 0 for those it was in."))
	o.mode, errs[3] = meter.Int64Gauge("gabion.breaker.mode",
		metric.WithDescription("1 for who decides about the calls of a breaker, 0 for who did."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("otel: %w", err)
	}
	return o, nil
}

// Observe implements [gabion.Observer].
func (o *Observer) Observe(e gabion.Event) {
	if e.Kind == gabion.EventCall { // of a pipe whose observer passes events on
		o.record(e.Name, e.Outcome, e.Took)
		return
	}
	ctx := context.Background()
	o.events.Add(ctx, 1, o.told.of(told{e.Kind, e.Policy, e.Name, e.Reason()})...)
	if e.Kind == gabion.EventState && e.Policy == "breaker" {
		o.changed(ctx, e)
	}
}

// ObserveCall implements [gabion.CallObserver].
func (o *Observer) ObserveCall(c gabion.Call) {
	o.record(c.Pipe.Name(), c.Outcome, c.Took)
}

func (o *Observer) record(pipe string, outcome gabion.Outcome, took gabion.Instant) {
	o.calls.Record(context.Background(), took.Seconds(), o.ended.of(ended{pipe, outcome})...)
}

// changed shows a breaker that has changed its state, or whose mode was changed.
func (o *Observer) changed(ctx context.Context, e gabion.Event) {
	gauge, key := o.state, attributeState
	for _, m := range []breaker.Mode{breaker.Automatic, breaker.ForcedOpen, breaker.ForcedClosed, breaker.Watching} {
		if e.To == m.String() {
			gauge, key = o.mode, attributeMode
		}
	}
	name := attributeName.String(e.Name)
	gauge.Record(ctx, 0, metric.WithAttributes(name, key.String(e.From)))
	gauge.Record(ctx, 1, metric.WithAttributes(name, key.String(e.To)))
}
