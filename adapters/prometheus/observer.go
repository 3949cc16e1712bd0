package prometheus

import (
	"strconv"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/httpx"
)

// maxSeries bounds what an Observer remembers for each of its families: names are set by the program, and a program can make
// them up.
const maxSeries = 2000

// others is the name of what there was no room for.
const others = "(others)"

// Observer counts calls, what policies do, and requests. It is a [gabion.CallObserver] and a prometheus.Collector: set it in the
// Config of policies and pipes, set its ObserveRequest as Ended of a [httpx.Handler], and register it.
//
//	gabion_call_duration_seconds           histogram   ended calls of pipes, by name and outcome
//	gabion_policy_events_total             counter     what policies did, by policy, name, kind and reason
//	gabion_http_requests_total             counter     requests that ended, by handler and code
//	gabion_http_request_duration_seconds   histogram   how long they took, by handler
//	gabion_http_request_body_bytes         histogram   how much of their bodies was read, by handler
//	gabion_http_response_body_bytes        histogram   how much was answered, by handler
//
// The kind is a [gabion.EventKind] such as refused or retry, the reason that of [gabion.Event.Reason], the handler the pattern by
// which a http.ServeMux found it, and "" when there was none; the code is none when there was no answer. Keys, such as users, and
// paths are never labels. An Observer is safe for concurrent use. Make it with [NewObserver].
type Observer struct {
	calls    *prometheus.HistogramVec
	events   *prometheus.CounterVec
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	read     *prometheus.HistogramVec
	written  *prometheus.HistogramVec

	ended   series[ended, prometheus.Observer]
	told    series[told, prometheus.Counter]
	served  series[served, prometheus.Counter]
	handled series[string, handled]
}

type ended struct {
	name    string
	outcome gabion.Outcome
}

type told struct {
	kind                 gabion.EventKind
	policy, name, reason string
}

type served struct {
	handler string
	code    int
}

// handled are the histograms of a handler.
type handled struct{ took, read, written prometheus.Observer }

// The buckets: of times, those of the semantic conventions of OpenTelemetry; of sizes, nothing at all is one of its own.
var (
	durations = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
	sizes     = []float64{0, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20}
)

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}

// NewObserver makes an observer.
func NewObserver() *Observer {
	o := &Observer{
		calls:    histogram("gabion_call_duration_seconds", "How long calls through a pipe took, with all tries and waits.", durations, "name", "outcome"),
		events:   counter("gabion_policy_events_total", "What policies did: refusals, retries, timeouts, changes of state.", "policy", "name", "kind", "reason"),
		requests: counter("gabion_http_requests_total", "Requests that ended.", "handler", "code"),
		took:     histogram("gabion_http_request_duration_seconds", "How long requests took.", durations, "handler"),
		read:     histogram("gabion_http_request_body_bytes", "Sizes of request bodies, as far as they were read.", sizes, "handler"),
		written:  histogram("gabion_http_response_body_bytes", "Sizes of answer bodies, as far as they were written.", sizes, "handler"),
	}
	o.ended.make = func(e ended) prometheus.Observer { return o.calls.WithLabelValues(valid(e.name), e.outcome.String()) }
	o.ended.rest = func(e ended) ended { return ended{others, e.outcome} }
	o.told.make = func(t told) prometheus.Counter {
		return o.events.WithLabelValues(valid(t.policy), valid(t.name), valid(string(t.kind)), valid(t.reason))
	}
	o.told.rest = func(told) told { return told{others, others, others, others} }
	o.served.make = func(s served) prometheus.Counter { return o.requests.WithLabelValues(valid(s.handler), code(s.code)) }
	o.served.rest = func(served) served { return served{others, 0} }
	o.handled.make = func(handler string) handled {
		handler = valid(handler)
		return handled{o.took.WithLabelValues(handler), o.read.WithLabelValues(handler), o.written.WithLabelValues(handler)}
	}
	o.handled.rest = func(string) string { return others }
	return o
}

// code is the label for a status.
func code(status int) string {
	if status == 0 {
		return "none"
	}
	return strconv.Itoa(status)
}

// valid is a text that can be the value of a label: one bad byte would cost the whole scrape.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// Observe implements [gabion.Observer].
func (o *Observer) Observe(e gabion.Event) {
	if e.Kind == gabion.EventCall { // of a pipe whose observer passes events on
		o.ended.of(ended{e.Name, e.Outcome}).Observe(e.Took.Seconds())
		return
	}
	o.told.of(told{e.Kind, e.Policy, e.Name, e.Reason()}).Inc()
}

// ObserveCall implements [gabion.CallObserver].
func (o *Observer) ObserveCall(c gabion.Call) {
	o.ended.of(ended{c.Pipe.Name(), c.Outcome}).Observe(c.Took.Seconds())
}

// ObserveRequest counts a request that has ended: it is made for the Ended of a [httpx.HandlerConfig].
func (o *Observer) ObserveRequest(s httpx.Served) {
	handler := s.Request.Pattern
	o.served.of(served{handler, s.Status}).Inc()
	h := o.handled.of(handler)
	h.took.Observe(s.Took.Seconds())
	h.read.Observe(float64(s.Read))
	h.written.Observe(float64(s.Written))
}

func (o *Observer) all() []prometheus.Collector {
	return []prometheus.Collector{o.calls, o.events, o.requests, o.took, o.read, o.written}
}

// Describe implements prometheus.Collector.
func (o *Observer) Describe(out chan<- *prometheus.Desc) {
	for _, family := range o.all() {
		family.Describe(out)
	}
}

// Collect implements prometheus.Collector.
func (o *Observer) Collect(out chan<- prometheus.Metric) {
	for _, family := range o.all() {
		family.Collect(out)
	}
}

// series are those of one family, found without making the strings of their labels.
type series[K comparable, V any] struct {
	make func(K) V
	rest func(K) K // in place of one for which there is no room

	mu    sync.RWMutex
	known map[K]V
}

func (s *series[K, V]) of(k K) V {
	s.mu.RLock()
	v, ok := s.known[k]
	s.mu.RUnlock()
	if ok {
		return v
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxSeries {
		k = s.rest(k)
	}
	if v, ok = s.known[k]; ok {
		return v
	}
	if s.known == nil {
		s.known = map[K]V{}
	}
	v = s.make(k)
	s.known[k] = v
	return v
}
