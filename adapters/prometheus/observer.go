package prometheus

import (
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gabion-io/gabion"
)

// maxSeries bounds what an Observer remembers for each of its families: names are set by the program, and a program can make
// them up.
const maxSeries = 2000

// others is the name of what there was no room for.
const others = "(others)"

// Observer is a [gabion.CallObserver] and a prometheus.Collector: set it in the Config of policies and pipes, and register it.
//
//	gabion_call_duration_seconds   histogram   ended calls of pipes, by name and outcome
//	gabion_policy_events_total     counter     what policies did, by policy, name, kind and reason
//
// The kind is a [gabion.EventKind] such as refused or retry, the reason that of [gabion.Event.Reason]. Keys, such as users, are
// never labels. It is safe for concurrent use. Make it with [NewObserver].
type Observer struct {
	calls  *prometheus.HistogramVec
	events *prometheus.CounterVec
	ended  series[ended, prometheus.Observer]
	told   series[told, prometheus.Counter]
}

type ended struct {
	name    string
	outcome gabion.Outcome
}

type told struct {
	kind                 gabion.EventKind
	policy, name, reason string
}

// NewObserver makes an observer.
func NewObserver() *Observer {
	o := &Observer{
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gabion_call_duration_seconds", Help: "How long calls through a pipe took, with all tries and waits.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"name", "outcome"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gabion_policy_events_total", Help: "What policies did: refusals, retries, timeouts, changes of state.",
		}, []string{"policy", "name", "kind", "reason"}),
	}
	o.ended.make = func(e ended) prometheus.Observer { return o.calls.WithLabelValues(valid(e.name), e.outcome.String()) }
	o.ended.rest = func(e ended) ended { return ended{others, e.outcome} }
	o.told.make = func(t told) prometheus.Counter {
		return o.events.WithLabelValues(valid(t.policy), valid(t.name), valid(string(t.kind)), valid(t.reason))
	}
	o.told.rest = func(told) told { return told{others, others, others, others} }
	return o
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

// Describe implements prometheus.Collector.
func (o *Observer) Describe(out chan<- *prometheus.Desc) {
	o.calls.Describe(out)
	o.events.Describe(out)
}

// Collect implements prometheus.Collector.
func (o *Observer) Collect(out chan<- prometheus.Metric) {
	o.calls.Collect(out)
	o.events.Collect(out)
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
