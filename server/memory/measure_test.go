package memory

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/store"
)

// nowhere refuses all lines.
type nowhere struct{}

func (nowhere) Append(context.Context, string, []entry.Entry) error { return ingest.ErrRefused }

// page keeps the last text of metrics.
type page struct{ text string }

func (p *page) take(_ context.Context, text []byte) error {
	p.text = string(text)
	return nil
}

func (p *page) want(t *testing.T, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains("\n"+p.text, "\n"+line+"\n") {
			t.Errorf("%q is not in\n%s", line, p.text)
		}
	}
}

func TestMeasuresOfTheWaysIn(t *testing.T) {
	dir := t.TempDir()
	g := newGates(store.Env{Settings: store.Settings{Dir: dir}, Log: slog.New(slog.DiscardHandler)}, Ingest{
		SyslogTCP: "127.0.0.1:0", OTLP: "127.0.0.1:no-such-port", Files: []string{filepath.Join(dir, "*.log")},
	}, nowhere{})
	if err := g.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	mux := http.NewServeMux()
	g.Handle(mux)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/v1/logs", strings.NewReader(`{"service":"shop","msg":"x"}`)))
	if w.Code != http.StatusBadRequest {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	var p page
	m := newMeasures(slog.New(slog.DiscardHandler), p.take, g)
	late := time.After(20 * time.Second)
	for settled := false; !settled; {
		if err := m.once(t.Context()); err != nil {
			t.Fatal(err)
		}
		select {
		case <-late:
			t.Fatalf("not settled:\n%s", p.text)
		case <-time.After(5 * time.Millisecond):
		}
		settled = strings.Contains(p.text, `gabion_ingest_way_open{way="files"} 1`) && strings.Contains(p.text, `gabion_ingest_way_open{way="syslog_tcp"} 1`) &&
			!strings.Contains(p.text, `gabion_ingest_way_failures_total{way="otlp_grpc"} 0`)
	}
	p.want(
		t,
		"# TYPE gabion_ingest_limited_lines_total counter", `gabion_ingest_limited_lines_total{reason="refused",service="shop"} 1`,
		"gabion_ingest_otlp_refused_points_total 0", "# TYPE gabion_ingest_way_open gauge", `gabion_ingest_way_open{way="otlp_grpc"} 0`,
		`gabion_ingest_syslog_messages_total{result="taken"} 0`, `gabion_ingest_files{state="followed"} 0`, `gabion_ingest_files_lines_total{result="taken"} 0`,
	)
	if !strings.Contains(p.text, "\ngo_goroutines ") {
		t.Error("nothing is told of the process")
	}
}

// odd has metrics with labels that are no UTF-8.
type odd struct{}

func (odd) families() []family { return []family{{"odd", "gauge", []string{"a"}, "Odd."}} }

func (odd) measure(_ context.Context, put put) { put("odd", 1, "a", "\xff\n\"") }

// wrong gives a metric that it did not name, or another label.
type wrong struct {
	odd
	name, label string
}

func (w wrong) measure(_ context.Context, put put) { put(w.name, 1, w.label, "x") }

func TestMeasuresThatAreOdd(t *testing.T) {
	var p page
	m := newMeasures(slog.New(slog.DiscardHandler), p.take, odd{})
	if err := m.once(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.want(t, "odd{a=\"\uFFFD\\n\\\"\"} 1")

	for _, w := range []wrong{{name: "other", label: "a"}, {name: "odd", label: "b"}} {
		err := newMeasures(slog.New(slog.DiscardHandler), p.take, w).once(t.Context())
		if err == nil || !strings.Contains(err.Error(), "of no family") {
			t.Errorf("%+v: %v", w, err)
		}
	}
}

func TestMeasuresAreTakenUntilTheEnd(t *testing.T) {
	took, begun := 0, make(chan struct{}, 1)
	m := newMeasures(slog.New(slog.DiscardHandler), func(context.Context, []byte) error {
		took++
		begun <- struct{}{}
		return errors.New("disk full")
	})
	if err := m.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-begun
	if err := m.Close(t.Context()); err != nil || took != 1 {
		t.Errorf("%v after %d", err, took)
	}
}
