package otel

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/fault"
)

// Spans is a policy for a pipe that writes what happens to a call into the span of its context:
//
//	gabion.attempt   a try that did not succeed, or that was not the first: gabion.outcome, gabion.took and, when it failed,
//	                 error.message; gabion.policy, gabion.name and gabion.reason of the policy that ended it; gabion.fault when
//	                 that was on purpose; and which try it is, gabion.attempt
//	gabion.call      a call that did not succeed, before a fallback stands in for it: the same, of all tries together
//
// A call that succeeds at once writes nothing.
func Spans() gabion.Policy { return spans{} }

// spans stands at two places.
type spans struct{}

// Describe implements [gabion.Policy].
func (spans) Describe() gabion.Description { return gabion.Description{Kind: "otel"} }

// Policies implements [gabion.Composite].
func (spans) Policies() []gabion.Policy {
	return []gabion.Policy{
		writer{eventCall, gabion.PositionFallback + 50},
		writer{eventAttempt, gabion.PositionHedge + 50},
	}
}

const (
	eventCall    = "gabion.call"
	eventAttempt = "gabion.attempt"
)

// writer is one of the places. It is a driver that lets everything be as it is.
type writer struct {
	event    string
	position gabion.Position
}

// Describe implements [gabion.Policy].
func (w writer) Describe() gabion.Description {
	return gabion.Description{Kind: "otel", Position: w.position}
}

// Before implements [gabion.Driver].
func (writer) Before(context.Context, gabion.Attempt) gabion.Plan { return gabion.Plan{} }

// After implements [gabion.Driver].
func (w writer) After(ctx context.Context, a gabion.Attempt) gabion.Verdict {
	number := gabion.AttemptOf(ctx)
	if a.Outcome == gabion.Success && (number == 1 || w.event == eventCall) {
		return gabion.Verdict{}
	}
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		all := end(a)
		if w.event == eventAttempt {
			all = append(all, attribute.Int("gabion.attempt", number))
		}
		span.AddEvent(w.event, trace.WithAttributes(all...))
	}
	return gabion.Verdict{}
}

// end is what is known of how a run ended.
func end(a gabion.Attempt) []attribute.KeyValue {
	all := []attribute.KeyValue{
		attributeOutcome.String(a.Outcome.String()),
		attribute.Float64("gabion.took", a.Took.Round(time.Microsecond).Seconds()),
	}
	if a.Err == nil {
		return all
	}
	all = append(all, attribute.String("error.message", a.Err.Error()))
	if policy, ok := errors.AsType[*gabion.Error](a.Err); ok {
		all = append(all, attributePolicy.String(policy.Policy), attributeName.String(policy.Name), attributeReason.String(policy.Word()))
	}
	if errors.Is(a.Err, fault.ErrInjected) {
		all = append(all, attribute.Bool("gabion.fault", true))
	}
	return all
}
