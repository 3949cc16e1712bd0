package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/backend"
	"github.com/gabion-io/gabion/test/harness"
	"github.com/gabion-io/gabion/test/load"
)

// line is what tests look at in a line of the access log.
type line struct {
	Time     string `json:"time"`
	Route    string `json:"route"`
	Status   int    `json:"status"`
	Attempts int    `json:"attempts"`
	Problem  string `json:"problem"`
}

// What the gateway tells about requests is what clients and backends saw, to the last one.
func TestMetricsAndAccessLogAreExact(t *testing.T) {
	t.Parallel()
	backends := replicas(t, 2)
	backends[0].Set(t, backend.Behaviour{Mode: backend.Status, Status: 503})
	// Retries carry what the sick replica refuses; a limit refuses the rest of some users.
	g := harness.Start(t, limited("requests: 2/s, burst: 3", standard.with("health", "{active: off, passive: off}", "breaker", "off"), backends...))
	report := load.Load{Target: to(g), For: 3 * time.Second, User: others}.Start(t.Context()).Wait()
	lines := accessLog(t, g, len(report.All()))

	const route = `route="items"`
	for _, status := range []int{200, 429, 503} {
		client := len(report.All().Status(status))
		counted, _ := g.Metric(t, "gabion_http_requests_total", route, fmt.Sprintf(`code="%d"`, status))
		logged := 0
		for _, l := range lines {
			if l.Route == "items" && l.Status == status {
				logged++
			}
		}
		if client == 0 || client != int(counted) || client != logged {
			t.Errorf("status %d: clients got %d, metrics tell of %v, the log of %d", status, client, counted, logged)
		}
	}
	attempts := 0
	for _, l := range lines {
		attempts += l.Attempts
		if at, err := time.Parse(time.RFC3339Nano, l.Time); err != nil || !strings.HasSuffix(l.Time, "Z") || time.Since(at).Abs() > time.Minute {
			t.Fatalf("time %q: %v", l.Time, err)
		}
		if (l.Status == 429) != (l.Problem == "rate-limited") {
			t.Fatalf("problem %q with status %d", l.Problem, l.Status)
		}
	}
	all := float64(len(report.All()))
	observed, _ := g.Metric(t, "gabion_http_request_duration_seconds_count", route)
	inFlight, _ := g.Metric(t, "gabion_http_requests_in_flight", route)
	sent, _ := g.Metric(t, "gabion_endpoint_requests_total", `service="items"`)
	refused, _ := g.Metric(t, "gabion_limit_decisions_total", `decision="refused"`)
	arrived := float64(backend.Arrivals(t, backends...))
	if observed != all || inFlight != 0 || sent != arrived || float64(attempts) != arrived || int(refused) != len(report.All().Status(429)) {
		t.Errorf("%v requests: %v durations, %v in flight; %v attempts in metrics, %d in the log, %v arrived; %v refused by limits of %d",
			all, observed, inFlight, sent, attempts, arrived, refused, len(report.All().Status(429)))
	}
}

// accessLog reads the access log, which comes a moment after the answers.
func accessLog(t *testing.T, g *harness.Gateway, n int) (lines []line) {
	t.Helper()
	harnessUntil(t, fmt.Sprintf("%d lines are in the access log", n), func() bool {
		lines = lines[:0]
		for text := range strings.Lines(g.Log()) {
			var l line
			if json.Unmarshal([]byte(text), &l) == nil && l.Status != 0 {
				lines = append(lines, l)
			}
		}
		return len(lines) >= n
	})
	if len(lines) != n {
		t.Errorf("%d lines in the access log for %d requests", len(lines), n)
	}
	return lines
}
