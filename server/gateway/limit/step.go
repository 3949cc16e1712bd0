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

// refusal is the decision of a limit that the client is told.
type refusal struct {
	limit    *Limit
	key      string
	decision ratelimit.Decision
}

// Enter implements [exchange.Step]: it takes what the request needs from every limit, or answers it with 429.
func (s Step) Enter(x *exchange.Exchange) bool {
	now := gabion.Now()
	var fields fields
	for _, l := range s {
		if r, ok := l.take(x, now, &fields); !ok {
			release(x, now)
			fields.reply(x)
			r.answer(x, now)
			return false
		}
	}
	fields.reply(x)
	return true
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

// take asks the limit for one request. What it grants is put into x.Holds.
func (l *Limit) take(x *exchange.Exchange, now gabion.Instant, f *fields) (refusal, bool) {
	key := l.key(x)
	if l.requests != nil {
		d := l.requests.Take(now, key, 1)
		if !l.shadow {
			f.add(l.name, "", d)
		}
		if !l.count(byRequests, d) {
			return refusal{l, key, d}, false
		}
		if d.OK {
			x.Holds = append(x.Holds, exchange.Hold{Requests: l.requests, Key: key})
		}
	}
	if l.time != nil {
		charge, d := l.time.Begin(now, key)
		if !l.shadow && d.Limit > 0 {
			f.add(l.name, "server-ms", d)
		}
		kind := byServerTime
		if d.Limit == 0 || d.Reason == ratelimit.ReasonConcurrency {
			kind = byConcurrency
		}
		if !l.count(kind, d) {
			return refusal{l, key, d}, false
		}
		if d.OK {
			x.Holds = append(x.Holds, exchange.Hold{Charge: charge})
		}
	}
	return refusal{}, true
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
