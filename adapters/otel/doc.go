// Package otel tells OpenTelemetry what policies do. Import it under a name of your own, such as gabionotel.
//
// An [Observer] makes metrics of events. Set it in the Config of policies and pipes:
//
//	gabion.call.duration   histogram, s   calls that ended, by gabion.name and gabion.outcome (of pipes)
//	gabion.policy.events   counter        all other events, by gabion.policy, gabion.name, gabion.kind, gabion.reason
//	gabion.breaker.state   gauge          1 for the state that a breaker is in, 0 for those it was in, by gabion.state
//	gabion.breaker.mode    gauge          the same for who decides, when that was changed, by gabion.mode
//
// The attribute gabion.kind is a [gabion.EventKind], such as refused, retry or fallback; gabion.reason says, in one word, why or
// which. Keys, such as users, are never attributes. A breaker has no state here before its first change.
//
// An event carries no context, so an Observer knows no span. [Spans] is a policy, and does: it writes what happens to a
// call into the span that the call belongs to.
//
// [IDs] puts the trace of a context on the lines that package logs of the kit sends.
package otel
