// Package promapi answers the HTTP API of Prometheus over a store of package tier, so that what speaks to Prometheus
// (Grafana, promtool, remote-write) speaks to Gabion.
//
//	GET, POST  /api/v1/query             an expression at a moment
//	GET, POST  /api/v1/query_range       an expression over a time
//	GET, POST  /api/v1/query_exemplars   always empty: exemplars are not kept
//	GET, POST  /api/v1/format_query      an expression, well laid out
//	GET, POST  /api/v1/series            the series that match
//	GET, POST  /api/v1/labels            the names of labels
//	GET        /api/v1/label/{name}/values
//	GET        /api/v1/metadata          what metrics mean
//	GET        /api/v1/rules, /api/v1/alerts
//	GET        /api/v1/status/{buildinfo,runtimeinfo,config,flags,tsdb}
//	POST       /api/v1/write             remote-write 1 and 2
//	POST       /api/v1/metrics           Prometheus' text format, or OpenMetrics
//
// Errors have Prometheus' shape: {"status":"error","errorType":"bad_data","error":"…"}.
package promapi

import (
	"cmp"
	"encoding/json"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/gabion-io/gabion/server/metrics/tier"
)

// Config is what an [API] is made of. The zero value of every field but Store means its default.
type Config struct {
	// Store is where everything is.
	Store *tier.Store
	// Judge knows the rules and alerts. Default: there are none.
	Judge Judge
	// Version and Revision are those of this program. Default: "unknown".
	Version, Revision string
	// Retention says for people how long is kept. Default: "15d raw, 5y rolled up".
	Retention string
	// Producer names who sent a request, for the counts of what was refused. Default: the host of its address.
	Producer func(*http.Request) string
	// Timeout is how long a look-up of series or labels may take. Default: 30s. Queries have the store's own.
	Timeout time.Duration
	// Now reads the wall clock, which is the time of a query and of a sample that has none. Default: time.Now.
	Now func() time.Time
}

// Judge knows rules and alerts. Each is an object as in Prometheus' own answer.
type Judge interface {
	RuleGroups() []json.RawMessage
	Alerts() []json.RawMessage
}

// API is the handler. It is safe for concurrent use.
type API struct {
	config Config
	store  *tier.Store
	parser parser.Parser
	mux    *http.ServeMux
	began  time.Time
	places chan struct{} // of look-ups; queries have their own
}

// lookUps is how many look-ups of series and labels run at a time.
const lookUps = 4

// New makes the handler. Its paths begin with /api/v1/.
func New(config Config) *API {
	config.Version = cmp.Or(config.Version, "unknown")
	config.Revision = cmp.Or(config.Revision, "unknown")
	config.Retention = cmp.Or(config.Retention, "15d raw, 5y rolled up")
	config.Timeout = cmp.Or(config.Timeout, 30*time.Second)
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Producer == nil {
		config.Producer = hostOf
	}
	if config.Judge == nil {
		config.Judge = nobody{}
	}
	a := &API{
		config: config, store: config.Store, parser: tier.NewParser(), mux: http.NewServeMux(),
		began: config.Now(), places: make(chan struct{}, lookUps),
	}
	a.routes()
	return a
}

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// endpoint answers a request with a value, or with an error.
type endpoint func(r *http.Request) (any, *failure)

func (a *API) routes() {
	both := func(path string, e endpoint) {
		a.mux.Handle("GET /api/v1/"+path, a.answer(e))
		a.mux.Handle("POST /api/v1/"+path, a.answer(e))
	}
	get := func(path string, e endpoint) { a.mux.Handle("GET /api/v1/"+path, a.answer(e)) }
	both("query", a.query)
	both("query_range", a.queryRange)
	both("query_exemplars", a.exemplars)
	both("format_query", a.format)
	both("series", a.series)
	both("labels", a.labels)
	get("label/{name}/values", a.values)
	get("metadata", a.metadata)
	get("rules", a.rules)
	get("alerts", a.alerts)
	get("status/buildinfo", a.buildInfo)
	get("status/runtimeinfo", a.runtimeInfo)
	get("status/config", a.configuration)
	get("status/flags", a.flags)
	get("status/tsdb", a.cardinality)
	a.mux.HandleFunc("POST /api/v1/write", a.write)
	a.mux.Handle("POST /api/v1/metrics", a.answer(a.text))
	a.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, &failure{http.StatusNotFound, "not_found", "there is no " + r.Method + " " + r.URL.Path + " here"})
	})
}

// hostOf is the default of [Config.Producer].
func hostOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || host == "" {
		return "local"
	}
	return host
}

// nobody has no rules.
type nobody struct{}

func (nobody) RuleGroups() []json.RawMessage { return nil }
func (nobody) Alerts() []json.RawMessage     { return nil }
