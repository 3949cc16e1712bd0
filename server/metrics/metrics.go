// Package metrics counts what happens and shows it in the format of Prometheus. All names are in docs/metrics.md.
//
// What every request pays for are a few atomic additions on counters of its [Route], without labels and without
// allocation. Everything else is read from where it is counted anyway, when somebody asks.
package metrics

import (
	"net/http"
	"runtime"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/status"
)

// Source is where metrics are read that others count. A function that is nil gives none. All are called from several
// goroutines.
type Source struct {
	// Version is the version of the binary.
	Version string
	// Services and Limits are the gateway's, as of now.
	Services func() []status.Service
	Limits   func() []status.Limit
	// Config is the configuration in force.
	Config func() status.Config
	// Store is the process that keeps metrics and logs.
	Store func() status.Store
	// Events counts events by kind, and those that followers lost.
	Events func() (byKind map[event.Kind]uint64, lost uint64)
	// Access counts lines of the access log: written, and dropped because its sink stalled or failed.
	Access func() (written, dropped uint64)
}

// Metrics holds the counters of all routes and the registry. Make it with [New]. It is safe for concurrent use.
type Metrics struct {
	source   Source
	registry *prometheus.Registry

	mu     sync.Mutex
	routes map[routeKey]*Route
	shown  []shownRoute
}

// routeKey is what the counters of a route live on by. A route that goes to another service begins anew: what was
// counted belongs to the one before.
type routeKey struct{ name, service string }

type shownRoute struct {
	key   routeKey
	owner string
	*Route
}

// New makes the metrics and their registry.
func New(source Source) *Metrics {
	m := &Metrics{source: source, registry: prometheus.NewPedanticRegistry(), routes: map[routeKey]*Route{}}
	m.Keep(nil)
	m.registry.MustRegister(
		&collector{m},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Route gives the counters of a configured route, those it had before if it is known. They are shown from the next
// [Metrics.Keep] on. A route without a name stands for the requests that no route takes.
func (m *Metrics) Route(r config.Route) *Route {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.route(routeKey{r.Name, r.Service})
}

func (m *Metrics) route(key routeKey) *Route {
	if m.routes[key] == nil {
		m.routes[key] = newRoute()
	}
	return m.routes[key]
}

// Keep says which routes are in force: these, and what no route takes, are shown; the counters of all others are
// forgotten. It is called after every attempt to change the configuration, whether it succeeded or not.
func (m *Metrics) Keep(routes []config.Route) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := make(map[routeKey]*Route, len(routes)+1)
	m.shown = nil
	for _, r := range append(slices.Clip(routes), config.Route{}) {
		key := routeKey{r.Name, r.Service}
		if kept[key] == nil {
			kept[key] = m.route(key)
			m.shown = append(m.shown, shownRoute{key, r.Owner, kept[key]})
		}
	}
	m.routes = kept
}

// visible are the routes to show. The slice is not changed afterwards.
func (m *Metrics) visible() []shownRoute {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.shown
}

// Status is the picture of one route; false when no such route is in force. The name "" stands for what no route
// takes.
func (m *Metrics) Status(name string) (status.Route, bool) {
	for _, r := range m.visible() {
		if r.key.name == name {
			return r.status(), true
		}
	}
	return status.Route{}, false
}

// Routes are the pictures of all routes in force, in the order of the configuration; last is the one without a
// name, for what no route takes.
func (m *Metrics) Routes() []status.Route {
	shown := m.visible()
	all := make([]status.Route, len(shown))
	for i, r := range shown {
		all[i] = r.status()
	}
	return all
}

// Gatherer gives all metrics to those who read them in the process.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// scrapes is how many scrapes may run at a time; more are answered with 503.
const scrapes = 4

// Handler answers with all metrics, in the text format or whatever the asking side prefers.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: scrapes, EnableOpenMetrics: true,
	})
}

func (m *Metrics) build(e *emitter) {
	e.put("gabion_build_info", 1, m.source.Version, runtime.Version())
}
