package gabion

import "errors"

// Observer is told what policies do. One observer is made by the application and set in the Config of every
// policy and pipe. Observe is called on the goroutine of the call, outside of all locks: it may read the
// state of any policy, must be safe for concurrent use, and must not block.
type Observer interface {
	Observe(Event)
}

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	// EventCall: a call through a pipe ended, with Outcome, Err and Took. See also [CallObserver].
	EventCall EventKind = "call"
	// EventRefused: a guard refused a call, with Err.
	EventRefused EventKind = "refused"
	// EventState: a policy changed its state, From and To; Detail says why.
	EventState EventKind = "state"
	// EventRetry: a retry was decided after Err; Attempt is the number of the try that failed.
	EventRetry EventKind = "retry"
	// EventGaveUp: a failed call is not retried any more; Detail says why (attempts, budget, deadline).
	EventGaveUp EventKind = "gave_up"
	// EventTimeout: a timeout ended a run.
	EventTimeout EventKind = "timeout"
	// EventHedge: another run was started beside one that is slow.
	EventHedge EventKind = "hedge"
	// EventFault: a fault was injected; Detail names it.
	EventFault EventKind = "fault"
	// EventFallback: something stood in for a failed call; Detail names it.
	EventFallback EventKind = "fallback"
)

// Event is one thing that a policy did.
type Event struct {
	Kind EventKind
	// Policy is the kind of policy ("breaker"; "pipe" for EventCall), Name what it protects, Key whose call it was.
	Policy, Name, Key string
	// At is when it happened.
	At Instant
	// What follows is set as the kind says.
	Outcome  Outcome
	Err      error
	Took     Instant
	Attempt  int
	From, To string
	Detail   string
}

// Reason is one word of a small vocabulary that says why it happened, or what it was: such as full for a refusal, open for a
// change of state, the name of a fallback. It is "" when there is nothing to tell apart. Unlike Err and Detail it can be the
// label of a metric.
func (e Event) Reason() string {
	if e.Kind == EventState { // its Detail is text for people
		return e.To
	}
	if e.Detail != "" || e.Kind != EventRefused {
		return e.Detail
	}
	if refusal, ok := errors.AsType[*Error](e.Err); ok {
		return refusal.Word()
	}
	return ""
}

// ObserverFunc makes an Observer of a function.
type ObserverFunc func(Event)

// Observe calls f.
func (f ObserverFunc) Observe(e Event) { f(e) }
