package service

import (
	"fmt"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/server/gateway/health"
	"github.com/gabion-io/gabion/server/status"
	"github.com/gabion-io/gabion/shed"
)

// Snapshot is the service as of now. Endpoints that were removed are in it until their last request has ended.
func (s *Service) Snapshot(now gabion.Instant) status.Service {
	wall := time.Now().UTC()
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.policies.Load()
	all := status.Service{
		Name: s.name, Balance: s.settings.balance, FailOpen: s.failOpen, StandbyActive: s.onStandby,
		Endpoints: []status.Endpoint{},
	}
	for _, e := range s.endpoints {
		all.Endpoints = append(all.Endpoints, e.status(now, wall))
	}
	for _, e := range s.draining {
		all.Endpoints = append(all.Endpoints, e.status(now, wall))
	}
	if p.breaker != nil {
		all.Breaker = breakerStatus(p.breaker, p.refused.Load(), now)
	}
	if b := p.bulkhead; b != nil {
		all.Bulkhead = bulkheadStatus(b.Snapshot())
	}
	if p.shed != nil {
		all.Shed = shedStatus(p.shed.Snapshot())
	}
	if p.hedge != nil {
		n := p.hedge.Snapshot(now)
		all.Hedge = &status.Hedge{After: n.After.Seconds(), Left: n.Budget, Hedges: n.Hedges, Wins: n.Wins, Refused: n.OverBudget}
	}
	if p.retry != nil && p.budget {
		n := p.retry.Snapshot(now)
		all.Budget = &status.Budget{Left: n.Budget, Max: max(n.Budget, retryReserve), Retries: n.Retries, Refused: n.OverBudget}
	}
	return all
}

// retryReserve is what a retry budget holds when there has been no traffic.
const retryReserve = 10

func bulkheadStatus(n bulkhead.Snapshot) *status.Bulkhead {
	return &status.Bulkhead{
		InFlight: n.InFlight, Queued: n.Queued, Limit: n.Limit, Pressed: n.Pressed,
		Waited: n.Waited, Wait: n.Wait.Seconds(), Refused: n.Refused,
		Reasons: map[string]uint64{
			"full": n.Drops.Full, "wait": n.Drops.Wait, "deadline": n.Drops.Deadline, "gone": n.Drops.Gone, "displaced": n.Drops.Displaced,
		},
	}
}

func shedStatus(n shed.Snapshot) *status.Shed {
	reasons := func(d shed.Drops) map[string]uint64 {
		return map[string]uint64{"full": d.Full, "displaced": d.Displaced, "expired": d.Expired, "gone": d.Gone}
	}
	return &status.Shed{
		Mode: n.Mode, Phase: n.Phase, InFlight: n.InFlight, Queued: n.Queued, Limit: n.Limit, Floor: n.Floor,
		Target: n.Target.Seconds(), Usual: n.Usual.Seconds(), Brownout: n.Brownout, Waited: n.Waited, Wait: n.Wait.Seconds(),
		Refused: map[string]map[string]uint64{
			"critical": reasons(n.Critical), "normal": reasons(n.Normal), "sheddable": reasons(n.Sheddable),
		},
	}
}

func breakerStatus(b *breaker.Breaker, refused uint64, now gabion.Instant) *status.Breaker {
	n := b.Snapshot(now)
	calls := float64(max(1, n.Calls))
	s := &status.Breaker{
		State: n.State.String(), Calls: n.Calls, Opened: n.Opened, Refused: refused,
		FailureRate: float64(n.Failures) / calls, SlowRate: float64(n.Slow) / calls,
	}
	if n.Until > now {
		s.RetryAfter = (n.Until - now).Seconds()
	}
	return s
}

// status is the endpoint's part of the picture. It is called with the service's lock held.
func (e *Endpoint) status(now gabion.Instant, wall time.Time) status.Endpoint {
	st := status.Endpoint{
		Name: e.Name(), Standby: e.standby, Weight: e.weight, InFlight: e.InFlight(),
		Errors: e.errors.Load(), Codes: map[string]uint64{}, Duration: e.duration.Status(),
	}
	for class := range e.classes {
		if n := e.classes[class].Load(); n > 0 {
			st.Codes[status.Classes[class]] = n
			st.Requests += n
		}
	}
	if b := e.breaker.Load(); b != nil {
		st.Breaker = breakerStatus(b, e.refused.Load(), now)
	}
	var since gabion.Instant
	st.State, st.Reason, since = e.state(now)
	if since != 0 {
		st.Since = wall.Add(since - now)
	}
	e.mu.Lock()
	st.Ejections = e.ejection.Count()
	e.mu.Unlock()
	return st
}

// state is the endpoint's state, the reason and when it began.
func (e *Endpoint) state(now gabion.Instant) (state, reason string, since gabion.Instant) {
	e.mu.Lock()
	out, why, outSince := e.ejection.State(), e.ejection.Why(), e.ejection.Since()
	e.mu.Unlock()
	ramp := e.member.Ramp(now, e.service.settings.slowStart)
	switch {
	case e.removed.Load():
		return status.Draining, "it was removed and finishes what it has in flight", 0
	case e.check.Down():
		return status.Unhealthy, e.check.Reason(), e.since
	case out == health.Out:
		return status.Ejected, why, outSince
	case out == health.Trial:
		return status.Trial, why, outSince
	case e.condition.tripped && e.Breaker().State() == breaker.Open:
		return status.Ejected, "its breaker is open", e.since
	case e.condition.tripped:
		return status.Trial, "its breaker tries probes", e.since
	case ramp < 1:
		return status.SlowStart, fmt.Sprintf("it has come back and weighs %.0f%%", 100*ramp), e.since
	case e.service.settings.active != nil && !e.check.Checked():
		return status.Unknown, "", 0
	}
	return status.Healthy, "", e.since
}
