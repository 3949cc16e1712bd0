package prometheus

import (
	"fmt"
	"maps"
	"slices"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/fallback"
	"github.com/gabion-io/gabion/fault"
	"github.com/gabion-io/gabion/hedge"
	"github.com/gabion-io/gabion/ratelimit"
	"github.com/gabion-io/gabion/retry"
	"github.com/gabion-io/gabion/shed"
	"github.com/gabion-io/gabion/timeout"
)

// sourceOf says what a policy is and how it is shown.
func sourceOf(policy gabion.Policy) (identity, source, error) {
	kind := ""
	s := source{policy: policy}
	switch p := policy.(type) {
	case *breaker.Breaker:
		s.show = func(e *emitter) { e.breaker(p.Snapshot(e.now)) }
	case *bulkhead.Bulkhead:
		s.show = func(e *emitter) { e.bulkhead(p.Snapshot()) }
	case *ratelimit.Requests:
		kind = ratelimit.ReasonRequests
		s.show = func(e *emitter) { e.limit(kind, p.Snapshot()) }
	case *ratelimit.ServerTime:
		kind = ratelimit.ReasonServerTime
		s.show = func(e *emitter) {
			snapshot := p.Snapshot()
			e.limit(kind, snapshot)
			e.put("gabion_limit_in_flight", float64(snapshot.InFlight), kind)
		}
	case *retry.Retry:
		s.show = func(e *emitter) { e.retry(p.Snapshot(e.now)) }
	case *hedge.Hedge:
		s.show = func(e *emitter) { e.hedge(p.Snapshot(e.now)) }
	case *fallback.Fallback:
		s.show = func(e *emitter) { e.fallback(p.Snapshot()) }
	case *fault.Fault:
		s.show = func(e *emitter) { e.faults(p.Active(e.now)) }
	case *timeout.Timeout:
		s.show = func(e *emitter) { e.timeout(p) }
	case *shed.Shedder:
		s.show = func(e *emitter) { e.shed(p.Snapshot()) }
	default:
		return identity{}, s, fmt.Errorf("prometheus: a %T has nothing that could be shown", policy)
	}
	d := policy.Describe()
	if kind != "" {
		d.Kind += " of " + kind
	}
	return identity{d.Kind, d.Name}, s, nil
}

func (e *emitter) breaker(s breaker.Snapshot) {
	for _, state := range []breaker.State{breaker.Closed, breaker.Open, breaker.HalfOpen, breaker.Ramping} {
		e.flag("gabion_breaker_state", state == s.State, state.String())
	}
	for _, mode := range []breaker.Mode{breaker.Automatic, breaker.ForcedOpen, breaker.ForcedClosed, breaker.Watching} {
		e.flag("gabion_breaker_mode", mode == s.Mode, mode.String())
	}
	e.count("gabion_breaker_opened_total", s.Opened)
	e.put("gabion_breaker_window_calls", float64(s.Calls))
	e.put("gabion_breaker_window_failures", float64(s.Failures))
	e.put("gabion_breaker_window_slow", float64(s.Slow))
}

func (e *emitter) bulkhead(s bulkhead.Snapshot) {
	e.put("gabion_bulkhead_in_flight", float64(s.InFlight))
	e.put("gabion_bulkhead_limit", float64(s.Limit))
	e.put("gabion_bulkhead_queued", float64(s.Queued))
	e.flag("gabion_bulkhead_pressed", s.Pressed)
	e.count("gabion_bulkhead_waited_total", s.Waited)
	e.seconds("gabion_bulkhead_wait_seconds_total", s.Wait)
	e.count("gabion_bulkhead_refused_total", s.Drops.Full, "full")
	e.count("gabion_bulkhead_refused_total", s.Drops.Wait, "wait")
	e.count("gabion_bulkhead_refused_total", s.Drops.Deadline, "deadline")
	e.count("gabion_bulkhead_refused_total", s.Drops.Gone, "gone")
	e.count("gabion_bulkhead_refused_total", s.Drops.Displaced, "displaced")
}

func (e *emitter) limit(kind string, s ratelimit.Snapshot) {
	e.count("gabion_limit_decisions_total", s.Admitted, kind, "allowed")
	e.count("gabion_limit_decisions_total", s.Refused, kind, "refused")
	e.put("gabion_limit_keys", float64(s.Keys), kind)
	e.count("gabion_limit_overflowed_total", s.Overflowed, kind)
}

func (e *emitter) retry(s retry.Snapshot) {
	e.count("gabion_retry_calls_total", s.Calls)
	e.put("gabion_retry_budget_left", s.Budget)
	e.count("gabion_retry_budget_retries_total", s.Retries)
	e.count("gabion_retry_budget_refused_total", s.OverBudget)
}

func (e *emitter) hedge(s hedge.Snapshot) {
	e.seconds("gabion_hedge_after_seconds", s.After)
	e.put("gabion_hedge_budget_left", s.Budget)
	e.count("gabion_hedges_total", s.Hedges)
	e.count("gabion_hedge_wins_total", s.Wins)
	e.count("gabion_hedge_refused_total", s.OverBudget)
}

func (e *emitter) fallback(s fallback.Snapshot) {
	for _, name := range slices.Sorted(maps.Keys(s.Served)) {
		e.count("gabion_fallbacks_total", s.Served[name], name)
	}
	e.count("gabion_fallback_exhausted_total", s.Exhausted)
	e.count("gabion_fallback_exercised_total", s.Exercised)
	e.count("gabion_fallback_broken_total", s.Broken)
}

func (e *emitter) faults(active []*fault.Injection) {
	for _, kind := range []fault.Kind{fault.Latency, fault.Error, fault.Hang, fault.Reset} {
		n := 0
		for _, i := range active {
			if i.Rule().Kind == kind {
				n++
			}
		}
		e.put("gabion_faults_active", float64(n), string(kind))
	}
}

func (e *emitter) timeout(t *timeout.Timeout) {
	if total := t.Total(); total > 0 {
		e.seconds("gabion_timeout_seconds", total, "total")
	}
	if attempt := t.Attempt(); attempt > 0 {
		e.seconds("gabion_timeout_seconds", attempt, "attempt")
	}
}

func (e *emitter) shed(s shed.Snapshot) {
	e.put("gabion_shed_in_flight", float64(s.InFlight))
	e.put("gabion_shed_queued", float64(s.Queued))
	e.put("gabion_shed_limit", float64(s.Limit))
	e.put("gabion_shed_floor", float64(s.Floor))
	e.seconds("gabion_shed_target_seconds", s.Target)
	e.seconds("gabion_shed_latency_seconds", s.Usual)
	e.seconds("gabion_shed_unqueued_latency_seconds", s.Unqueued)
	e.put("gabion_shed_brownout", s.Brownout)
	e.count("gabion_shed_waited_total", s.Waited)
	e.seconds("gabion_shed_wait_seconds_total", s.Wait)
	e.drops(gabion.Critical, s.Critical)
	e.drops(gabion.Normal, s.Normal)
	e.drops(gabion.Sheddable, s.Sheddable)
}

func (e *emitter) drops(p gabion.Priority, d shed.Drops) {
	e.count("gabion_shed_refused_total", d.Full, p.String(), "full")
	e.count("gabion_shed_refused_total", d.Displaced, p.String(), "displaced")
	e.count("gabion_shed_refused_total", d.Expired, p.String(), "expired")
	e.count("gabion_shed_refused_total", d.Gone, p.String(), "gone")
}
