package metrics

import (
	"maps"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gabion-io/gabion/server/status"
)

// collector is what a scrape asks.
type collector struct{ m *Metrics }

// Describe implements [prometheus.Collector].
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, f := range Families {
		out <- descriptions[f.Name].desc
	}
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(out chan<- prometheus.Metric) {
	e, source := &emitter{out}, c.m.source
	c.m.build(e)
	for _, r := range c.m.visible() {
		e.route(r)
	}
	if source.Services != nil {
		for _, s := range source.Services() {
			e.service(s)
		}
	}
	if source.Limits != nil {
		for _, l := range source.Limits() {
			e.limit(l)
		}
	}
	if source.Store != nil {
		e.store(source.Store())
	}
	c.m.process(e)
}

func (e *emitter) store(s status.Store) {
	if s.State == status.StoreOff {
		return
	}
	e.flag("gabion_store_up", s.State == status.StoreUp)
	e.put("gabion_store_restarts_total", float64(s.Restarts))
	if s.Disk != "" {
		for _, state := range []string{"ok", "low", "full"} {
			e.flag("gabion_store_disk_state", s.Disk == state, state)
		}
	}
	for _, f := range s.Feeds {
		e.put("gabion_store_feed_buffered_items", float64(f.Buffered), f.Name)
		e.put("gabion_store_feed_buffered_bytes", float64(f.Bytes), f.Name)
		e.put("gabion_store_feed_sent_total", float64(f.Sent), f.Name)
		e.put("gabion_store_feed_dropped_total", float64(f.Dropped), f.Name)
		e.put("gabion_store_feed_refused_total", float64(f.Refused), f.Name)
	}
}

func (e *emitter) route(r shownRoute) {
	route, service := r.key.name, r.key.service
	r.eachCode(func(code string, n uint64) { e.put("gabion_http_requests_total", float64(n), route, service, code) })
	e.histogram("gabion_http_request_duration_seconds", r.duration.Status(), route, service)
	e.put("gabion_http_requests_in_flight", float64(r.inFlight.Load()), route, service)
	e.histogram("gabion_http_request_body_bytes", r.received.Status(), route, service)
	e.histogram("gabion_http_response_body_bytes", r.sent.Status(), route, service)
	e.put("gabion_retries_total", float64(r.retries.Load()), route, service)
	r.fallbacks.each(func(name string, n uint64) { e.put("gabion_fallbacks_total", float64(n), route, service, name) })
	r.problems.each(func(kind string, n uint64) { e.put("gabion_problems_total", float64(n), route, service, kind) })
}

func (e *emitter) service(s status.Service) {
	e.flag("gabion_service_fail_open", s.FailOpen, s.Name)
	e.flag("gabion_service_standby_active", s.StandbyActive, s.Name)
	for _, p := range merge(s.Endpoints) {
		e.endpoint(s.Name, p)
	}
	e.breaker(s.Name, "", s.Breaker)
	if b := s.Bulkhead; b != nil {
		e.put("gabion_bulkhead_in_flight", float64(b.InFlight), s.Name)
		e.put("gabion_bulkhead_queued", float64(b.Queued), s.Name)
		e.put("gabion_bulkhead_limit", float64(b.Limit), s.Name)
		e.put("gabion_bulkhead_waited_total", float64(b.Waited), s.Name)
		e.put("gabion_bulkhead_wait_seconds_total", b.Wait, s.Name)
		for reason, n := range b.Reasons {
			e.put("gabion_bulkhead_refused_total", float64(n), s.Name, reason)
		}
	}
	e.shed(s.Name, s.Shed)
	if h := s.Hedge; h != nil {
		e.put("gabion_hedge_after_seconds", h.After, s.Name)
		e.put("gabion_hedge_budget_left", h.Left, s.Name)
		e.put("gabion_hedges_total", float64(h.Hedges), s.Name)
		e.put("gabion_hedge_wins_total", float64(h.Wins), s.Name)
		e.put("gabion_hedge_refused_total", float64(h.Refused), s.Name)
	}
	if b := s.Budget; b != nil {
		e.put("gabion_retry_budget_left", b.Left, s.Name)
		e.put("gabion_retry_budget_max", b.Max, s.Name)
		e.put("gabion_retry_budget_retries_total", float64(b.Retries), s.Name)
		e.put("gabion_retry_budget_refused_total", float64(b.Refused), s.Name)
	}
}

func (e *emitter) shed(service string, s *status.Shed) {
	if s == nil {
		return
	}
	e.put("gabion_shed_limit", float64(s.Limit), service)
	e.put("gabion_shed_floor", float64(s.Floor), service)
	e.put("gabion_shed_in_flight", float64(s.InFlight), service)
	e.put("gabion_shed_queued", float64(s.Queued), service)
	e.put("gabion_shed_target_seconds", s.Target, service)
	e.put("gabion_shed_usual_seconds", s.Usual, service)
	e.put("gabion_shed_brownout", s.Brownout, service)
	e.put("gabion_shed_waited_total", float64(s.Waited), service)
	e.put("gabion_shed_wait_seconds_total", s.Wait, service)
	for priority, reasons := range s.Refused {
		for reason, n := range reasons {
			e.put("gabion_shed_refused_total", float64(n), service, priority, reason)
		}
	}
}

// merge makes one of endpoints that have the same name: one that was removed and drains while it is already back.
// Two series with the same labels would cost the whole scrape. The state is that of the one that is not draining.
func merge(endpoints []status.Endpoint) []status.Endpoint {
	at := make(map[string]int, len(endpoints))
	merged := make([]status.Endpoint, 0, len(endpoints))
	for _, p := range endpoints {
		i, twice := at[p.Name]
		if !twice {
			at[p.Name] = len(merged)
			merged = append(merged, p)
			continue
		}
		first := merged[i]
		if first.State == status.Draining {
			first, p = p, first
		}
		first.InFlight += p.InFlight
		first.Requests += p.Requests
		first.Errors += p.Errors
		first.Codes = sums(first.Codes, p.Codes)
		first.Duration = first.Duration.Plus(p.Duration)
		first.Ejections += p.Ejections
		merged[i] = first
	}
	return merged
}

func sums(a, b map[string]uint64) map[string]uint64 {
	sum := maps.Clone(a)
	for code, n := range b {
		sum[code] += n
	}
	return sum
}

func (e *emitter) endpoint(service string, p status.Endpoint) {
	for _, state := range status.EndpointStates {
		e.flag("gabion_endpoint_state", state == p.State, service, p.Name, state)
	}
	e.put("gabion_endpoint_requests_in_flight", float64(p.InFlight), service, p.Name)
	for _, class := range status.Classes { // also those not seen yet: the increase of a series that begins with 1 is 0
		e.put("gabion_endpoint_requests_total", float64(p.Codes[class]), service, p.Name, class)
	}
	e.histogram("gabion_endpoint_request_duration_seconds", p.Duration, service, p.Name)
	e.put("gabion_endpoint_errors_total", float64(p.Errors), service, p.Name)
	e.put("gabion_endpoint_ejections_total", float64(p.Ejections), service, p.Name)
	e.breaker(service, p.Name, p.Breaker)
}

func (e *emitter) breaker(service, endpoint string, b *status.Breaker) {
	if b == nil {
		return
	}
	for _, state := range []string{status.Closed, status.HalfOpen, status.Open} {
		e.flag("gabion_breaker_state", state == b.State, service, endpoint, state)
	}
	e.put("gabion_breaker_opened_total", float64(b.Opened), service, endpoint)
	e.put("gabion_breaker_refused_total", float64(b.Refused), service, endpoint)
}

func (e *emitter) limit(l status.Limit) {
	e.put("gabion_limit_keys", float64(l.Keys), l.Name)
	for _, d := range l.Decisions {
		e.put("gabion_limit_decisions_total", float64(d.Count), l.Name, d.Kind, d.Decision)
	}
}

// process shows what belongs to the process as a whole.
func (m *Metrics) process(e *emitter) {
	if m.source.Config != nil {
		c := m.source.Config()
		e.put("gabion_config_generation", float64(c.Generation))
		e.flag("gabion_config_last_reload_success", c.Error == "")
		e.put("gabion_config_last_reload_timestamp_seconds", float64(c.Tried.UnixMilli())/1000)
		e.put("gabion_config_loaded_timestamp_seconds", float64(c.Loaded.UnixMilli())/1000)
	}
	if m.source.Events != nil {
		byKind, lost := m.source.Events()
		for kind, n := range byKind {
			e.put("gabion_events_total", float64(n), string(kind))
		}
		e.put("gabion_events_lost_total", float64(lost))
	}
	if m.source.Access != nil {
		written, dropped := m.source.Access()
		e.put("gabion_access_log_lines_total", float64(written))
		e.put("gabion_access_log_dropped_total", float64(dropped))
	}
}
