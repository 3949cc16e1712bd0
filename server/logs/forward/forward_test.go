package forward_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/ingest/lokipush"
	"github.com/gabion-io/gabion/server/ingest/otlp"
	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/forward"
)

// sink keeps what it gets.
type sink struct {
	mu    sync.Mutex
	lines []entry.Entry
}

// Append implements [ingest.Sink].
func (s *sink) Append(_ context.Context, _ string, lines []entry.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, lines...)
	return nil
}

// receivers are our own ways in, which understand what the real systems understand.
func receivers(s *sink) map[forward.Protocol]http.Handler {
	intake := &ingest.Intake{}
	r := &otlp.Receiver{Sink: s, Intake: intake}
	logs := http.NewServeMux()
	logs.HandleFunc("/v1/logs", r.ServeLogs)
	loki := http.NewServeMux()
	loki.Handle("/loki/api/v1/push", &lokipush.Handler{Sink: s, Intake: intake})
	return map[forward.Protocol]http.Handler{forward.OTLP: logs, forward.Loki: loki}
}

const trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

func sample() []entry.Entry {
	var lines []entry.Entry
	for level := entry.Trace; level <= entry.Fatal; level++ {
		lines = append(lines, entry.Entry{
			Time: 1_790_000_000_123_456_789 + int64(level), Level: level, Service: "shop", Instance: "shop-1", Handler: "/orders/{id}",
			Trace: trace, Span: span, Message: "order ü \"placed\"", Attrs: []entry.Attr{{Name: "user", Value: "7"}, {Name: "path", Value: "/x"}},
		})
	}
	return append(lines,
		entry.Entry{Time: 5, Level: entry.Info, Service: `c"art`, Message: "bad \xff byte", Attrs: []entry.Attr{{Name: "a", Value: "\xff"}}},
		entry.Entry{Time: 6, Level: entry.Info, Message: "nobody's", Attrs: []entry.Attr{{Name: "a", Value: "b"}}},
	)
}

func TestLinesComeAsTheyWere(t *testing.T) {
	for _, by := range []forward.Protocol{forward.OTLP, forward.Loki} {
		s := &sink{}
		server := httptest.NewServer(receivers(s)[by])
		f, err := forward.NewLines(forward.Destination{URL: server.URL, Transport: server.Client().Transport}, by, nil)
		if err != nil {
			t.Fatal(err)
		}
		f.Put(sample())
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
		server.Close()
		want := sample()
		want[6].Message, want[6].Attrs[0].Value = "bad \uFFFD byte", "\uFFFD"
		byTime := func(a, b entry.Entry) int { return int(a.Time - b.Time) }
		slices.SortFunc(want, byTime)
		slices.SortFunc(s.lines, byTime)
		if len(s.lines) != len(want) {
			t.Fatalf("%s: %d lines", by, len(s.lines))
		}
		for i := range want {
			s.lines[i].Attrs = slices.DeleteFunc(s.lines[i].Attrs, func(a entry.Attr) bool { return a.Name == "severity_text" })
			if !reflect.DeepEqual(s.lines[i], want[i]) {
				t.Errorf("%s:\n got %+v\nwant %+v", by, s.lines[i], want[i])
			}
		}
		if c := f.Counts(); c.Sent != uint64(len(want)) || c.Refused != 0 {
			t.Errorf("%s: %+v", by, c)
		}
	}
}

func TestIDsThatAreNone(t *testing.T) {
	s := &sink{}
	server := httptest.NewServer(receivers(s)[forward.OTLP])
	defer server.Close()
	f, err := forward.NewLines(forward.Destination{URL: server.URL, Plain: true}, forward.OTLP, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.Put([]entry.Entry{{Time: 1, Trace: "order-7", Span: strings.Repeat("x", 16), Attrs: []entry.Attr{{Name: "a", Value: "1"}, {Name: "a", Value: "2"}}}})
	if err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}
	want := []entry.Attr{{Name: "trace_id", Value: "order-7"}, {Name: "span_id", Value: strings.Repeat("x", 16)}, {Name: "a", Value: "1"}}
	if len(s.lines) != 1 || !reflect.DeepEqual(s.lines[0].Attrs, want) {
		t.Errorf("%+v", s.lines)
	}
}

func TestOnlySomeLines(t *testing.T) {
	s := &sink{}
	server := httptest.NewServer(receivers(s)[forward.Loki])
	defer server.Close()
	f, err := forward.NewLines(forward.Destination{URL: server.URL}, forward.Loki, func(e *entry.Entry) bool { return e.Level >= entry.Error })
	if err != nil {
		t.Fatal(err)
	}
	lines := sample()
	lines[5].Attrs = []entry.Attr{{Name: "kind", Value: "span"}}
	f.Put(lines)
	f.Put(nil)
	if err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if len(s.lines) != 1 || s.lines[0].Level != entry.Error {
		t.Errorf("%+v", s.lines)
	}
}

// spans makes some, of one service.
func spans(service string, names ...string) ptrace.Traces {
	traces := ptrace.NewTraces()
	resource := traces.ResourceSpans().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", service)
	all := resource.ScopeSpans().AppendEmpty().Spans()
	for _, name := range names {
		all.AppendEmpty().SetName(name)
	}
	return traces
}

func TestSpans(t *testing.T) {
	var got []string
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		if r.URL.Path != "/v1/traces" || r.Header.Get("X-Key") != "k" {
			t.Errorf("%v %v", r.URL, r.Header)
		}
		intake := &ingest.Intake{}
		if err := intake.Read(w, r, func(body []byte) error {
			in := ptraceotlp.NewExportRequest()
			if err := in.UnmarshalProto(body); err != nil {
				return err
			}
			for _, resource := range in.Traces().ResourceSpans().All() {
				service, _ := resource.Resource().Attributes().Get("service.name")
				for _, s := range resource.ScopeSpans().At(0).Spans().All() {
					got = append(got, service.Str()+" "+s.Name())
				}
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		out := ptraceotlp.NewExportResponse()
		out.PartialSuccess().SetRejectedSpans(1)
		answer, err := out.MarshalProto()
		if err != nil {
			t.Error(err)
		}
		w.Write(answer)
	}))
	defer server.Close()
	f, err := forward.NewSpans(forward.Destination{URL: server.URL, Header: http.Header{"X-Key": {"k"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, traces := range []ptrace.Traces{spans("shop", "a", "b"), ptrace.NewTraces(), spans("cart", "c")} {
		if err := f.Put(t.Context(), traces); err != nil {
			t.Error(err)
		}
	}
	if err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if requests != 1 || !slices.Equal(got, []string{"shop a", "shop b", "cart c"}) {
		t.Errorf("%d requests, %q", requests, got)
	}
	if c := f.Counts(); c.Sent != 2 || c.Refused != 1 {
		t.Errorf("%+v", c)
	}
}

// answers is a transport that needs no network.
type answers func(*http.Request) (*http.Response, error)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

var errDown = errors.New("down")

// TestTheOtherSystemHangs: who puts lines in does not notice, and memory is bounded.
func TestTheOtherSystemHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		hang := true
		var mu sync.Mutex
		f, err := forward.NewLines(forward.Destination{
			URL: "http://collector:4318", Buffer: 1 << 20, Batch: 128 << 10, Log: slog.New(slog.NewTextHandler(&log, nil)),
			Transport: answers(func(r *http.Request) (*http.Response, error) {
				mu.Lock()
				defer mu.Unlock()
				if hang {
					mu.Unlock()
					<-r.Context().Done()
					mu.Lock()
					return nil, r.Context().Err()
				}
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
			}),
		}, forward.OTLP, nil)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for range 50 {
			f.Put(slices.Repeat(sample(), 200))
		}
		if time.Since(began) != 0 {
			t.Error("it waited")
		}
		time.Sleep(time.Minute)
		if c := f.Counts(); c.Bytes > 1<<20 || c.Dropped < 50_000 || c.Buffered < 1000 || c.Sent != 0 {
			t.Errorf("%+v", c)
		}
		mu.Lock()
		hang = false
		mu.Unlock()
		time.Sleep(5 * time.Minute)
		c := f.Counts()
		if c.Buffered != 0 || c.Sent == 0 || c.Sent+c.Dropped != 80_000 {
			t.Errorf("%+v", c)
		}
		if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "forwarding fails") || !strings.Contains(text, "works again") {
			t.Error(text)
		}
		var metrics []string
		f.Measure(func(name string, value float64, labels ...string) {
			metrics = append(metrics, fmt.Sprint(name, labels, " ", value))
		})
		if !slices.Contains(metrics, fmt.Sprintf("gabion_forward_total[to collector:4318/v1/logs kind lines result dropped] %v", float64(c.Dropped))) || len(metrics) != 6 {
			t.Error(metrics)
		}
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestWhatIsNotTaken: rejected lines are counted, and a batch that is refused is not sent again.
func TestWhatIsNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status, sent := http.StatusOK, 0
		out := plogotlp.NewExportResponse()
		out.PartialSuccess().SetRejectedLogRecords(3)
		answer, err := out.MarshalProto()
		if err != nil {
			t.Fatal(err)
		}
		f, err := forward.NewLines(forward.Destination{URL: "http://collector", Transport: answers(func(r *http.Request) (*http.Response, error) {
			sent++
			w := httptest.NewRecorder()
			w.WriteHeader(status)
			w.Write(answer)
			return w.Result(), nil
		})}, forward.OTLP, nil)
		if err != nil {
			t.Fatal(err)
		}
		f.Put(sample())
		time.Sleep(time.Minute)
		synctest.Wait()
		status = http.StatusBadRequest
		f.Put(sample())
		time.Sleep(time.Minute)
		synctest.Wait()
		if c := f.Counts(); c.Sent != 5 || c.Refused != 11 || sent != 2 {
			t.Errorf("%+v after %d", c, sent)
		}
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseSaysWhatIsLost(t *testing.T) {
	f, err := forward.NewSpans(forward.Destination{URL: "http://me:secret@collector", Transport: answers(func(*http.Request) (*http.Response, error) { return nil, errDown })})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Put(t.Context(), spans("shop", "a", "b")); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Close(ctx); err == nil || !strings.Contains(err.Error(), "collector/v1/traces: spans: 2 not sent") || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func TestImpossible(t *testing.T) {
	for want, to := range map[string]forward.Destination{
		"url must begin":      {},
		"url must begin ":     {URL: "ftp://x:secret@y"},
		"url must begin with": {URL: "http://x:secret@[::"},
		"buffer is -1":        {URL: "http://x", Buffer: -1},
		"buffer is 1000":      {URL: "http://x", Buffer: 1000},
		"batch is 5000000":    {URL: "http://x", Batch: 5_000_000},
		"every is -1s":        {URL: "http://x", Every: -time.Second},
		"timeout is -1s":      {URL: "http://x", Timeout: -time.Second},
	} {
		_, err := forward.NewLines(to, forward.Loki, nil)
		_, other := forward.NewSpans(to)
		if err == nil || other == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, %v, want %s", err, other, want)
		}
	}
	if _, err := forward.NewLines(forward.Destination{URL: "http://x"}, "smoke", nil); err == nil {
		t.Error("smoke is no protocol")
	}
}
