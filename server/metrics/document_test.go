package metrics_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/metrics"
)

var rewrite = flag.Bool("rewrite", false, "write docs/metrics.md anew")

const document = "../../docs/metrics.md"

const head = `# Metrics

` + "`GET /metrics`" + ` on the admin address gives all of this in the format of Prometheus, besides what the Go runtime and the process
say about themselves (` + "`go_…`, `process_…`" + `).

- Counters run since the start of the process. Those of a route survive a reload as long as its name and service stay; a route that is
  gone disappears.
- ` + "`route` and `service`" + ` are names of the configuration. Both are empty for requests that no route takes.
- Durations have the buckets of the semantic conventions of OpenTelemetry: 5 ms to 10 s.
- States are one series for each state, of which one is 1: ` + "`sum by (state) (gabion_endpoint_state)`" + ` counts endpoints by state.
- Identities, paths and addresses of clients are never labels: how many series there are depends on the configuration, not on
  the requests.

| name | type | labels | meaning |
|---|---|---|---|
`

func TestDocument(t *testing.T) {
	var want strings.Builder
	want.WriteString(head)
	for _, f := range metrics.Families {
		labels := ""
		if len(f.Labels) > 0 {
			labels = "`" + strings.Join(f.Labels, "`, `") + "`"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s | %s |\n", f.Name, f.Type, labels, f.Help)
	}
	if *rewrite {
		if err := os.WriteFile(document, []byte(want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want.String() {
		t.Errorf("docs/metrics.md is not what the metrics are: go test ./metrics -rewrite")
	}
}

// TestFamilies holds the table equal to what is shown.
func TestFamilies(t *testing.T) {
	m := metrics.New(full())
	m.Keep([]config.Route{product})
	one(m, product, exchange.Record{Status: 200, Degraded: "x", Problem: "y"}, time.Second)
	gathered, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, g := range gathered {
		shown[g.GetName()] = true
		for _, f := range metrics.Families {
			if kind := strings.ToLower(g.GetType().String()); f.Name == g.GetName() && f.Type != kind {
				t.Errorf("%s is a %s, not a %s", f.Name, kind, f.Type)
			}
		}
	}
	for _, f := range metrics.Families {
		if !shown[f.Name] {
			t.Errorf("%s is never shown", f.Name)
		}
		if counter := strings.HasSuffix(f.Name, "_total"); counter != (f.Type == "counter") {
			t.Errorf("%s: the name does not fit the type %s", f.Name, f.Type)
		}
	}
	if !shown["go_goroutines"] || !shown["process_cpu_seconds_total"] {
		t.Error("the runtime and the process are not shown")
	}
}
