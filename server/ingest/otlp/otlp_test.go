package otlp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdk "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/logs/entry"
)

type shelf struct {
	mu    sync.Mutex
	lines []entry.Entry
	errs  []error // of the next calls
}

func (s *shelf) Append(_ context.Context, _ string, lines []entry.Entry) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.errs) > 0 {
		err, s.errs = s.errs[0], s.errs[1:]
	}
	if _, whole := ingest.Partial(err); whole == nil {
		s.lines = append(s.lines, lines...)
	}
	return err
}

// serve starts a receiver on both protocols, and returns their addresses.
func serve(t *testing.T, r *Receiver) (overHTTP, overGRPC string) {
	t.Helper()
	r.Intake = &ingest.Intake{}
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/logs", r.ServeLogs)
	mux.HandleFunc("/v1/traces", r.ServeTraces)
	mux.HandleFunc("/v1/metrics", r.ServeMetrics)
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(ServerOptions()...)
	r.Register(s)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return web.Listener.Addr().String(), l.Addr().String()
}

// emit writes one record with the real SDK.
func emit(t *testing.T, x sdk.Exporter) error {
	t.Helper()
	from := resource.NewSchemaless(attribute.String("service.name", "shop"), attribute.String("service.instance.id", "shop-1"), attribute.String("host.name", "h1"))
	p := sdk.NewLoggerProvider(sdk.WithResource(from), sdk.WithProcessor(sdk.NewBatchProcessor(x)))
	var r log.Record
	r.SetTimestamp(time.Unix(1763719200, 123))
	r.SetSeverity(log.SeverityWarn2)
	r.SetSeverityText("WARNING")
	r.SetBody(attribute.StringValue("slow answer"))
	r.AddAttributes(attribute.String("http.route", "/cart"), attribute.Int("n", 7), attribute.Map("m", attribute.Bool("ok", true)), attribute.Slice("l", attribute.Float64Value(1.5)))
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{0xAB, 15: 1}, SpanID: trace.SpanID{0xCD, 7: 2}}))
	p.Logger("cart").Emit(ctx, r)
	return errors.Join(p.ForceFlush(t.Context()), p.Shutdown(t.Context()))
}

// soon is how the exporters come again, unless they are told when.
var soon = otlploghttp.RetryConfig{Enabled: true, InitialInterval: time.Millisecond, MaxInterval: time.Second, MaxElapsedTime: time.Minute}

const emitted = `{1763719200000000123 warn shop shop-1 /cart ab000000000000000000000000000001 cd00000000000002 slow answer [{n 7} {m {"ok":true}} {l [1.5]} {otel.scope.name cart} {host.name h1}]}`

func TestRealExporters(t *testing.T) {
	for _, full := range []bool{false, true} {
		s := &shelf{}
		web, rpc := serve(t, &Receiver{Sink: s})
		plain, err := otlploghttp.New(t.Context(), otlploghttp.WithEndpoint(web), otlploghttp.WithInsecure(), otlploghttp.WithRetry(soon))
		if err != nil {
			t.Fatal(err)
		}
		zipped, err := otlploghttp.New(t.Context(), otlploghttp.WithEndpoint(web), otlploghttp.WithInsecure(), otlploghttp.WithRetry(soon), otlploghttp.WithCompression(otlploghttp.GzipCompression))
		if err != nil {
			t.Fatal(err)
		}
		remote, err := otlploggrpc.New(t.Context(), otlploggrpc.WithEndpoint(rpc), otlploggrpc.WithInsecure(), otlploggrpc.WithRetry(otlploggrpc.RetryConfig(soon)), otlploggrpc.WithCompressor("gzip"))
		if err != nil {
			t.Fatal(err)
		}
		for name, x := range map[string]sdk.Exporter{"http": plain, "http gzip": zipped, "grpc gzip": remote} {
			s.lines = nil
			if full { // the exporters must come again by themselves
				s.errs = []error{&ingest.FullError{After: time.Second}}
			}
			if err := emit(t, x); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if len(s.lines) != 1 || fmt.Sprint(s.lines[0]) != emitted {
				t.Errorf("%s, full %v: %v\nwant %s", name, full, s.lines, emitted)
			}
		}
	}
}

// some are three records and two spans.
func some() (plogotlp.ExportRequest, ptraceotlp.ExportRequest) {
	logs := plog.NewLogs()
	records := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	records.AppendEmpty().SetSeverityText("fatal")
	r := records.AppendEmpty()
	r.SetObservedTimestamp(5)
	r.SetSeverityNumber(plog.SeverityNumberDebug4)
	r.SetSeverityText("VERBOSE")
	r.SetEventName("cart.emptied")
	records.AppendEmpty().Body().SetEmptyMap().PutInt("a", 1)
	traces := ptrace.NewTraces()
	from := traces.ResourceSpans().AppendEmpty()
	from.Resource().Attributes().PutStr("service.name", "shop")
	list := from.ScopeSpans().AppendEmpty().Spans()
	for i, took := range []time.Duration{time.Millisecond, 999 * time.Millisecond, 1500 * time.Millisecond} {
		p := list.AppendEmpty()
		p.SetName(fmt.Sprint("s", i))
		p.SetStartTimestamp(1e9)
		p.SetEndTimestamp(1e9 + pcommon.Timestamp(took))
		p.SetParentSpanID(pcommon.SpanID{1})
		p.Attributes().PutStr("http.route", "/x")
		if i == 0 {
			p.Status().SetCode(ptrace.StatusCodeError)
			p.Status().SetMessage("boom")
		}
	}
	return plogotlp.NewExportRequestFromLogs(logs), ptraceotlp.NewExportRequestFromTraces(traces)
}

func post(t *testing.T, url, format string, body []byte) (*http.Response, []byte) {
	t.Helper()
	resp, err := http.Post(url, format, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp, b.Bytes()
}

func TestRecordsInJSON(t *testing.T) {
	s := &shelf{errs: []error{&ingest.PartialError{Dropped: []int{0}, Reason: "quota"}}}
	web, _ := serve(t, &Receiver{Sink: s})
	logs, _ := some()
	body, err := logs.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	resp, text := post(t, "http://"+web+"/v1/logs", "application/json; charset=utf-8", body)
	if resp.StatusCode != http.StatusOK || string(text) != `{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"quota"}}` {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	if e := s.lines[0]; e.Level != entry.Fatal || e.Time == 0 || len(e.Attrs) != 0 {
		t.Errorf("%+v", e)
	}
	if e := s.lines[1]; fmt.Sprint(e) != "{5 debug      cart.emptied [{event.name cart.emptied} {severity_text VERBOSE}]}" {
		t.Errorf("%v", e)
	}
	if e := s.lines[2]; e.Message != `{"a":1}` {
		t.Errorf("%v", e)
	}
}

func TestSpans(t *testing.T) {
	s, forwarded, refuse := &shelf{}, 0, error(nil)
	web, rpc := serve(t, &Receiver{Sink: s, Forward: func(_ context.Context, all ptrace.Traces) error {
		forwarded += all.SpanCount()
		return refuse
	}})
	_, traces := some()
	body, err := traces.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	if resp, text := post(t, "http://"+web+"/v1/traces", protobuf, body); resp.StatusCode != http.StatusOK {
		t.Errorf("%d %q", resp.StatusCode, text)
	}
	want := []string{
		"{1001000000 error shop  /x   s0 [{kind span} {name s0} {duration_ms 1} {status error} {status_message boom} {parent 0100000000000000} {span_kind unspecified}]}",
		"{2500000000 warn shop  /x   s2 [{kind span} {name s2} {duration_ms 1500} {status unset} {parent 0100000000000000} {span_kind unspecified}]}",
	}
	var got []string
	for _, e := range s.lines {
		got = append(got, fmt.Sprint(e))
	}
	if !slices.Equal(got, want) || forwarded != 3 {
		t.Errorf("%d forwarded, entries:\n%s", forwarded, strings.Join(got, "\n"))
	}
	conn, err := grpc.NewClient(rpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := ptraceotlp.NewGRPCClient(conn)
	if _, err := client.Export(t.Context(), traces); err != nil || len(s.lines) != 4 {
		t.Errorf("%v, %d entries", err, len(s.lines))
	}
	refuse = errors.New("the other side is down")
	if _, err := client.Export(t.Context(), traces); status.Code(err) != codes.Unavailable || len(s.lines) != 4 {
		t.Errorf("%v, %d entries: what is not forwarded must be sent again", err, len(s.lines))
	}
}

func TestRefusals(t *testing.T) {
	s := &shelf{}
	web, rpc := serve(t, &Receiver{Sink: s})
	for name, tc := range map[string]struct {
		format, body string
		want         int
	}{
		"no protobuf":   {protobuf, "hello", 400},
		"no JSON":       {jsonText, `{"resourceLogs":[{]}`, 400},
		"deep JSON":     {jsonText, `{"resourceLogs":` + strings.Repeat("[", 300), 400},
		"deep protobuf": {protobuf, string(nested(1000)), 400},
		"other format":  {"text/plain", "", 415},
		"too large":     {protobuf, strings.Repeat("x", 9<<20), 413},
	} {
		resp, text := post(t, "http://"+web+"/v1/logs", tc.format, []byte(tc.body))
		if resp.StatusCode != tc.want || len(text) == 0 {
			t.Errorf("%s: %d %q", name, resp.StatusCode, text)
		}
	}
	if resp, err := http.Get("http://" + web + "/v1/logs"); err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("%v %v", resp, err)
	}
	conn, err := grpc.NewClient(rpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := plogotlp.NewExportRequest()
	if err := in.UnmarshalProto(nested(1000)); err != nil {
		t.Fatal(err)
	}
	client := plogotlp.NewGRPCClient(conn)
	if _, err := client.Export(t.Context(), in); err == nil || !strings.Contains(err.Error(), "levels deep") {
		t.Errorf("deep over gRPC: %v", err)
	}
	s.errs = []error{&ingest.FullError{After: time.Second}, ingest.ErrRefused, &ingest.PartialError{Dropped: []int{0}, Reason: "q"}}
	logs, _ := some()
	_, err = client.Export(t.Context(), logs)
	if status.Code(err) != codes.ResourceExhausted || len(status.Convert(err).Details()) != 1 {
		t.Errorf("full: %v", err)
	}
	if _, err = client.Export(t.Context(), logs); status.Code(err) != codes.InvalidArgument {
		t.Errorf("refused: %v", err)
	}
	if out, err := client.Export(t.Context(), logs); err != nil || out.PartialSuccess().RejectedLogRecords() != 1 {
		t.Errorf("partial: %v", err)
	}
}

// nested is a body of a log record of which the value is nested so deep.
func nested(depth int) (b []byte) {
	wrap := func(number protowire.Number) {
		b = append(protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.BytesType), uint64(len(b))), b...)
	}
	for range depth {
		wrap(1)
		wrap(5)
	}
	for _, number := range []protowire.Number{5, 2, 2, 1} {
		wrap(number)
	}
	return b
}

func TestDepth(t *testing.T) {
	if err := shallow(nested(MaxDepth/2-3), logsRequest); err != nil {
		t.Errorf("what is not deep: %v", err)
	}
	if err := shallow(nested(MaxDepth/2), logsRequest); !errors.Is(err, ingest.ErrRefused) {
		t.Errorf("what is deep: %v", err)
	}
	logs, traces := some()
	a, _ := logs.MarshalJSON()
	b, _ := traces.MarshalJSON()
	if err := errors.Join(shallowJSON(a), shallowJSON(b), shallowJSON([]byte(`"`+strings.Repeat(`[\"`, 1000)+`"`))); err != nil {
		t.Error(err)
	}
}

func TestSeverities(t *testing.T) {
	for n, want := range map[plog.SeverityNumber]entry.Level{-1: 0, 0: 0, 1: entry.Trace, 4: entry.Trace, 5: entry.Debug, 9: entry.Info, 13: entry.Warn, 17: entry.Error, 20: entry.Error, 21: entry.Fatal, 24: entry.Fatal, 25: 0} {
		if got := severity(n); got != want {
			t.Errorf("%d is %v, want %v", n, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	logs, traces := some()
	a, _ := logs.MarshalProto()
	b, _ := logs.MarshalJSON()
	c, _ := traces.MarshalProto()
	d, _ := traces.MarshalJSON()
	for _, body := range [][]byte{a, b, c, d, nested(20), nested(200)} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, format := range []string{protobuf, jsonText} {
			logs, traces := plogotlp.NewExportRequest(), ptraceotlp.NewExportRequest()
			if err := decode(logs, format, body, logsRequest); err == nil {
				if n := len(records(logs.Logs(), time.Unix(1, 0))); n != logs.Logs().LogRecordCount() {
					t.Fatalf("%d entries of %d records", n, logs.Logs().LogRecordCount())
				}
			} else if !errors.Is(err, ingest.ErrRefused) {
				t.Fatal(err)
			}
			if err := decode(traces, format, body, spansRequest); err == nil {
				spans(traces.Traces(), time.Second)
			}
		}
	})
}
