package forward

import (
	"errors"
	"strconv"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/gateway/service"
	"github.com/gabion-io/gabion/server/gateway/upstream"
	"github.com/gabion-io/gabion/shed"
)

const (
	headerDegraded = "X-Gabion-Degraded"
	headerCost     = "X-Gabion-Cost-Ms"
	// comeBack is what Retry-After says when nothing better is known.
	comeBack = time.Second
	// maxCost bounds the server time that an answer can state.
	maxCost = 24 * time.Hour
)

// failed tells whether a fallback is to answer.
func (c *call) failed() bool {
	if c.err != nil {
		return !errors.Is(c.err, errGone) && !errors.Is(c.err, errBody)
	}
	return c.reply.Status >= 500
}

// degrade looks for something that answers in place of the service.
func (c *call) degrade() {
	if len(c.step.fallback) == 0 {
		return
	}
	elsewhere := c.canGoElsewhere()
	c.settle(c.err)
	first, endpoint := *c, c.x.Record.Endpoint
	c.reply, c.held = nil, nil
	for i := range c.step.fallback {
		if a := &c.step.fallback[i]; c.serve(a, elsewhere) {
			c.x.Record.Degraded = a.name
			c.x.Reply.Set(headerDegraded, a.name)
			c.step.tell(gabion.Event{
				Kind: gabion.EventFallback, Policy: "fallback", Name: first.at.name, At: gabion.Now(), Err: first.err, Detail: a.name,
			})
			c.x.Record.Err = first.err
			first.discard()
			return
		}
	}
	c.at, c.reply, c.held, c.err = first.at, first.reply, first.held, first.err
	c.x.Record.Endpoint = endpoint
}

// serve tries one alternative.
func (c *call) serve(a *alternative, elsewhere bool) bool {
	if a.fixed != nil {
		c.err, c.fixed = nil, a.fixed
		return true
	}
	if !elsewhere || !c.replayable() {
		return false
	}
	c.attend(a.target)
	if c.err == nil && !c.failed() {
		c.x.Record.Service = a.target.name
		return true
	}
	c.settle(c.err)
	c.discard()
	return false
}

// canGoElsewhere tells whether another service may get the request: not when it must not be carried out twice and
// nobody knows whether it was carried out.
func (c *call) canGoElsewhere() bool {
	var failure *upstream.Error
	return !errors.As(c.err, &failure) || !failure.Sent || c.at.rules.repeatable(&c.x.Request)
}

// answer gives the client what came of it.
func (c *call) answer() {
	c.gaveUp()
	switch {
	case c.fixed != nil:
		c.sent(c.x.Client.Send(c.fixed.Answer(c.x)))
	case c.reply != nil:
		c.pass()
	default:
		c.settle(c.err)
		c.refuse(c.err)
	}
}

// sent notes how an answer got through.
func (c *call) sent(err error) {
	if err != nil {
		c.x.Record.Err = after(err, c.x.Record.Err)
	}
}

// pass gives the client the endpoint's answer.
func (c *call) pass() {
	r := c.reply
	c.cost(r.Header)
	stream := r.Conn != nil || r.Endless
	switch {
	case stream:
		r.Extend(0)
		now := gabion.Now()
		c.settleBreaker(now, nil) // that it answers at all is what there is to know
		c.settleShed(now, nil)
	case c.held != nil || r.Body == nil:
		c.settle(nil) // the endpoint is done, however long the client takes
	default:
		r.Extend(c.rest())
	}
	err := c.x.Client.Send(&r.Answer)
	if !stream && c.held == nil {
		c.x.Record.Upstream += r.Waited()
	}
	c.sent(err)
	switch {
	case errors.Is(err, exchange.ErrUpstreamBroke):
		c.ended.Outcome, c.ended.Err = gabion.Failure, err
	case err != nil && c.ended.Outcome == gabion.Success:
		c.ended.Outcome = gabion.Ignored
	case err == nil && r.Endless && r.Trailer != nil:
		if code := r.Trailer().Get("Grpc-Status"); code != "" {
			c.ended.Outcome = judgeGRPC(code)
		}
	}
	c.settle(err)
}

// rest is how long the endpoint may still be waited for; 0: no bound.
func (c *call) rest() time.Duration {
	var d time.Duration
	if c.stream != nil {
		d = c.total // it begins here
	}
	if c.deadline != 0 {
		d = shorter(d, max(1, c.deadline-gabion.Now()))
	}
	return d
}

// cost takes note of the server time that the service itself states.
func (c *call) cost(h exchange.Header) {
	value := h.Get(headerCost)
	if value == "" {
		return
	}
	h.Del(headerCost)
	if ms, err := strconv.ParseUint(value, 10, 63); err == nil {
		c.x.Record.Cost = time.Duration(min(ms, uint64(maxCost/time.Millisecond))) * time.Millisecond
		c.x.Record.Stated = true
	}
}

// refuse answers with a problem.
func (c *call) refuse(err error) {
	c.x.Record.Err = err
	if p, ok := exchange.ProblemOf(c.x.BodyErr()); ok {
		// The engine ends the context when reading the body fails, but the client is still there.
		c.sent(c.x.Refuse(p))
		return
	}
	if errors.Is(err, errGone) || c.x.Context.Err() != nil {
		return // nobody is there
	}
	c.sent(c.x.Refuse(c.problem(err)))
}

// problem is what a client is told. It names no addresses.
func (c *call) problem(err error) exchange.Problem {
	if errors.Is(err, errBody) {
		if p, ok := exchange.ProblemOf(err); ok {
			return p
		}
		return exchange.Problem{Type: exchange.BadRequest, Detail: "The request body could not be read."}
	}
	wait := comeBack
	if refusal, ok := errors.AsType[*gabion.Error](err); ok && refusal.Until != 0 {
		wait = max(refusal.RetryAfter(), time.Millisecond)
	}
	var failure *upstream.Error
	switch {
	case errors.Is(err, errDeadline):
		return exchange.Problem{Type: exchange.DeadlineExceeded}
	case errors.Is(err, service.ErrUnavailable):
		return exchange.Problem{Type: exchange.NoEndpoint, RetryAfter: wait}
	case errors.Is(err, breaker.ErrOpen):
		return exchange.Problem{Type: exchange.CircuitOpen, RetryAfter: wait}
	case errors.Is(err, shed.ErrShed):
		return exchange.Problem{Type: exchange.Overloaded, RetryAfter: wait}
	case errors.Is(err, bulkhead.ErrFull):
		return exchange.Problem{Type: exchange.BulkheadFull, RetryAfter: wait}
	case !errors.As(err, &failure):
		return exchange.Problem{Type: exchange.InternalError}
	case failure.Kind == upstream.Connect:
		return exchange.Problem{Type: exchange.NoEndpoint, Detail: "No endpoint of the service can be reached.", RetryAfter: comeBack}
	case failure.Kind == upstream.Timeout:
		return exchange.Problem{Type: exchange.UpstreamTimeout}
	}
	return exchange.Problem{Type: exchange.UpstreamBroken}
}
