package service

import (
	"net/http"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/server/gateway/balance"
)

const tooManyRequests = http.StatusTooManyRequests

// Lease is an endpoint for one attempt. Give it back with Done exactly once.
type Lease struct {
	// Endpoint is where the attempt goes.
	Endpoint *Endpoint

	breaker *breaker.Breaker // that ticket is from; nil when off
	ticket  gabion.Ticket
	began   gabion.Instant
	stamp   uint64 // the ejection's
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
	// Took is how long the head of the answer took from dispatch; 0 when none came. Breakers take it for the duration
	// of the call, so that a long download is not a slow one.
	Took gabion.Instant
}

// Done gives the endpoint back.
func (l Lease) Done(now gabion.Instant, r Result) { l.Endpoint.done(now, l, r) }

// The classes of answers: an index of status.Classes.
const (
	unanswered = 0 // and 1 to 5 are the first digit of the status
	otherClass = 6 // an answer with a status that HTTP does not have
)

// class is the class of the answer.
func (r *Result) class() int {
	switch {
	case r.Status == 0:
		return unanswered
	case r.Status < 100 || r.Status > 599:
		return otherClass
	}
	return r.Status / 100
}

// quality is what balancing makes of the result.
func (r *Result) quality() balance.Quality {
	answered := r.Reached && r.Status != 0
	switch {
	case r.Outcome == gabion.Ignored:
		return balance.Unknown
	case r.Status == tooManyRequests, r.Outcome == gabion.Failure && answered:
		return balance.Bad
	case r.Outcome == gabion.Failure:
		return balance.Unanswered
	}
	return balance.Good
}
