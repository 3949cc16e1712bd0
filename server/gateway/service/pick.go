package service

import (
	"context"
	"slices"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/gateway/balance"
	"github.com/gabion-io/gabion/server/gateway/health"
)

// ErrUnavailable says that no endpoint may be used now. It satisfies errors.Is(err, gabion.ErrRejected).
var ErrUnavailable = gabion.Rejection("no endpoint is available")

// comeBack is when a refused request should come again at the earliest, and at the latest when nothing says more.
const comeBack = time.Second

// Pick chooses an endpoint for an attempt. tried are those that this request was sent to before: they are chosen again
// only when there is no other. hash is what balance hash goes by. The error is a *[gabion.Error] with the reason
// [ErrUnavailable], what attempts failed with last as its cause, and the time when the next trial is due.
func (s *Service) Pick(now gabion.Instant, hash uint64, tried []*Endpoint) (Lease, error) {
	v := s.view.Load()
	var room [8]*balance.Member
	skip := room[:0]
	for _, e := range tried {
		skip = append(skip, e.member)
	}
	if len(tried) == 0 {
		if len(v.trials) > 0 {
			if l, ok := v.try(now, skip); ok {
				return l, nil
			}
		}
		if v.ration.Active(now) {
			v.ration.Offer(now)
		}
	}
	if l, ok := v.take(now, hash, skip); ok {
		return l, nil
	}
	if len(tried) > 0 {
		if l, ok := v.try(now, skip); ok {
			return l, nil
		}
		if l, ok := v.tryEarly(now, skip); ok {
			return l, nil
		}
		if l, ok := v.take(now, hash, nil); ok {
			return l, nil
		}
	}
	return Lease{}, s.refuse(now, v)
}

// take chooses from the pools. skip are not to be chosen.
func (v *view) take(now gabion.Instant, hash uint64, skip []*balance.Member) (Lease, bool) {
	rationed := v.ration.Active(now)
	if rationed {
		skip = v.ration.Exhausted(now, skip)
	}
	for i := range v.pools {
		p := &v.pools[i]
		for p.set != nil {
			chosen := p.set.Pick(now, hash, skip)
			if chosen < 0 {
				break
			}
			e := p.endpoints[chosen]
			if !rationed || v.ration.Take(now, e.member) {
				if l, ok := e.admit(now, e.period.Load()); ok {
					return l, true
				}
			}
			skip = append(skip, e.member)
		}
	}
	return Lease{}, false
}

// admit begins an attempt, if the breaker lets it.
func (e *Endpoint) admit(now gabion.Instant, stamp uint64) (Lease, bool) {
	b := e.breaker.Load()
	if b == nil {
		return e.lease(now, stamp, nil, gabion.Ticket{}), true
	}
	ticket, err := b.Acquire(context.Background(), now) // never waits
	if err != nil {
		return Lease{}, false
	}
	return e.lease(now, stamp, b, ticket), true
}

// try begins a trial, if one is due.
func (v *view) try(now gabion.Instant, skip []*balance.Member) (Lease, bool) {
	for _, e := range v.trials {
		if now < gabion.Instant(e.resting.Load()) || slices.Contains(skip, e.member) {
			continue
		}
		if l, ok := e.try(now); ok {
			return l, true
		}
	}
	return Lease{}, false
}

func (e *Endpoint) try(now gabion.Instant) (Lease, bool) {
	e.mu.Lock()
	was := e.ejection.State()
	stamp, ok := e.ejection.Period(), true
	if was != health.In {
		stamp, ok = e.ejection.Try(now)
	}
	why := e.ejection.Why()
	e.mu.Unlock()
	if !ok {
		return Lease{}, false
	}
	if was == health.Out {
		e.service.tell(event.Event{
			Kind: event.KindEjection, Service: e.service.name, Endpoint: e.Name(),
			From: health.Out.String(), To: health.Trial.String(), Reason: "its time is over; it was ejected for: " + why,
		})
	}
	l, ok := e.admit(now, stamp)
	if !ok { // the trial did not take place
		e.judge(now, stamp, Result{Outcome: gabion.Ignored})
	}
	return l, ok
}

// early is the stamp of a request that is sent to an endpoint that is out before its trials are due. No ejection knows it.
const early = 0

// tryEarly sends a retry to an endpoint that is out before its time: all others have just failed, and it may be back, as
// in a rolling restart. It is one request at a time, because the endpoint may hang. When it is answered, trials are due.
func (v *view) tryEarly(now gabion.Instant, skip []*balance.Member) (Lease, bool) {
	for _, e := range v.trials {
		if slices.Contains(skip, e.member) || !e.early.CompareAndSwap(false, true) {
			continue
		}
		if l, ok := e.admit(now, early); ok {
			return l, true
		}
		e.early.Store(false)
	}
	return Lease{}, false
}

// triedEarly takes the result of a request of tryEarly.
func (e *Endpoint) triedEarly(now gabion.Instant, r Result) {
	e.early.Store(false)
	if r.Outcome != gabion.Success {
		return
	}
	e.mu.Lock()
	e.ejection.Hasten(now)
	e.mu.Unlock()
	e.service.refresh(now)
}

// refuse is the error when there is no endpoint.
func (s *Service) refuse(now gabion.Instant, v *view) error {
	until := now + comeBack
	if len(v.trials) > 0 && !v.ration.Active(now) {
		until = v.trials[0].due(now)
		for _, e := range v.trials[1:] {
			until = min(until, e.due(now))
		}
	}
	return &gabion.Error{Policy: "service", Name: s.name, Reason: ErrUnavailable, Cause: s.cause(), Until: until}
}

// due is when a trial of the endpoint may have a chance.
func (e *Endpoint) due(now gabion.Instant) gabion.Instant {
	e.mu.Lock()
	due := e.ejection.Due(now)
	e.mu.Unlock()
	due = max(due, gabion.Instant(e.resting.Load()))
	if due <= now { // all its places are taken by others that try
		return now + comeBack
	}
	return due
}
