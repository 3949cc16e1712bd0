package prometheus

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gabion-io/gabion"
)

// Family is all series of one name.
type Family struct {
	// Name is the name; Type is counter or gauge; Labels are those besides name; Help is one sentence.
	Name, Type string
	Labels     []string
	Help       string
}

// Families are all metrics that a [Collector] shows. Each has the label name, the Name of the policy.
var Families = []Family{
	{"gabion_breaker_state", "gauge", []string{"state"}, "1 for the state a breaker is in, 0 for the others."},
	{"gabion_breaker_mode", "gauge", []string{"mode"}, "1 for who decides about calls, 0 for the others."},
	{"gabion_breaker_opened_total", "counter", nil, "How often a breaker opened."},
	{"gabion_breaker_window_calls", "gauge", nil, "Ended calls that a breaker's window holds."},
	{"gabion_breaker_window_failures", "gauge", nil, "How many of them failed."},
	{"gabion_breaker_window_slow", "gauge", nil, "How many of them were slow."},

	{"gabion_bulkhead_in_flight", "gauge", nil, "Calls inside a bulkhead."},
	{"gabion_bulkhead_limit", "gauge", nil, "How many calls a bulkhead lets in at a time."},
	{"gabion_bulkhead_queued", "gauge", nil, "Calls that wait for room in a bulkhead."},
	{"gabion_bulkhead_pressed", "gauge", nil, "1 while the queue has not been empty for long, and the newest are served first."},
	{"gabion_bulkhead_waited_total", "counter", nil, "Calls that got a place after waiting for it."},
	{"gabion_bulkhead_wait_seconds_total", "counter", nil, "How long those waited together."},
	{"gabion_bulkhead_refused_total", "counter", []string{"reason"}, "Calls that a bulkhead refused."},

	{"gabion_limit_decisions_total", "counter", []string{"kind", "decision"}, "What a limit decided: kind is requests or server_time; decision is allowed or refused."},
	{"gabion_limit_keys", "gauge", []string{"kind"}, "Keys that a limit remembers."},
	{"gabion_limit_overflowed_total", "counter", []string{"kind"}, "Decisions for keys that shared a bucket, because there was no room for their own."},
	{"gabion_limit_in_flight", "gauge", []string{"kind"}, "Calls that a limit of server time charges."},

	{"gabion_retry_calls_total", "counter", nil, "Calls, each with all its tries."},
	{"gabion_retry_budget_left", "gauge", nil, "Retries that the budget would allow now."},
	{"gabion_retry_budget_retries_total", "counter", nil, "Retries that the budget allowed."},
	{"gabion_retry_budget_refused_total", "counter", nil, "Retries that were not made because the budget was empty."},

	{"gabion_hedge_after_seconds", "gauge", nil, "After how long a call would be made again beside itself; 0 while too little is known."},
	{"gabion_hedge_budget_left", "gauge", nil, "Hedges that the budget would allow now."},
	{"gabion_hedges_total", "counter", nil, "Calls that were made again beside themselves because they took long."},
	{"gabion_hedge_wins_total", "counter", nil, "How often that one answered first."},
	{"gabion_hedge_refused_total", "counter", nil, "Hedges that were not made because the budget was empty."},

	{"gabion_fallbacks_total", "counter", []string{"fallback"}, "Answers that a fallback gave."},
	{"gabion_fallback_exhausted_total", "counter", nil, "Calls for which no alternative could answer."},
	{"gabion_fallback_exercised_total", "counter", nil, "How often an alternative was asked although nothing had failed."},
	{"gabion_fallback_broken_total", "counter", nil, "How often it failed then."},

	{"gabion_faults_active", "gauge", []string{"kind"}, "Faults that are injected now."},

	{"gabion_timeout_seconds", "gauge", []string{"bound"}, "How long a call (total) or a try (attempt) may take; none when that is off."},

	{"gabion_shed_in_flight", "gauge", nil, "Calls that a shedder has admitted."},
	{"gabion_shed_queued", "gauge", nil, "Calls that wait for it."},
	{"gabion_shed_limit", "gauge", nil, "How many calls may run; 0 when all may."},
	{"gabion_shed_floor", "gauge", nil, "What the limit does not go below; 0 when none was needed yet."},
	{"gabion_shed_target_seconds", "gauge", nil, "The mean latency that the limit aims at."},
	{"gabion_shed_latency_seconds", "gauge", nil, "How long calls take lately; 0 before that is known."},
	{"gabion_shed_unqueued_latency_seconds", "gauge", nil, "How long they take while the limit is not reached; 0 before that is known."},
	{"gabion_shed_brownout", "gauge", nil, "How much optional work should be left out, from 0 to 1."},
	{"gabion_shed_waited_total", "counter", nil, "Calls that started after waiting."},
	{"gabion_shed_wait_seconds_total", "counter", nil, "How long those waited together."},
	{"gabion_shed_refused_total", "counter", []string{"priority", "reason"}, "Calls that a shedder did not start."},
}

type described struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

// descriptions finds what Prometheus needs of a family by its name.
var descriptions = func() map[string]described {
	all := make(map[string]described, len(Families))
	for _, f := range Families {
		d := described{prometheus.NewDesc(f.Name, f.Help, append([]string{"name"}, f.Labels...), nil), prometheus.GaugeValue}
		if f.Type == "counter" {
			d.kind = prometheus.CounterValue
		}
		all[f.Name] = d
	}
	return all
}()

// emitter hands the series of one policy to a scrape.
type emitter struct {
	out  chan<- prometheus.Metric
	now  gabion.Instant
	name string
}

func (e *emitter) put(family string, value float64, labels ...string) {
	d := descriptions[family]
	labels = append([]string{e.name}, labels...)
	for i, l := range labels { // one bad byte would cost the whole scrape
		labels[i] = strings.ToValidUTF8(l, "\uFFFD")
	}
	m, err := prometheus.NewConstMetric(d.desc, d.kind, value, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d.desc, err)
	}
	e.out <- m
}

func (e *emitter) count(family string, n uint64, labels ...string) {
	e.put(family, float64(n), labels...)
}

func (e *emitter) seconds(family string, d time.Duration, labels ...string) {
	e.put(family, d.Seconds(), labels...)
}

func (e *emitter) flag(family string, is bool, labels ...string) {
	if is {
		e.put(family, 1, labels...)
		return
	}
	e.put(family, 0, labels...)
}
