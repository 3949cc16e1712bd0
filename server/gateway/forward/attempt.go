package forward

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/retry"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/gateway/service"
	"github.com/gabion-io/gabion/server/gateway/upstream"
)

// sender is what the transport of an endpoint must be able to do.
type sender interface {
	Send(context.Context, *exchange.Exchange, upstream.Attempt) (*upstream.Reply, *upstream.Error)
}

// attempts sends the request until there is an answer to pass on, or nothing more is to be tried.
func (c *call) attempts() {
	policy := c.at.service.Retry()
	if policy != nil {
		policy.Start(c.began)
	}
	c.tried = c.room[:0]
	for number := 1; ; number++ {
		now := gabion.Now()
		err := c.over(now)
		var lease service.Lease
		if err == nil {
			lease, err = c.at.service.Pick(now, c.hash(), c.tried)
		}
		if err != nil {
			c.err = after(err, c.err)
			return
		}
		c.lease, c.leased, c.ended = lease, true, service.Result{Outcome: gabion.Ignored}
		c.err = nil
		c.tried = append(c.tried, lease.Endpoint)
		c.attempt(number)
		d, again := c.again(policy, number)
		if !again {
			return
		}
		c.discard()
		c.settleLease(gabion.Now())
		c.endRace()
		pause(c.context, d.Wait)
		if c.context.Err() != nil && c.x.Context.Err() == nil {
			c.err = after(errDeadline, c.err)
			return
		}
	}
}

// after is the error of a call that ended with err after an attempt had failed with earlier; that may be nil.
func after(err, earlier error) error {
	if earlier == nil {
		return err
	}
	return errors.Join(err, earlier)
}

// attempt sends the request once. It leaves an answer or an error, and in c.ended what the endpoint is to be told.
func (c *call) attempt(number int) {
	if c.head == nil {
		c.head = upstream.Prepare(c.x)
	}
	record := &c.x.Record
	record.Attempts++
	began := gabion.Now()
	r := c.dispatch(trip{lease: c.lease, number: number, began: began, head: c.head})
	record.Endpoint = r.lease.Endpoint.Name()
	c.reply, c.ended = r.reply, r.result()
	failure := r.failure
	if failure == nil {
		record.Attempts += max(0, r.reply.Sends-1)
		c.answered = r.began + r.reply.Head
		failure = c.hold(r.reply)
	}
	record.Upstream += gabion.Now() - began // and the time of what is left of the body, once it has been read
	if failure != nil {
		c.fail(failure)
	}
}

// trip is one time that the request is sent to an endpoint, and what comes of it: a reply or a failure.
type trip struct {
	lease  service.Lease
	number int
	began  gabion.Instant
	head   *upstream.Head
	beside bool // another one

	reply   *upstream.Reply
	failure *upstream.Error
}

// send sends the request.
func (c *call) send(ctx context.Context, r *trip) {
	a := upstream.Attempt{Number: c.outer - 1 + r.number, Timeout: c.time(r.began), Head: r.head, Payload: c.payload, Quiet: r.beside}
	if c.stream != nil {
		a.Stream, a.Trailer = c.stream, c.stream.trailer
	}
	if c.told != 0 {
		a.Remaining = max(1, c.told-r.began)
	}
	var met bool
	if a.Timeout, met = c.fault(ctx, r, a.Timeout); met {
		return
	}
	r.reply, r.failure = r.lease.Endpoint.Transport().(sender).Send(ctx, c.x, a)
}

// result is what the endpoint is to be told, as far as it is known without a look at the client.
func (r *trip) result() service.Result {
	switch {
	case r.failure == nil:
		return service.Result{Outcome: judgeReply(r.reply), Reached: true, Status: r.reply.Status, Took: r.reply.Head}
	case r.failure.Kind == upstream.Canceled:
		return service.Result{Outcome: gabion.Ignored, Reached: r.failure.Reached, Err: r.failure}
	}
	return service.Result{Outcome: gabion.Failure, Reached: r.failure.Reached, Err: r.failure}
}

// time is how long an attempt that begins now may take; 0: no bound.
func (c *call) time(now gabion.Instant) time.Duration {
	var d time.Duration
	if t := c.at.service.Timeouts(); t != nil {
		d = t.Attempt()
	}
	if c.stream != nil {
		// The deadline begins when the body has been sent; until then the endpoint has to keep taking it.
		return shorter(d, c.total)
	}
	if c.deadline != 0 {
		d = shorter(d, max(1, c.deadline-now))
	}
	return d
}

// judgeReply says what an answer tells about the endpoint, as far as its head does.
func judgeReply(r *upstream.Reply) gabion.Outcome {
	if r.Endless {
		if code := r.Header.Get("Grpc-Status"); code != "" {
			return judgeGRPC(code)
		}
	}
	return judge(r.Status)
}

// fail notes an attempt that brought no answer, or not a whole one.
func (c *call) fail(failure *upstream.Error) {
	c.reply, c.held, c.err, c.answered = nil, nil, failure, 0
	c.ended.Outcome, c.ended.Reached, c.ended.Err = gabion.Failure, failure.Reached, failure
	now := gabion.Now()
	if failure.Kind == upstream.Timeout {
		c.step.tell(gabion.Event{
			Kind: gabion.EventTimeout, Policy: "timeout", Name: c.at.name, At: now, Outcome: gabion.Failure, Err: failure,
			Took: now - c.began, Detail: "attempt",
		})
	}
	switch {
	case c.x.BodyErr() != nil:
		c.ended.Outcome, c.err = gabion.Ignored, errors.Join(errBody, c.x.BodyErr(), failure)
	case failure.Kind == upstream.Canceled:
		c.ended.Outcome, c.err = gabion.Ignored, errors.Join(errGone, failure)
	case failure.Kind == upstream.Timeout && c.client != 0 && now >= c.client:
		// Who asks for an answer in a millisecond must not be able to make a healthy endpoint look sick.
		c.ended.Outcome, c.err = gabion.Ignored, errors.Join(errDeadline, failure)
	case failure.Kind == upstream.Timeout && c.deadline != 0 && now >= c.deadline:
		c.err = errors.Join(errDeadline, failure)
	}
}

// again decides about another attempt.
func (c *call) again(policy *retry.Retry, number int) (retry.Decision, bool) {
	if policy == nil || c.ended.Outcome == gabion.Ignored || !c.worth() {
		return retry.Decision{}, false
	}
	now := gabion.Now()
	var wait time.Duration
	if c.reply != nil {
		wait = asked(c.reply.Header, time.Now)
	}
	if wait > 0 && c.reply.Status == http.StatusServiceUnavailable && c.untried(now) {
		wait = 0 // one endpoint asked for it, and the others can go on
	}
	d := retry.Decision{Why: retry.WhyNested}
	if !c.nested() {
		d = policy.Decide(now, number, c.deadline, wait)
	}
	e := gabion.Event{
		Kind: gabion.EventGaveUp, Policy: "retry", Name: c.at.name, At: now,
		Outcome: c.ended.Outcome, Err: c.err, Attempt: number, Took: now - c.began, Detail: d.Why,
	}
	if d.Again {
		e.Kind = gabion.EventRetry
	}
	c.step.tell(e)
	return d, d.Again
}

// untried tells whether another attempt would go to an endpoint that this request has not been sent to.
func (c *call) untried(now gabion.Instant) bool {
	lease, err := c.at.service.Pick(now, c.hash(), c.tried)
	if err != nil {
		return false
	}
	lease.Done(now, service.Result{Outcome: gabion.Ignored})
	return !slices.Contains(c.tried, lease.Endpoint)
}

// worth tells whether the request may be sent again after the present attempt.
func (c *call) worth() bool {
	rules := &c.at.rules
	if !c.replayable() {
		return false
	}
	if c.reply != nil {
		return rules.status(c.reply.Status) && rules.repeatable(&c.x.Request)
	}
	var failure *upstream.Error
	return errors.As(c.err, &failure) && rules.failure(failure) && (!failure.Sent || rules.repeatable(&c.x.Request))
}

// discard ends an answer that is not passed on.
func (c *call) discard() {
	if c.held != nil {
		c.held.free()
		c.held = nil
	} else if c.reply != nil {
		c.reply.Discard()
	}
	c.reply = nil
}

// hash is what balance hash goes by: who is asking (FNV-1a).
func (c *call) hash() uint64 {
	h := uint64(14695981039346656037)
	add := func(b byte) { h = (h ^ uint64(b)) * 1099511628211 }
	if identity := c.x.Identity; identity != "" {
		for i := range len(identity) {
			add(identity[i])
		}
		return h
	}
	address := c.x.Request.Client.As16()
	for _, b := range address {
		add(b)
	}
	return h
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
