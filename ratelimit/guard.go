package ratelimit

import (
	"context"

	"github.com/gabion-io/gabion"
)

// Limit is what a [Composite] is made of: a [Requests] or a [ServerTime].
type Limit interface {
	gabion.Guard
	core() *store
	// whose says whose call it is and how many requests it counts as.
	whose(ctx context.Context) (key string, cost int)
	// ask locks what it returns.
	ask(now gabion.Instant, key string, cost int) request
	// admit takes what was asked for, which is there.
	admit(now gabion.Instant, r request) gabion.Ticket
}

// acquire is Acquire of a limit for a call whose key and cost are known.
func acquire(now gabion.Instant, l Limit, key string, cost int) (gabion.Ticket, error) {
	r := l.ask(now, key, cost)
	if r.wait == 0 {
		t := l.admit(now, r)
		r.unlock()
		return t, nil
	}
	refused := r.refuse(now, key)
	r.unlock()
	return gabion.Ticket{}, refused.tell(now)
}

// refusal is a refused call, of which nobody was told so far.
type refusal struct {
	store    *store
	observer gabion.Observer
	key      string
	decision Decision
}

// refuse counts a refusal.
func (r *request) refuse(now gabion.Instant, key string) refusal {
	return refusal{r.shard.store, r.settings.observer, key, r.decide(now)}
}

// tell tells the observer, and returns the error. Nothing is locked then.
func (r refusal) tell(now gabion.Instant) error {
	err := &gabion.Error{Policy: "ratelimit", Name: r.store.name, Key: r.key, Reason: ErrLimited, Hint: hint(r.decision)}
	if r.decision.RetryAfter != Never {
		err.Until = now + r.decision.RetryAfter
	}
	if r.observer != nil {
		r.observer.Observe(gabion.Event{
			Kind: gabion.EventRefused, Policy: "ratelimit", Name: r.store.name, Key: r.key, At: now, Err: err, Detail: r.decision.Reason,
		})
	}
	return err
}
