package limit

import (
	"fmt"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/ratelimit"
	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// Step applies the limits of one route, in their order.
type Step []*Limit

// refusal is the decision of a limit that the client is told; the zero refusal is none.
type refusal struct {
	limit    *Limit
	key      string
	decision ratelimit.Decision
}

// Enter implements [exchange.Step]: it takes what the request needs from every limit, or answers it with 429. When one
// refuses, the others are asked too: the client is told the longest wait, so that nobody who has waited as long as was
// said is refused by the next limit.
func (s Step) Enter(x *exchange.Exchange) bool {
	now := gabion.Now()
	var fields fields
	var longest refusal
	for _, l := range s {
		key := l.key(x)
		longest = longest.or(l.takeRequests(x, now, key, &fields)).or(l.takeTime(x, now, key, &fields))
	}
	fields.reply(x)
	if longest.limit == nil {
		return true
	}
	release(x, now)
	longest.answer(x, now)
	return false
}

// or is the refusal with the longer wait; the first when they are equal.
func (r refusal) or(o refusal) refusal {
	if o.limit != nil && (r.limit == nil || o.decision.RetryAfter > r.decision.RetryAfter) {
		return o
	}
	return r
}

// Leave implements [exchange.Step]: it settles what the request has cost.
func (s Step) Leave(x *exchange.Exchange) {
	if len(x.Holds) == 0 {
		return
	}
	now := gabion.Now()
	cost := x.Record.Upstream
	if x.Record.Stated {
		cost = x.Record.Cost
	}
	for i := range x.Holds {
		if x.Holds[i].Requests != nil {
			continue
		}
		if x.Record.Attempts == 0 {
			x.Holds[i].Charge.Cancel(now) // it never reached the service
		} else {
			x.Holds[i].Charge.Settle(now, cost)
		}
	}
	x.Holds = x.Holds[:0]
}

// takeRequests takes one request from the limit. What is granted is put into x.Holds.
func (l *Limit) takeRequests(x *exchange.Exchange, now gabion.Instant, key string, f *fields) refusal {
	if l.requests == nil {
		return refusal{}
	}
	d := l.requests.Take(now, key, 1)
	if !l.shadow {
		f.add(l.name, "", d)
	}
	if !l.count(byRequests, d) {
		return refusal{l, key, d}
	}
	if d.OK {
		x.Holds = append(x.Holds, exchange.Hold{Requests: l.requests, Key: key})
	}
	return refusal{}
}

// takeTime begins a charge of server time. What is granted is put into x.Holds.
func (l *Limit) takeTime(x *exchange.Exchange, now gabion.Instant, key string, f *fields) refusal {
	if l.time == nil {
		return refusal{}
	}
	charge, d := l.time.Begin(now, key)
	if !l.shadow && d.Limit > 0 {
		f.add(l.name, "server-ms", d)
	}
	kind := byServerTime
	if d.Limit == 0 || d.Reason == ratelimit.ReasonConcurrency {
		kind = byConcurrency
	}
	if !l.count(kind, d) {
		return refusal{l, key, d}
	}
	if d.OK {
		x.Holds = append(x.Holds, exchange.Hold{Charge: charge})
	}
	return refusal{}
}

// release gives back what was granted to a request that another limit refused.
func release(x *exchange.Exchange, now gabion.Instant) {
	for i := range x.Holds {
		if h := &x.Holds[i]; h.Requests != nil {
			h.Requests.Refund(now, h.Key, 1)
		} else {
			h.Charge.Cancel(now)
		}
	}
	x.Holds = x.Holds[:0]
}

// answer refuses the request.
func (r refusal) answer(x *exchange.Exchange, now gabion.Instant) {
	if r.limit.observer != nil {
		r.limit.observer.Observe(gabion.Event{
			Kind: gabion.EventRefused, Policy: "ratelimit", Name: r.limit.name, Key: r.key, At: now,
			Err: ratelimit.ErrLimited, Detail: r.decision.Reason,
		})
	}
	after := r.decision.RetryAfter
	if after == ratelimit.Never {
		after = 0
	}
	x.Record.Err = x.Refuse(exchange.Problem{
		Type: exchange.RateLimited, Detail: r.detail(), RetryAfter: after,
		Extensions: map[string]any{"limit": r.limit.name, "reason": r.decision.Reason},
	})
}

func (r refusal) detail() string {
	d := r.decision
	switch d.Reason {
	case ratelimit.ReasonConcurrency:
		return fmt.Sprintf("The limit %q allows no more requests at the same time.", r.limit.name)
	case ratelimit.ReasonServerTime:
		return fmt.Sprintf("The limit %q allows %v of server time in %v.", r.limit.name, time.Duration(d.Limit)*time.Millisecond, d.Window)
	}
	return fmt.Sprintf("The limit %q allows %d requests in %v.", r.limit.name, d.Limit, d.Window)
}
