package prometheus_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gabion-io/gabion"
	gabionprometheus "github.com/gabion-io/gabion/adapters/prometheus"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/httpx"
)

func TestObserver(t *testing.T) {
	o := gabionprometheus.NewObserver()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(o)
	room := must(bulkhead.New(bulkhead.Config{Name: "shop", Concurrency: 1, Observer: o}))
	pipe := must(gabion.New(gabion.Config{Name: "shop", Observer: o, Policies: []gabion.Policy{room}}))
	for _, err := range []error{nil, nil, errDown} {
		if got := pipe.Run(t.Context(), func(context.Context) error { return err }); !errors.Is(got, err) {
			t.Fatal(got)
		}
	}
	if err := pipe.Run(t.Context(), func(ctx context.Context) error {
		return pipe.Run(ctx, func(context.Context) error { return nil })
	}); !errors.Is(err, bulkhead.ErrFull) {
		t.Fatal(err)
	}
	o.Observe(gabion.Event{Kind: gabion.EventCall, Policy: "pipe", Name: "passed on \xff", Took: time.Second})
	got := counts(t, registry)
	for name, want := range map[string]float64{
		"gabion_call_duration_seconds name=shop outcome=success":                        2,
		"gabion_call_duration_seconds name=shop outcome=failure":                        1,
		"gabion_call_duration_seconds name=shop outcome=ignored":                        2, // the one that was refused, and the one around it
		"gabion_call_duration_seconds name=passed on \uFFFD outcome=success":            1,
		"gabion_policy_events_total kind=refused name=shop policy=bulkhead reason=full": 1,
	} {
		if got[name] != want {
			t.Errorf("%s: %v, want %v\n%v", name, got[name], want, got)
		}
	}
}

// Names that are made up need no more than bounded memory, and no count is lost.
func TestObserverIsBounded(t *testing.T) {
	o := gabionprometheus.NewObserver()
	registry := prometheus.NewRegistry()
	registry.MustRegister(o)
	const events = 5000
	for i := range events {
		o.Observe(gabion.Event{Kind: gabion.EventHedge, Policy: "hedge", Name: string(rune('a'+i%26)) + time.Duration(i).String()})
	}
	families := must(registry.Gather())
	total := 0.0
	for _, m := range families[0].GetMetric() {
		total += m.GetCounter().GetValue()
	}
	if n := len(families[0].GetMetric()); n > 2001 || total != events {
		t.Errorf("%d series with %v events, want at most 2001 with %d", n, total, events)
	}
}

// counts are the values of counters, and how many observations histograms have.
func counts(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	got := map[string]float64{}
	for _, family := range must(registry.Gather()) {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetName() + "=" + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			if sum := m.GetHistogram().GetSampleSum(); strings.HasSuffix(family.GetName(), "_bytes") {
				got[name] = sum
			}
		}
	}
	return got
}

func TestObserveRequest(t *testing.T) {
	o := gabionprometheus.NewObserver()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(o)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	})
	h := must(httpx.NewHandler(httpx.HandlerConfig{Ended: o.ObserveRequest}, mux))
	for _, request := range []*http.Request{
		httptest.NewRequest(http.MethodPost, "/orders/7", strings.NewReader("seven")),
		httptest.NewRequest(http.MethodPost, "/orders/12", strings.NewReader("twelve")),
		httptest.NewRequest(http.MethodGet, "/nowhere", nil),
	} {
		h.ServeHTTP(httptest.NewRecorder(), request)
	}
	o.ObserveRequest(httpx.Served{Request: &http.Request{}})
	got := counts(t, registry)
	for name, want := range map[string]float64{
		"gabion_http_requests_total code=200 handler=POST /orders/{id}":  2,
		"gabion_http_requests_total code=404 handler=":                   1,
		"gabion_http_requests_total code=none handler=":                  1,
		"gabion_http_request_duration_seconds handler=POST /orders/{id}": 2,
		"gabion_http_request_body_bytes handler=POST /orders/{id}":       11,
		"gabion_http_response_body_bytes handler=POST /orders/{id}":      11,
	} {
		if got[name] != want {
			t.Errorf("%s: %v, want %v\n%v", name, got[name], want, got)
		}
	}
}
