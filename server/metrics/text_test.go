package metrics_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/metrics"
	"github.com/gabion-io/gabion/server/status"
)

// TestTexts: all that a scrape shows is in the texts, once, with its time.
func TestTexts(t *testing.T) {
	source := full()
	var services []status.Service
	for i := range 300 {
		services = append(services, status.Service{Name: fmt.Sprintf("service-%03d", i), Endpoints: []status.Endpoint{{Name: "a:1", State: status.Healthy, Duration: took(3)}}})
	}
	source.Services = func() []status.Service { return services }
	m := metrics.New(source)
	m.Keep([]config.Route{product})
	one(m, product, exchange.Record{Status: 200}, time.Second)
	at := time.UnixMilli(1700000001234)
	count, lines := 0, map[string]bool{}
	if err := m.Texts(at, func(text []byte) {
		if count++; len(text) > 1<<20 {
			t.Errorf("a text has %d bytes", len(text))
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			name, timed := strings.CutSuffix(line, " 1700000001234\n")
			if name = name[:strings.LastIndexByte(name, ' ')]; !timed || lines[name] {
				t.Errorf("twice, or without its time: %s", line)
			}
			lines[name] = true
		}
	}); err != nil {
		t.Error(err)
	}
	if count < 2 {
		t.Errorf("%d texts", count)
	}
	for line := range strings.Lines(scrape(t, m)) {
		if name, _, _ := strings.Cut(line, " "); !strings.HasPrefix(line, "#") && !lines[name] && strings.HasPrefix(line, "gabion_") && !strings.Contains(line, `le="`) {
			t.Errorf("not in the texts: %s", line)
		}
	}
	if !lines[`gabion_http_request_duration_seconds_bucket{route="product",service="catalog",le="+Inf"}`] {
		t.Error("no buckets")
	}
}

// TestNoStore: what is not there has no metrics.
func TestNoStore(t *testing.T) {
	source := full()
	source.Store = func() status.Store { return status.Store{State: status.StoreOff} }
	if text := scrape(t, metrics.New(source)); strings.Contains(text, "gabion_store") {
		t.Error(text)
	}
}
