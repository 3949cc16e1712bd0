package gabion

// Call is how a call through a [Pipe] ended.
type Call struct {
	// Pipe is what it went through: its Name, and its Key if [Pipe.For] made it.
	Pipe *Pipe
	// At is when it ended, Took how long it took with all tries and waits.
	At, Took Instant
	// Outcome says what it means, Err is what the caller got; nil after a success.
	Outcome Outcome
	Err     error
}

// Event is the same as an event of the kind [EventCall].
func (c Call) Event() Event {
	return Event{
		Kind: EventCall, Policy: "pipe", Name: c.Pipe.config.Name, Key: c.Pipe.key, At: c.At,
		Outcome: c.Outcome, Err: c.Err, Took: c.Took,
	}
}

// CallObserver is an [Observer] that is told of ended calls in a way of their own: there is one for every call, and an Event is
// large. Observe is not told of them then. The same holds for ObserveCall as for Observe. That a call is timed costs another
// reading of the clock; whoever wants no more than to count calls can do without: a retry policy counts them, for instance.
type CallObserver interface {
	Observer
	ObserveCall(Call)
}

// eventCalls tells of ended calls as events.
type eventCalls struct{ Observer }

func (o eventCalls) ObserveCall(c Call) { o.Observe(c.Event()) }
