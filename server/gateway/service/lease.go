package service

import (
	"github.com/gabion-io/gabion"
)

// ErrUnavailable says that no endpoint may be used now. It satisfies errors.Is(err, gabion.ErrRejected).
var ErrUnavailable = gabion.Rejection("no endpoint is available")

// Lease is an endpoint for one attempt. Give it back with Done exactly once.
type Lease struct {
	// Endpoint is where the attempt goes.
	Endpoint *Endpoint
	ticket   gabion.Ticket
	began    gabion.Instant
	stamp    uint64
}

// Result says how an attempt ended.
type Result struct {
	// Outcome is what the attempt says about the endpoint's health. Ignored counts nowhere.
	Outcome gabion.Outcome
	// Reached is set when a connection was there: the endpoint could have seen the request.
	Reached bool
	// Status is the answer's status, 0 when none came. 429 is never a failure of the endpoint.
	Status int
	// Err is why there was no complete answer.
	Err error
	// Took is how long the head of the answer took from dispatch; 0 when none came.
	Took gabion.Instant
}

// Done gives the endpoint back.
func (l Lease) Done(now gabion.Instant, r Result) { l.Endpoint.done(now, l, r) }
