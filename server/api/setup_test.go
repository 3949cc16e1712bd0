package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/gateway/inject"
	"github.com/gabion-io/gabion/server/status"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// bundle is an API over a gateway that is made up.
type bundle struct {
	*API
	control *control
	faults  *faults
	events  *event.Log

	mu    sync.Mutex
	state string
	token string
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{faults: &faults{}, control: &control{text: "services: {}\n", etag: `"one"`}, events: event.NewLog(event.Config{}), state: status.Serving}
	breaker := &status.Breaker{State: status.Open, Calls: 20, FailureRate: 0.6, RetryAfter: 4.2, Opened: 1, Refused: 7}
	b.API = New(Deps{
		Process: func() status.Process {
			b.mu.Lock()
			defer b.mu.Unlock()
			return status.Process{Version: "1.2.3", State: b.state, Started: noon}
		},
		Config: func() status.Config {
			return status.Config{Generation: 3, ETag: b.control.tag(), Loaded: noon, Tried: noon, Error: "refused because"}
		},
		Services: func() []status.Service {
			return []status.Service{{
				Name: "catalog", Balance: "least_load", Breaker: breaker,
				Endpoints: []status.Endpoint{{
					Name: "127.0.0.1:9001", Weight: 1, State: status.Ejected, Reason: "5 errors in a row", Since: noon, Breaker: breaker,
					Codes: map[string]uint64{"5xx": 5}, Duration: status.Histogram{Buckets: []status.Bucket{{LE: 1, Count: 5}, {}}},
				}},
				Bulkhead: &status.Bulkhead{InFlight: 1, Limit: 10, Reasons: map[string]uint64{"full": 2}}, Hedge: &status.Hedge{After: 0.03, Hedges: 2},
				Shed:   &status.Shed{Mode: "adaptive", Phase: "normal", Refused: map[string]map[string]uint64{"normal": {"full": 2}}},
				Faults: []status.Fault{{ID: "1", Service: "catalog", Kind: "latency", Share: 0.5, Until: noon}},
				Budget: &status.Budget{Left: 9.5, Max: 10},
			}, {Name: "empty", Endpoints: []status.Endpoint{}}}
		},
		Limits: func() []status.Limit {
			return []status.Limit{{Name: "per-user", Mode: "enforce", Decisions: []status.Decision{{Kind: "requests", Decision: "refused", Count: 3}}}}
		},
		Routes: func() []status.Route {
			return []status.Route{
				{Name: "product", Service: "catalog", Codes: map[string]uint64{"200": 4}, Duration: status.Histogram{Buckets: []status.Bucket{{LE: 0.005, Count: 4}}}},
				{Codes: map[string]uint64{}, Duration: status.Histogram{Buckets: []status.Bucket{}}},
			}
		},
		Top: func(by status.By, n int) []status.Usage {
			all := []status.Usage{{Limit: "per-user", Key: "sha256:9f86d081884c", Requests: 12.5, Refused: 3, Limited: true}, {Limit: "per-user", Key: string(by)}}
			return all[:min(n, len(all))]
		},
		Events:  b.events,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "gabion_build_info 1\n") }),
		Control: b.control,
		Faults:  b.faults,
		Token: func() string {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.token
		},
	})
	t.Cleanup(b.events.Close)
	t.Cleanup(b.Close)
	return b
}

func (b *bundle) set(state, token string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state, b.token = state, token
}

// faults keeps rules in memory. Only catalog can be made to fail.
type faults struct {
	mu  sync.Mutex
	all []status.Fault
}

func (f *faults) Inject(r inject.Rule) (status.Fault, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case r.Service != "catalog":
		return status.Fault{}, fmt.Errorf("%w: there is no service %q", inject.ErrNoTarget, r.Service)
	case r.Kind != "latency":
		return status.Fault{}, errors.New("kind is impossible")
	case len(f.all) == 2:
		return status.Fault{}, inject.ErrTooMany
	}
	one := status.Fault{ID: strconv.Itoa(len(f.all) + 1), Service: r.Service, Kind: r.Kind, Share: float64(r.Share), Until: noon.Add(time.Duration(r.For))}
	f.all = append(f.all, one)
	return one, nil
}

func (f *faults) Faults() []status.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.all)
}

func (f *faults) Lift(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := len(f.all)
	f.all = slices.DeleteFunc(f.all, func(one status.Fault) bool { return one.ID == id })
	return len(f.all) < before
}

// control keeps a configuration in memory. A text that begins with "bad" has problems, and so on.
type control struct {
	mu         sync.Mutex
	text, etag string
	reload     error
}

func (c *control) tag() string {
	_, etag := c.Source()
	return etag
}

func (c *control) Source() (text []byte, etag string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return []byte(c.text), c.etag
}

func (c *control) Replace(text []byte, matches func(etag string) bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !matches(c.etag):
		return fmt.Errorf("put: %w", ErrChanged)
	case strings.HasPrefix(string(text), "bad"):
		return config.Problems{
			{Source: "gabion.yaml", Line: 1, Column: 1, Path: "bad", Message: "unknown key", Suggestion: "data"},
			{Source: "gabion.yaml", Line: 2, Column: 1, Message: "and another"},
		}
	case string(text) == "full":
		return fmt.Errorf("%w: no space left", ErrStore)
	case string(text) == "admin":
		return errors.New("gateway.admin cannot change while running")
	}
	c.text, c.etag = string(text), fmt.Sprintf("%q", text)
	return nil
}

func (c *control) Reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reload
}

// request is one from this host, without a token.
func request(t *testing.T, method, target, body string, header ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	r.RemoteAddr, r.Host = "127.0.0.1:50000", "127.0.0.1:8081"
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func (b *bundle) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}
