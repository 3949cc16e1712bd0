package prometheus_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/gabion-io/gabion"
	gabionprometheus "github.com/gabion-io/gabion/adapters/prometheus"
)

// counting is a registry with two series of one family.
func counting(t *testing.T) *prometheus.Registry {
	t.Helper()
	registry := prometheus.NewRegistry()
	orders := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "orders_total", Help: "Orders."}, []string{"service"})
	orders.WithLabelValues("own").Inc()
	registry.MustRegister(orders, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "open", Help: "Open."}, func() float64 { return 2 }))
	return registry
}

func TestPush(t *testing.T) {
	var got, kind, token, path string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got, kind, token, path = string(body), r.Header.Get("Content-Type"), r.Header.Get("Authorization"), r.URL.Path
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	registry := counting(t)
	p := must(gabionprometheus.NewPusher(gabionprometheus.PushConfig{
		URL: server.URL + "/", Token: "secret", Gatherer: registry, Labels: map[string]string{"service": "shop", "instance": "a"},
	}))
	for range 2 { // labels are not put on twice
		if err := p.Push(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := `# HELP open Open.
# TYPE open gauge
open{instance="a",service="shop"} 2
# HELP orders_total Orders.
# TYPE orders_total counter
orders_total{instance="a",service="own"} 1
`
	if got != want || path != "/api/v1/metrics" || token != "Bearer secret" || !strings.HasPrefix(kind, "text/plain") {
		t.Errorf("%s, %s, %s: got\n%s\nwant\n%s", path, token, kind, got, want)
	}
}

func TestPushFails(t *testing.T) {
	status := http.StatusServiceUnavailable
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no room", status)
	}))
	defer server.Close()
	p := must(gabionprometheus.NewPusher(gabionprometheus.PushConfig{URL: server.URL, Gatherer: counting(t)}))
	if err := p.Push(t.Context()); err == nil || !strings.Contains(err.Error(), "503") || !strings.Contains(err.Error(), "no room") {
		t.Errorf("got %v", err)
	}
	status = http.StatusFound // somebody else's answer is not ours
	if err := p.Push(t.Context()); err == nil {
		t.Error("a redirect is no success")
	}
	broken := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return nil, errDown })
	p = must(gabionprometheus.NewPusher(gabionprometheus.PushConfig{URL: server.URL, Gatherer: broken}))
	if err := p.Push(t.Context()); !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p = must(gabionprometheus.NewPusher(gabionprometheus.PushConfig{URL: server.URL, Gatherer: counting(t)}))
	if err := p.Push(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// trip is a RoundTripper.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// It pushes at once, every ten seconds, and a last time; what fails is told once.
func TestPusherRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		var at []time.Duration
		began := time.Now()
		p := must(gabionprometheus.NewPusher(gabionprometheus.PushConfig{
			URL: "http://127.0.0.1:1", Gatherer: counting(t), Log: slog.New(slog.NewTextHandler(&log, nil)),
			Client: &http.Client{Transport: trip(func(r *http.Request) (*http.Response, error) {
				at = append(at, time.Since(began))
				if n := len(at); n == 2 || n == 3 {
					return nil, errDown
				}
				if _, bound := r.Context().Deadline(); !bound {
					t.Error("no deadline")
				}
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
			})},
		}))
		ctx, cancel := context.WithTimeout(t.Context(), 35*time.Second)
		defer cancel()
		p.Run(ctx)
		want := []time.Duration{0, 10 * time.Second, 20 * time.Second, 30 * time.Second, 35 * time.Second}
		if len(at) != len(want) {
			t.Fatalf("pushed at %v, want %v", at, want)
		}
		for i := range want {
			if at[i] != want[i] {
				t.Errorf("pushed at %v, want %v", at, want)
			}
		}
		if n := strings.Count(log.String(), "cannot be pushed"); n != 1 || strings.Count(log.String(), "pushed again") != 1 {
			t.Errorf("told:\n%s", &log)
		}
	})
}

func TestBadPusher(t *testing.T) {
	for field, cfg := range map[string]gabionprometheus.PushConfig{
		"url":     {URL: "127.0.0.1:8081"},
		"every":   {URL: "http://127.0.0.1:8081", Every: -1},
		"timeout": {URL: "http://127.0.0.1:8081", Timeout: -1},
	} {
		_, err := gabionprometheus.NewPusher(cfg)
		if wrong, ok := errors.AsType[*gabion.FieldError](err); !ok || wrong.Field != field {
			t.Errorf("%s: got %v", field, err)
		}
	}
}
