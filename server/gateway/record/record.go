// Package record is the step that notes how an exchange ended: in the counters of its route and in the access log.
package record

import (
	"errors"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/logs"
	"github.com/gabion-io/gabion/server/metrics"
)

// Step records the exchanges of one route. It is entered before, and left after, all that decides about them.
type Step struct {
	// Route counts. Access logs.
	Route  *metrics.Route
	Access *logs.Access
}

// errUnanswered is noted when nobody answered and nobody says why: a step panicked.
var errUnanswered = errors.New("a fault in the gateway: the exchange ended without an answer")

// Enter implements [exchange.Step].
func (s *Step) Enter(*exchange.Exchange) bool {
	s.Route.Enter()
	return true
}

// Leave implements [exchange.Step].
func (s *Step) Leave(x *exchange.Exchange) {
	took := gabion.Now() - x.Started
	r := &x.Record
	if r.Status == 0 {
		r.Received = x.Received() // what of an upload came before it was cut
	}
	if r.Status == 0 && r.Err == nil && x.Context.Err() == nil {
		// The front answers for it, after all steps are left.
		r.Status, r.Problem, r.Err = 500, exchange.InternalError, errUnanswered
	}
	s.Access.Record(x, took)
	s.Route.Leave(r, took) // last: what is counted is also logged
}
