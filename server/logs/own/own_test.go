package own

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/logs/entry"
)

const served = `{"time":"2026-01-02T02:04:05.006Z","route":"product","service":"catalog","endpoint":"127.0.0.1:9001",` +
	`"method":"GET","path":"/product/7","proto":"HTTP/1.1","status":200,"duration_ms":5.007,"upstream_ms":4.050,"attempts":2,` +
	`"received":3,"sent":1234,"client":"192.0.2.7","identity":"sha256:9f86d081884c","request_id":"order-7",` +
	`"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}` + "\n"

func TestAccess(t *testing.T) {
	failed := strings.Replace(served, `200`, `503`, 1)
	refused := strings.Replace(served, `200,"duration_ms":5.007`, `429,"duration_ms":0.012,"problem":"limit-reached"`, 1)
	degraded := strings.Replace(served, `}`, `,"degraded":"stale"}`, 1)
	unrouted := `{"time":"2026-01-02T02:04:05.006Z","status":0,"duration_ms":1.000}`
	lines, bad := Read(Access, "gw-1", []byte(served+failed+"{\n\n"+refused+degraded+unrouted))
	if bad != 1 || len(lines) != 5 {
		t.Fatalf("%d lines, %d refused", len(lines), bad)
	}
	var got []string
	for _, e := range lines {
		kind, _ := e.Attr("kind")
		got = append(got, fmt.Sprint(e.Service, " ", e.Instance, " ", e.Handler, " ", e.Level, " ", e.Message, " ", kind))
	}
	for i, want := range []string{
		"catalog gw-1 product info GET /product/7 200 in 5.007 ms access",
		"catalog gw-1 product error GET /product/7 503 in 5.007 ms access",
		"catalog gw-1 product warn GET /product/7 429 in 0.012 ms limit-reached access",
		"catalog gw-1 product warn GET /product/7 200 in 5.007 ms access",
		"gabion gw-1  info 0 in 1.000 ms access",
	} {
		if got[i] != want {
			t.Errorf("line %d: %q, want %q", i, got[i], want)
		}
	}
	if v, _ := lines[0].Attr("client"); v != "192.0.2.7" || lines[0].Trace != "4bf92f3577b34da6a3ce929d0e0e4736" || lines[0].Time != 1767319445006e6 {
		t.Errorf("%+v", lines[0])
	}
}

func TestProcess(t *testing.T) {
	lines, bad := Read(Process, "gw-1", []byte(`{"time":"2026-01-02T02:04:05.006Z","level":"WARN","msg":"event","kind":"breaker","service":"catalog"}
{"level":"INFO","msg":"serving","instance":"other"}
{"time":"yesterday"}`))
	want := `[{1767319445006000000 warn catalog gw-1    event [{kind breaker}]} {0 info gabion other    serving []}]`
	if got := fmt.Sprint(lines); bad != 1 || got != want {
		t.Errorf("%d refused\n got %s\nwant %s", bad, got, want)
	}
}

func BenchmarkAccess(b *testing.B) {
	item := []byte(strings.Repeat(served, 100))
	var lines []entry.Entry
	b.ReportAllocs()
	for b.Loop() {
		lines, _ = Read(Access, "gw-1", item)
	}
	if len(lines) != 100 {
		b.Fatal(len(lines))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/line")
}
