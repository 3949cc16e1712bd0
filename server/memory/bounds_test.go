package memory_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/memory"
)

// lines are n lines of a service, as JSON.
func lines(service string, n int) string {
	return strings.Repeat(fmt.Sprintf(`{"service":%q,"level":"info","msg":"something happened"}`+"\n", service), n)
}

func TestHowMuchOfLogsIsTaken(t *testing.T) {
	for name, test := range map[string]struct {
		ingest memory.Ingest
		want   bool // all of it
	}{
		"default":    {memory.Ingest{}, true},
		"few lines":  {memory.Ingest{Lines: 1}, false},
		"few bytes":  {memory.Ingest{Bytes: 1 << 10}, true}, // what comes at once may have 2 MiB
		"very much":  {memory.Ingest{Lines: 1_000_000, Bytes: 256 << 20}, true},
		"many lines": {memory.Ingest{Lines: 20_000}, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t, memory.Settings{Ingest: test.ingest})
			code, body := b.do(http.MethodPost, "/api/v1/logs", lines("shop", 1000))
			_, ways := b.do(http.MethodGet, "/api/v1/logs/ways", "")
			if all := !strings.Contains(ways, `"reason":"quota"`); all != test.want {
				t.Errorf("%d %s %s", code, body, ways)
			}
		})
	}
}

func TestHowManySeriesAreTaken(t *testing.T) {
	const three = "a{n=\"1\"} 1\na{n=\"2\"} 1\na{n=\"3\"} 1\n"
	for name, test := range map[string]struct {
		series memory.Series
		refuse string
	}{
		"default": {memory.Series{}, ""},
		"service": {memory.Series{Service: 2}, "service_limit 1"},
		"metric":  {memory.Series{Metric: 2}, "metric_limit 1"},
		"total":   {memory.Series{Total: 2}, "total_limit"},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t, memory.Settings{Metrics: memory.Metrics{Series: test.series}})
			code, body := b.do(http.MethodPost, "/api/v1/metrics?service=shop", three)
			if (code == http.StatusOK) != (test.refuse == "") || !strings.Contains(body, test.refuse) {
				t.Errorf("%d %s", code, body)
			}
		})
	}
}
