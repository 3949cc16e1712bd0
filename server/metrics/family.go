package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gabion-io/gabion/server/status"
)

// Family is all series of one name.
type Family struct {
	// Name is the name; Type is counter, gauge or histogram; Labels tell its series apart; Help is one sentence.
	Name, Type string
	Labels     []string
	Help       string
}

// Families are all metrics of Gabion itself. docs/metrics.md is held equal to this table by a test.
var Families = []Family{
	{"gabion_build_info", "gauge", []string{"version", "go_version"}, "Always 1; the labels say what runs."},

	{"gabion_http_requests_total", "counter", []string{"route", "service", "code"}, "Requests that ended, by the status the client got; code is none when it went away before anything was sent."},
	{"gabion_http_request_duration_seconds", "histogram", []string{"route", "service"}, "Time from the head of the request to the end of the answer. Connections that changed protocols are not in it."},
	{"gabion_http_requests_in_flight", "gauge", []string{"route", "service"}, "Requests on their way."},
	{"gabion_http_request_body_bytes", "histogram", []string{"route", "service"}, "Sizes of request bodies, as far as they were read."},
	{"gabion_http_response_body_bytes", "histogram", []string{"route", "service"}, "Sizes of answer bodies, as far as they were sent."},
	{"gabion_retries_total", "counter", []string{"route", "service"}, "Attempts beyond the first."},
	{"gabion_fallbacks_total", "counter", []string{"route", "service", "fallback"}, "Answers that a fallback gave."},
	{"gabion_problems_total", "counter", []string{"route", "service", "type"}, "Answers that Gabion itself gave, by the type of the problem."},

	{"gabion_endpoint_state", "gauge", []string{"service", "endpoint", "state"}, "1 for the state an endpoint is in, 0 for the others."},
	{"gabion_endpoint_requests_in_flight", "gauge", []string{"service", "endpoint"}, "Requests an endpoint works on."},
	{"gabion_endpoint_requests_total", "counter", []string{"service", "endpoint", "code"}, "Attempts sent to an endpoint, by the class of the answer: 1xx to 5xx; code is none when there was no answer, other when its status is not one of HTTP."},
	{"gabion_endpoint_request_duration_seconds", "histogram", []string{"service", "endpoint"}, "Time from dispatch to the head of the answer, or to the failure of an attempt that got none. Attempts that clients gave up are not in it."},
	{"gabion_endpoint_errors_total", "counter", []string{"service", "endpoint"}, "Attempts that failed or were answered with 5xx."},
	{"gabion_endpoint_ejections_total", "counter", []string{"service", "endpoint"}, "How often real requests took an endpoint out."},
	{"gabion_breaker_state", "gauge", []string{"service", "endpoint", "state"}, "1 for the state a breaker is in, 0 for the others; endpoint is empty for the breaker of the whole service."},
	{"gabion_breaker_opened_total", "counter", []string{"service", "endpoint"}, "How often a breaker opened."},
	{"gabion_breaker_refused_total", "counter", []string{"service", "endpoint"}, "Calls that a breaker refused."},
	{"gabion_service_fail_open", "gauge", []string{"service"}, "1 while all endpoints look unhealthy and are used all the same."},
	{"gabion_service_standby_active", "gauge", []string{"service"}, "1 while the standby pool serves."},
	{"gabion_bulkhead_in_flight", "gauge", []string{"service"}, "Requests inside a bulkhead."},
	{"gabion_bulkhead_queued", "gauge", []string{"service"}, "Requests that wait for room in a bulkhead."},
	{"gabion_bulkhead_limit", "gauge", []string{"service"}, "How many requests a bulkhead lets in at a time."},
	{"gabion_bulkhead_waited_total", "counter", []string{"service"}, "Requests that got a place in a bulkhead after waiting for it."},
	{"gabion_bulkhead_wait_seconds_total", "counter", []string{"service"}, "How long those waited."},
	{"gabion_bulkhead_refused_total", "counter", []string{"service", "reason"}, "Requests that a bulkhead refused: reason is full, wait, deadline, gone (the client went away) or displaced (by another one)."},
	{"gabion_shed_limit", "gauge", []string{"service"}, "How many requests may be in flight before load is shed."},
	{"gabion_shed_floor", "gauge", []string{"service"}, "What that limit does not go below; 0 when no floor was needed yet."},
	{"gabion_shed_in_flight", "gauge", []string{"service"}, "Requests in flight, as the limit counts them."},
	{"gabion_shed_queued", "gauge", []string{"service"}, "Requests that wait for others to end."},
	{"gabion_shed_target_seconds", "gauge", []string{"service"}, "The mean time of a request that the limit aims at."},
	{"gabion_shed_usual_seconds", "gauge", []string{"service"}, "The mean time that requests take lately, without their wait."},
	{"gabion_shed_brownout", "gauge", []string{"service"}, "How much optional work is to be left out, from 0 to 1."},
	{"gabion_shed_waited_total", "counter", []string{"service"}, "Requests that started after waiting."},
	{"gabion_shed_wait_seconds_total", "counter", []string{"service"}, "How long those waited."},
	{"gabion_shed_refused_total", "counter", []string{"service", "priority", "reason"}, "Requests that were shed: reason is full, displaced (by one that matters more), expired (in the queue) or gone (the client went away)."},
	{"gabion_hedge_after_seconds", "gauge", []string{"service"}, "After how long a request would be sent again beside itself; 0 while too little is known of the service."},
	{"gabion_hedge_budget_left", "gauge", []string{"service"}, "Hedges that the budget would allow now."},
	{"gabion_hedges_total", "counter", []string{"service"}, "Requests that were sent again beside themselves because they took long."},
	{"gabion_hedge_wins_total", "counter", []string{"service"}, "How often that one answered first."},
	{"gabion_hedge_refused_total", "counter", []string{"service"}, "Hedges that were not made because the budget was empty."},
	{"gabion_retry_budget_left", "gauge", []string{"service"}, "Retries that the budget would allow now."},
	{"gabion_retry_budget_max", "gauge", []string{"service"}, "The most retries that the budget can hold."},
	{"gabion_retry_budget_retries_total", "counter", []string{"service"}, "Retries that the budget allowed."},
	{"gabion_retry_budget_refused_total", "counter", []string{"service"}, "Retries that were not made because the budget was empty."},

	{"gabion_limit_decisions_total", "counter", []string{"limit", "kind", "decision"}, "What a limit decided: kind is requests, server_time or concurrency; decision is allowed, refused or shadow."},
	{"gabion_limit_keys", "gauge", []string{"limit"}, "Keys that a limit remembers."},

	{"gabion_store_up", "gauge", nil, "1 while the process that keeps metrics and logs takes what there is, 0 while it does not; left out when there is none."},
	{"gabion_store_restarts_total", "counter", nil, "How often that process was started again."},
	{"gabion_store_disk_state", "gauge", []string{"state"}, "1 for the state its disk is in: ok, low (what matters least is not kept any more) or full (nothing is); 0 for the others."},
	{"gabion_store_feed_buffered_items", "gauge", []string{"feed"}, "What waits to be sent to that process: feed is metrics or lines, and an item is many of these."},
	{"gabion_store_feed_buffered_bytes", "gauge", []string{"feed"}, "The memory that it takes."},
	{"gabion_store_feed_sent_total", "counter", []string{"feed"}, "Items that the process has taken."},
	{"gabion_store_feed_dropped_total", "counter", []string{"feed"}, "Items that were dropped because there was no room, the oldest first."},
	{"gabion_store_feed_refused_total", "counter", []string{"feed"}, "Items that the process will never take."},

	{"gabion_config_generation", "gauge", nil, "Grows by one with every configuration that came into force."},
	{"gabion_config_last_reload_success", "gauge", nil, "1 when the configuration in the file is in force, 0 when it was refused. One that the API refuses does not get into the file."},
	{"gabion_config_last_reload_timestamp_seconds", "gauge", nil, "When the file was last read, in seconds since 1970."},
	{"gabion_config_loaded_timestamp_seconds", "gauge", nil, "When the configuration in force was loaded, in seconds since 1970."},
	{"gabion_events_total", "counter", []string{"kind"}, "Events by kind."},
	{"gabion_events_lost_total", "counter", nil, "Events that followers lost because they were too slow."},
	{"gabion_access_log_lines_total", "counter", nil, "Lines of the access log that were written."},
	{"gabion_access_log_dropped_total", "counter", nil, "Lines of the access log that were dropped because its sink stalled or failed."},
}

type described struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

// descriptions finds what Prometheus needs of a family by its name.
var descriptions = func() map[string]described {
	all := make(map[string]described, len(Families))
	for _, f := range Families {
		d := described{prometheus.NewDesc(f.Name, f.Help, f.Labels, nil), prometheus.GaugeValue}
		if f.Type == "counter" {
			d.kind = prometheus.CounterValue
		}
		all[f.Name] = d
	}
	return all
}()

// emitter hands series to a scrape.
type emitter struct{ out chan<- prometheus.Metric }

func (e *emitter) put(name string, value float64, labels ...string) {
	d := descriptions[name]
	m, err := prometheus.NewConstMetric(d.desc, d.kind, value, valid(labels)...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d.desc, err)
	}
	e.out <- m
}

func (e *emitter) flag(name string, value bool, labels ...string) {
	if value {
		e.put(name, 1, labels...)
		return
	}
	e.put(name, 0, labels...)
}

func (e *emitter) histogram(name string, h status.Histogram, labels ...string) {
	d := descriptions[name]
	var count uint64
	buckets := make(map[float64]uint64, len(h.Buckets)) // Prometheus wants what is at most as large as each bound
	for i, b := range h.Buckets {
		if count += b.Count; i < len(h.Buckets)-1 {
			buckets[b.LE] = count
		}
	}
	m, err := prometheus.NewConstHistogram(d.desc, count, h.Sum, buckets, valid(labels)...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d.desc, err)
	}
	e.out <- m
}

// valid makes labels that Prometheus takes: one bad byte would cost the whole scrape.
func valid(labels []string) []string {
	for i, l := range labels {
		labels[i] = strings.ToValidUTF8(l, "\uFFFD")
	}
	return labels
}
