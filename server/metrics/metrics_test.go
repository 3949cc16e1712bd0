package metrics_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/metrics"
	"github.com/gabion-io/gabion/server/status"
)

// full is a source in which everything is there.
func full() metrics.Source {
	at := time.UnixMilli(1700000000500)
	breaker := &status.Breaker{State: status.HalfOpen, Opened: 2, Refused: 30}
	return metrics.Source{
		Version: "1.2.3",
		Services: func() []status.Service {
			return []status.Service{{
				Name: "catalog", FailOpen: true, Breaker: breaker,
				Bulkhead: &status.Bulkhead{
					InFlight: 3, Queued: 1, Limit: 10, Waited: 7, Wait: 0.25, Refused: 4, Reasons: map[string]uint64{"full": 4, "wait": 0},
				},
				Shed: &status.Shed{
					Limit: 40, Floor: 5, InFlight: 39, Queued: 6, Target: 0.3, Usual: 0.2, Brownout: 0.5, Waited: 8, Wait: 1.5,
					Refused: map[string]map[string]uint64{"normal": {"full": 3, "expired": 1}, "critical": {"full": 0}},
				},
				Hedge:  &status.Hedge{After: 0.04, Left: 3, Hedges: 9, Wins: 5, Refused: 1},
				Budget: &status.Budget{Left: 7.5, Max: 10, Retries: 5, Refused: 6},
				Endpoints: []status.Endpoint{
					{Name: "a:1", State: status.Draining, InFlight: 1, Requests: 100, Errors: 9, Ejections: 1, Codes: map[string]uint64{"2xx": 91, "none": 9}, Duration: took(100)},
					{Name: "a:1", State: status.Ejected, InFlight: 2, Requests: 10, Errors: 1, Ejections: 2, Breaker: breaker, Codes: map[string]uint64{"2xx": 10}, Duration: took(10)},
					{Name: "b:\xff", State: status.Healthy},
				},
			}, {Name: "plain"}}
		},
		Limits: func() []status.Limit {
			return []status.Limit{{Name: "per-user", Keys: 12, Decisions: []status.Decision{{Kind: "requests", Decision: "refused", Count: 8}}}}
		},
		Config: func() status.Config {
			return status.Config{Generation: 3, Error: "refused", Tried: at, Loaded: at.Add(-time.Minute)}
		},
		Store: func() status.Store {
			return status.Store{State: status.StoreUp, Restarts: 2, Disk: "low", Feeds: []status.Feed{{Name: "lines", Buffered: 3, Bytes: 4, Sent: 5, Dropped: 6, Refused: 7}}}
		},
		Events: func() (map[event.Kind]uint64, uint64) { return map[event.Kind]uint64{event.KindBreaker: 11}, 2 },
		Access: func() (uint64, uint64) { return 40, 1 },
	}
}

// took is a histogram of n observations of 2 s.
func took(n uint64) status.Histogram {
	return status.Histogram{Sum: 2 * float64(n), Buckets: []status.Bucket{{LE: 1}, {LE: 2.5, Count: n}, {}}}
}

func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func wants(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			name, _, _ := strings.Cut(line, " ")
			name, _, _ = strings.Cut(name, "{")
			t.Errorf("no line\n%s\nbut\n%s", line, about(text, name))
		}
	}
}

// about are the lines that begin with name.
func about(text, name string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, name) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

var product = config.Route{Name: "product", Service: "catalog", Owner: "team-shop"}

func one(m *metrics.Metrics, r config.Route, e exchange.Record, took time.Duration) {
	counters := m.Route(r)
	counters.Enter()
	counters.Leave(&e, took)
}

func TestRequestsOfARoute(t *testing.T) {
	m := metrics.New(metrics.Source{})
	m.Keep([]config.Route{product})
	one(m, product, exchange.Record{Status: 200, Attempts: 3, Received: 1, Sent: 5 << 10}, 5*time.Millisecond)
	one(m, product, exchange.Record{Status: 200, Attempts: 1}, 5*time.Millisecond+time.Microsecond)
	one(m, product, exchange.Record{Status: 429, Problem: "rate-limited"}, 0)
	one(m, product, exchange.Record{Status: 0}, time.Hour)
	one(m, product, exchange.Record{Status: 999, Degraded: "respond-200", Attempts: 1}, -time.Second)
	one(m, product, exchange.Record{Status: 101, Upgraded: true}, time.Hour)
	one(m, config.Route{}, exchange.Record{Status: 404, Problem: "no-route"}, time.Millisecond)
	m.Route(product).Enter()

	wants(t, scrape(t, m),
		`gabion_http_requests_total{code="200",route="product",service="catalog"} 2`,
		`gabion_http_requests_total{code="429",route="product",service="catalog"} 1`,
		`gabion_http_requests_total{code="none",route="product",service="catalog"} 1`,
		`gabion_http_requests_total{code="other",route="product",service="catalog"} 1`,
		`gabion_http_requests_total{code="101",route="product",service="catalog"} 1`,
		`gabion_http_requests_total{code="404",route="",service=""} 1`,
		`gabion_http_request_duration_seconds_bucket{route="product",service="catalog",le="0.005"} 3`,
		`gabion_http_request_duration_seconds_bucket{route="product",service="catalog",le="0.01"} 4`,
		`gabion_http_request_duration_seconds_bucket{route="product",service="catalog",le="10"} 4`,
		`gabion_http_request_duration_seconds_bucket{route="product",service="catalog",le="+Inf"} 5`,
		`gabion_http_request_duration_seconds_sum{route="product",service="catalog"} 3600.010001`,
		`gabion_http_request_body_bytes_bucket{route="product",service="catalog",le="0"} 5`,
		`gabion_http_request_body_bytes_sum{route="product",service="catalog"} 1`,
		`gabion_http_response_body_bytes_bucket{route="product",service="catalog",le="16384"} 6`,
		`gabion_http_response_body_bytes_sum{route="product",service="catalog"} 5120`,
		`gabion_http_requests_in_flight{route="product",service="catalog"} 1`,
		`gabion_retries_total{route="product",service="catalog"} 2`,
		`gabion_fallbacks_total{fallback="respond-200",route="product",service="catalog"} 1`,
		`gabion_problems_total{route="product",service="catalog",type="rate-limited"} 1`,
		`gabion_problems_total{route="",service="",type="no-route"} 1`,
	)

	s, ok := m.Status("product")
	if !ok || s.Requests != 6 || s.Codes["200"] != 2 || s.Codes["none"] != 1 || s.InFlight != 1 || s.Retries != 2 ||
		s.Fallbacks != 1 || s.Service != "catalog" || s.Owner != "team-shop" {
		t.Errorf("%+v", s)
	}
	var sum uint64
	for _, b := range s.Duration.Buckets {
		sum += b.Count
	}
	last := s.Duration.Buckets[len(s.Duration.Buckets)-1]
	if sum != 5 || last != (status.Bucket{Count: 1}) || s.Duration.Buckets[0] != (status.Bucket{LE: 0.005, Count: 3}) {
		t.Errorf("%+v", s.Duration)
	}
	if s, ok := m.Status(""); !ok || s.Requests != 1 {
		t.Errorf("what no route takes: %+v", s)
	}
}

func TestWhatIsCountedElsewhere(t *testing.T) {
	wants(t, scrape(t, metrics.New(full())),
		`gabion_endpoint_state{endpoint="a:1",service="catalog",state="ejected"} 1`,
		`gabion_endpoint_state{endpoint="a:1",service="catalog",state="draining"} 0`,
		"gabion_endpoint_state{endpoint=\"b:\uFFFD\",service=\"catalog\",state=\"healthy\"} 1",
		`gabion_endpoint_requests_in_flight{endpoint="a:1",service="catalog"} 3`,
		`gabion_endpoint_requests_total{code="2xx",endpoint="a:1",service="catalog"} 101`,
		`gabion_endpoint_requests_total{code="none",endpoint="a:1",service="catalog"} 9`,
		`gabion_endpoint_requests_total{code="5xx",endpoint="a:1",service="catalog"} 0`,
		`gabion_endpoint_request_duration_seconds_bucket{endpoint="a:1",service="catalog",le="1"} 0`,
		`gabion_endpoint_request_duration_seconds_bucket{endpoint="a:1",service="catalog",le="2.5"} 110`,
		`gabion_endpoint_request_duration_seconds_sum{endpoint="a:1",service="catalog"} 220`,
		`gabion_endpoint_errors_total{endpoint="a:1",service="catalog"} 10`,
		`gabion_endpoint_ejections_total{endpoint="a:1",service="catalog"} 3`,
		`gabion_breaker_state{endpoint="",service="catalog",state="half_open"} 1`,
		`gabion_breaker_state{endpoint="a:1",service="catalog",state="closed"} 0`,
		`gabion_breaker_opened_total{endpoint="",service="catalog"} 2`,
		`gabion_breaker_refused_total{endpoint="",service="catalog"} 30`,
		`gabion_service_fail_open{service="catalog"} 1`,
		`gabion_service_standby_active{service="catalog"} 0`,
		`gabion_bulkhead_in_flight{service="catalog"} 3`,
		`gabion_bulkhead_waited_total{service="catalog"} 7`,
		`gabion_bulkhead_wait_seconds_total{service="catalog"} 0.25`,
		`gabion_bulkhead_refused_total{reason="full",service="catalog"} 4`,
		`gabion_shed_limit{service="catalog"} 40`,
		`gabion_shed_queued{service="catalog"} 6`,
		`gabion_shed_brownout{service="catalog"} 0.5`,
		`gabion_shed_wait_seconds_total{service="catalog"} 1.5`,
		`gabion_shed_refused_total{priority="normal",reason="full",service="catalog"} 3`,
		`gabion_shed_refused_total{priority="critical",reason="full",service="catalog"} 0`,
		`gabion_hedge_after_seconds{service="catalog"} 0.04`,
		`gabion_hedges_total{service="catalog"} 9`,
		`gabion_hedge_wins_total{service="catalog"} 5`,
		`gabion_hedge_refused_total{service="catalog"} 1`,
		`gabion_retry_budget_left{service="catalog"} 7.5`,
		`gabion_limit_decisions_total{decision="refused",kind="requests",limit="per-user"} 8`,
		`gabion_limit_keys{limit="per-user"} 12`,
		`gabion_config_generation 3`,
		`gabion_config_last_reload_success 0`,
		`gabion_config_last_reload_timestamp_seconds 1.7000000005e+09`,
		`gabion_events_total{kind="breaker"} 11`,
		`gabion_access_log_dropped_total 1`,
		`gabion_service_fail_open{service="plain"} 0`,
	)
}

func TestReload(t *testing.T) {
	m := metrics.New(metrics.Source{})
	gone := config.Route{Name: "gone", Service: "catalog"}
	m.Keep([]config.Route{product, gone})
	one(m, product, exchange.Record{Status: 200}, 0)
	one(m, gone, exchange.Record{Status: 200}, 0)

	one(m, config.Route{Name: "refused"}, exchange.Record{Status: 200}, 0) // compiled, and not in force after all
	m.Keep([]config.Route{product, gone})
	if _, ok := m.Status("refused"); ok {
		t.Error("a route that is not in force is shown")
	}
	if s, _ := m.Status("gone"); s.Requests != 1 {
		t.Errorf("a route lost its counters in a reload: %+v", s)
	}

	changed := product
	changed.Owner = "team-two"
	m.Keep([]config.Route{changed})
	if s, _ := m.Status("product"); s.Requests != 1 || s.Owner != "team-two" {
		t.Errorf("product: %+v", s)
	}
	if text := scrape(t, m); strings.Contains(text, `"gone"`) {
		t.Error("a route that is gone is still shown")
	}
	m.Keep([]config.Route{changed, gone})
	if s, _ := m.Status("gone"); s.Requests != 0 {
		t.Errorf("a route that came back remembers: %+v", s)
	}

	changed.Service = "other"
	m.Keep([]config.Route{changed})
	if s, _ := m.Status("product"); s.Requests != 0 || s.Service != "other" {
		t.Errorf("requests of one service count for another: %+v", s)
	}
	if all := m.Routes(); len(all) != 2 || all[0].Name != "product" || all[1].Name != "" {
		t.Errorf("%+v", all)
	}
}

func TestNamesAreBounded(t *testing.T) {
	m := metrics.New(metrics.Source{})
	m.Keep([]config.Route{product})
	for i := range 1000 {
		one(m, product, exchange.Record{Status: 200, Degraded: fmt.Sprint(i)}, 0)
	}
	text := scrape(t, m)
	wants(t, text, `gabion_fallbacks_total{fallback="other",route="product",service="catalog"} 936`)
	if n := strings.Count(text, "\ngabion_fallbacks_total{"); n != 65 {
		t.Errorf("%d series", n)
	}
}

func TestConcurrentUse(t *testing.T) {
	m := metrics.New(full())
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range 500 {
				one(m, product, exchange.Record{Status: 200, Problem: fmt.Sprint(i % 5)}, time.Millisecond)
				if i%100 == 0 {
					m.Keep([]config.Route{product})
					m.Routes()
					if _, err := m.Gatherer().Gather(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	group.Wait()
	if s, _ := m.Status("product"); s.Requests != 2000 || s.InFlight != 0 {
		t.Errorf("%+v", s)
	}
}
