package traces_test

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/ingest/otlp"
	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/logql"
	"github.com/gabion-io/gabion/server/traces"
)

// shelf is a source that gives all it has, matching or not, and a sink.
type shelf struct {
	entries []entry.Entry
	asked   logql.Query
	err     error
	gap     *logql.Gap // is left out
	hang    bool
}

// Append implements [ingest.Sink].
func (s *shelf) Append(_ context.Context, _ string, lines []entry.Entry) error {
	s.entries = append(s.entries, lines...)
	return nil
}

// Select implements [logql.Source].
func (s *shelf) Select(ctx context.Context, q logql.Query) iter.Seq2[*entry.Entry, error] {
	s.asked = q
	return func(yield func(*entry.Entry, error) bool) {
		if s.hang {
			<-ctx.Done()
			return
		}
		if s.gap != nil {
			logql.LeaveOut(ctx, *s.gap)
		}
		sorted := slices.Clone(s.entries)
		slices.SortStableFunc(sorted, func(a, b entry.Entry) int { return int(a.Time - b.Time) })
		var kept entry.Entry // given again and again
		for _, e := range sorted {
			kept = e
			if !yield(&kept, nil) {
				return
			}
		}
		if s.err != nil {
			yield(nil, s.err)
		}
	}
}

const id = "4bf92f3577b34da6a3ce929d0e0e4736"

// get asks for a trace.
func get(t *testing.T, h http.Handler, path string) (*httptest.ResponseRecorder, traces.Trace) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	var trace traces.Trace
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &trace); err != nil {
			t.Fatal(err)
		}
	}
	return w, trace
}

// receive gives spans to the way in for them. Each has a number as its ID, its parent's, and begins and ends so many
// milliseconds after the start.
func receive(t *testing.T, s *shelf, start time.Time, spans [][4]int) {
	t.Helper()
	all := ptrace.NewTraces()
	resource := all.ResourceSpans().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "shop")
	list := resource.ScopeSpans().AppendEmpty().Spans()
	for _, n := range spans {
		span := list.AppendEmpty()
		span.SetName("span " + strconv.Itoa(n[0]))
		span.SetTraceID(pcommon.TraceID{0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36})
		span.SetSpanID(pcommon.SpanID{7: byte(n[0])})
		span.SetParentSpanID(pcommon.SpanID{7: byte(n[1])})
		span.SetStartTimestamp(pcommon.NewTimestampFromTime(start.Add(time.Duration(n[2]) * time.Millisecond)))
		span.SetEndTimestamp(pcommon.NewTimestampFromTime(start.Add(time.Duration(n[3]) * time.Millisecond)))
		span.SetKind(ptrace.SpanKindServer)
		span.Attributes().PutStr("http.route", "/orders")
		span.Attributes().PutStr("user", "7")
		if n[0]%2 == 0 {
			span.Status().SetCode(ptrace.StatusCodeError)
			span.Status().SetMessage("it broke")
		}
	}
	body, err := ptraceotlp.NewExportRequestFromTraces(all).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/v1/traces", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/x-protobuf")
	w := httptest.NewRecorder()
	(&otlp.Receiver{Sink: s, Intake: &ingest.Intake{}}).ServeTraces(w, r)
	if w.Code != http.StatusOK {
		t.Fatal(w.Body)
	}
}

func TestATraceIsFound(t *testing.T) {
	s := &shelf{}
	start := time.Now().Add(-time.Minute).UTC().Truncate(time.Millisecond)
	// 3 was fast and did not fail: it is not kept.
	receive(t, s, start, [][4]int{{5, 1, 100, 1600}, {1, 0, 0, 2000}, {3, 1, 100, 200}, {4, 3, 110, 120}, {8, 2, 100, 1300}, {2, 1, 100, 1200}, {6, 5, 150, 160}})
	at := start.Add(300 * time.Millisecond).UnixNano()
	s.entries = append(s.entries,
		entry.Entry{Time: at, Level: entry.Error, Service: "cart", Trace: id, Span: "01", Message: "no stock", Attrs: []entry.Attr{{Name: "item", Value: "4"}, {Name: "item", Value: "5"}}},
		entry.Entry{Time: at - 1, Level: entry.Info, Service: "shop", Trace: id, Message: "order"},
		entry.Entry{Time: at, Level: entry.Info, Service: "other", Trace: strings.Repeat("0", 32), Message: "of another trace"},
	)
	w, trace := get(t, traces.New(traces.Config{Source: s}), "/api/v1/traces/"+strings.ToUpper(id))
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatal(w.Code, w.Body)
	}
	var got []string
	for _, span := range trace.Spans {
		got = append(got, span.Name+"/"+strconv.Itoa(span.Depth))
	}
	if !slices.Equal(got, []string{"span 1/0", "span 5/1", "span 2/1", "span 8/2", "span 4/0", "span 6/2"}) {
		t.Errorf("%q", got)
	}
	two := trace.Spans[2]
	two.Attributes = nil
	want := traces.Span{
		ID: "0000000000000002", Parent: "0000000000000001", Depth: 1, Name: "span 2", Service: "shop", Handler: "/orders", Start: start.Add(100 * time.Millisecond),
		DurationMS: 1100, Failed: true, StatusMessage: "it broke", Kind: "server",
	}
	if text, wanted := encode(t, two), encode(t, want); text != wanted {
		t.Errorf("%s, want %s", text, wanted)
	}
	if a := trace.Spans[2].Attributes; len(a) != 1 || a["user"] != "7" {
		t.Errorf("%v", a)
	}
	if len(trace.Lines) != 2 || trace.Lines[0].Message != "order" || trace.Lines[1].Level != "error" || trace.Lines[1].Attributes["item"] != "4" {
		t.Errorf("%+v", trace.Lines)
	}
	if trace.ID != id || !slices.Equal(trace.Services, []string{"cart", "shop"}) || !trace.Start.Equal(start) || !trace.End.Equal(start.Add(2*time.Second)) || trace.Truncated {
		t.Errorf("%+v", trace)
	}
}

func encode(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestACircleOfParents ends.
func TestACircleOfParents(t *testing.T) {
	s := &shelf{}
	receive(t, s, time.Now().Add(-time.Minute), [][4]int{{2, 4, 0, 1}, {4, 6, 0, 1}, {6, 2, 0, 1}, {8, 8, 0, 1}})
	if w, trace := get(t, traces.New(traces.Config{Source: s}), "/api/v1/traces/"+id); w.Code != http.StatusOK || len(trace.Spans) != 4 {
		t.Error(w.Code, w.Body)
	}
}

func TestWhatIsAsked(t *testing.T) {
	s := &shelf{}
	h := traces.New(traces.Config{Source: s, Since: time.Hour})
	now := time.Now().UnixNano()
	get(t, h, "/api/v1/traces/order-7")
	if d := now - int64(time.Hour) - s.asked.From; d > 0 || d < -int64(time.Minute) {
		t.Errorf("from %d", s.asked.From)
	}
	if s.asked.To < now || !s.asked.Forward || s.asked.Fields != logql.AllFields || s.asked.Levels != logql.AllLevels || s.asked.Matchers[0].String() != `trace_id="order-7"` {
		t.Errorf("%+v", s.asked)
	}
	get(t, h, "/api/v1/traces/x?start=2026-01-02T03:04:05Z&end=1790000000123456789")
	if s.asked.From != 1767323045e9 || s.asked.To != 1790000000123456789 {
		t.Errorf("%+v", s.asked)
	}
	get(t, h, "/api/v1/traces/x?start=1767323045")
	if s.asked.From != 1767323045e9 {
		t.Errorf("%+v", s.asked)
	}
}

func TestProblems(t *testing.T) {
	long := strings.Repeat("x", 257)
	for path, want := range map[string]int{
		"/api/v1/traces/": 400, "/api/v1/traces/" + long: 400, "/api/v1/traces/x?start=yesterday": 400, "/api/v1/traces/x?end=-1": 400,
		"/api/v1/traces/x?start=5&end=4": 400, "/api/v1/traces/x?end=9999-01-01T00:00:00Z": 400, "/api/v1/traces/x": 404,
	} {
		w, _ := get(t, traces.New(traces.Config{Source: &shelf{}}), path)
		if w.Code != want || w.Header().Get("Content-Type") != "application/problem+json" || !strings.Contains(w.Body.String(), `"detail"`) {
			t.Errorf("%.40s: %d %s", path, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	traces.New(traces.Config{Source: &shelf{}}).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/v1/traces/x", nil))
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
		t.Error(w.Code)
	}
	if w, _ := get(t, traces.New(traces.Config{Source: &shelf{err: errors.New("the disk is gone")}}), "/api/v1/traces/x"); w.Code != 500 || !strings.Contains(w.Body.String(), "disk") {
		t.Error(w.Code, w.Body)
	}
}

func TestAnAnswerIsBounded(t *testing.T) {
	s := &shelf{}
	for i := range 100 {
		s.entries = append(s.entries, entry.Entry{Time: time.Now().Add(-time.Minute).UnixNano() + int64(i), Trace: "x", Message: strconv.Itoa(i)})
	}
	if _, trace := get(t, traces.New(traces.Config{Source: s, Limit: 10}), "/x"); len(trace.Lines) != 10 || !trace.Truncated || trace.Lines[9].Message != "9" {
		t.Errorf("%d lines", len(trace.Lines))
	}
	if _, trace := get(t, traces.New(traces.Config{Source: s, Limit: 100}), "/x"); len(trace.Lines) != 100 || trace.Truncated {
		t.Errorf("%d lines", len(trace.Lines))
	}
	for i := range s.entries {
		s.entries[i].Message = strings.Repeat("m", entry.MaxMessage)
	}
	if w, trace := get(t, traces.New(traces.Config{Source: s, Size: 1 << 20}), "/x"); w.Body.Len() > 1<<20 || !trace.Truncated || len(trace.Lines) != 3 {
		t.Errorf("%d bytes, %d lines", w.Body.Len(), len(trace.Lines))
	}
}

func TestASearchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := traces.New(traces.Config{Source: &shelf{hang: true}, Timeout: 5 * time.Second, AtOnce: 1})
		began := time.Now()
		first := make(chan int)
		go func() {
			w, _ := get(t, h, "/x")
			first <- w.Code
		}()
		synctest.Wait()
		if w, _ := get(t, h, "/x"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Error(w.Code)
		}
		if code := <-first; code != http.StatusGatewayTimeout || time.Since(began) != 5*time.Second {
			t.Error(code, time.Since(began))
		}
	})
}

func FuzzDuration(f *testing.F) {
	f.Add("12.5", int64(5), "00f067aa0ba902b7")
	f.Add("1e999", int64(-1), "x")
	f.Add("NaN", int64(1<<62), "")
	f.Fuzz(func(t *testing.T, duration string, at int64, parent string) {
		s := &shelf{entries: []entry.Entry{{
			Time: at, Trace: "x", Span: parent, Attrs: []entry.Attr{{Name: "kind", Value: "span"}, {Name: "duration_ms", Value: duration}, {Name: "parent", Value: parent}},
		}}}
		if w, _ := get(t, traces.New(traces.Config{Source: s}), "/x?start=0&end=9223372036854775807"); w.Code != http.StatusOK && w.Code != http.StatusNotFound {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// TestWhatCannotBeRead is told, whether there is something else of the trace or not.
func TestWhatCannotBeRead(t *testing.T) {
	s := &shelf{gap: &logql.Gap{File: "short/1.parquet", To: time.Unix(0, 0)}}
	h := traces.New(traces.Config{Source: s})
	const gap = "lines before 1970-01-01T00:00:00.000Z are left out: short/1.parquet is damaged"
	if w, _ := get(t, h, "/"+id); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), gap) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	s.entries = []entry.Entry{{Time: time.Now().UnixNano(), Trace: id, Message: "here"}}
	if w, trace := get(t, h, "/"+id); !slices.Equal(trace.Warnings, []string{gap}) || len(trace.Lines) != 1 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	s.gap = nil
	if w, _ := get(t, h, "/"+id); strings.Contains(w.Body.String(), "warnings") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
