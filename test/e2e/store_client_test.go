package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/gabion-io/gabion/test/harness"
	"github.com/gabion-io/gabion/test/process"
)

// build builds a program of another module, as that module has it: with its own dependencies, which are not ours.
func build(t *testing.T, dir, pkg string, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.Base(pkg))
	cmd := exec.CommandContext(t.Context(), "go", slices.Concat([]string{"build", "-o", path}, flags, []string{pkg})...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return path
}

// goSays runs the go command in a directory.
func goSays(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}

const runWithin = 20 * time.Second

func TestPromtool(t *testing.T) {
	t.Parallel()
	// At the version that the server stands on.
	dir := goSays(t, "../../server", "list", "-m", "-f", "{{.Dir}}", "github.com/prometheus/prometheus")
	tool := build(t, dir, "./cmd/promtool", "-tags", "remove_all_sd")
	g := storing(t)
	base := "http://" + g.Admin + "/prometheus"
	run := func(args ...string) (code int, out, errOut string) {
		return process.Run(t, runWithin, exec.Command(tool, args...))
	}
	file := filepath.Join(t.TempDir(), "metrics.txt")
	if err := os.WriteFile(file, []byte("# TYPE e2e_pushed gauge\ne2e_pushed{color=\"red\"} 42\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errOut := run("push", "metrics", base, file); code != 0 {
		t.Fatalf("push: %d\n%s%s", code, out, errOut)
	}
	now := time.Now()
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"query", "instant", base, `e2e_pushed * 2`}, `{color="red", job="promtool"} => 84 @[`},
		{[]string{"query", "range", "--start", seconds(now.Add(-time.Minute)), "--end", seconds(now.Add(10 * time.Second)), "--step", "10s", base, "e2e_pushed"}, "42 @["},
		{[]string{"query", "series", "--match", "e2e_pushed", base}, `color="red"`},
		{[]string{"query", "labels", base, "color"}, "red"},
	} {
		if code, out, errOut := run(test.args...); code != 0 || !strings.Contains(out, test.want) {
			t.Errorf("%v: %d\n%s%s", test.args, code, out, errOut)
		}
	}
	if code, _, errOut := run("query", "instant", base, "sum(rate(x}"); code == 0 || !strings.Contains(errOut, "1:11: parse error") {
		t.Errorf("a malformed query: %d %s", code, errOut)
	}
}

func seconds(at time.Time) string { return fmt.Sprint(at.Unix()) }

// The OpenTelemetry SDK for Go sends its logs, metrics and spans.
func TestOpenTelemetry(t *testing.T) {
	t.Parallel()
	overGRPC := process.Address(t)
	g := storing(t, func(cfg *harness.Config) { cfg.Rest += fmt.Sprintf("ingest: {otlp_grpc: %q}\n", overGRPC) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	about := resource.NewSchemaless(attribute.String("service.name", "orders"))
	since := time.Now()

	spans, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpoint(g.Admin), otlptracehttp.WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	tracing := trace.NewTracerProvider(trace.WithBatcher(spans), trace.WithResource(about))
	spanCtx, span := tracing.Tracer("e2e").Start(ctx, "order")
	span.SetStatus(codes.Error, "no stock")

	httpLogs, err := otlploghttp.New(ctx, otlploghttp.WithEndpoint(g.Admin), otlploghttp.WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	grpcLogs, err := otlploggrpc.New(ctx, otlploggrpc.WithEndpoint(overGRPC), otlploggrpc.WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	for way, exporter := range map[string]sdklog.Exporter{"http": httpLogs, "grpc": grpcLogs} {
		provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter)), sdklog.WithResource(about))
		var r log.Record
		r.SetTimestamp(time.Now())
		r.SetSeverity(log.SeverityError)
		r.SetBody(attribute.StringValue("no stock, says " + way))
		r.AddAttributes(attribute.Int("order.items", 3))
		provider.Logger("e2e").Emit(spanCtx, r)
		if err := provider.Shutdown(ctx); err != nil {
			t.Errorf("logs over %s: %v", way, err)
		}
	}
	span.End()
	if err := tracing.Shutdown(ctx); err != nil {
		t.Errorf("spans: %v", err)
	}
	query := fmt.Sprintf(`{service="orders", level="error", trace_id=%q} | order_items = "3"`, span.SpanContext().TraceID())
	texts, err := g.Lines(query, since, time.Now().Add(time.Minute))
	slices.Sort(texts)
	if want := []string{"no stock, says grpc", "no stock, says http"}; err != nil || !slices.Equal(texts, want) {
		t.Errorf("%v %q", err, texts)
	}
	metricsOver(ctx, t, g, about)
}

func metricsOver(ctx context.Context, t *testing.T, g *harness.Gateway, about *resource.Resource) {
	t.Helper()
	exporter, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpoint(g.Admin), otlpmetrichttp.WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter)), sdkmetric.WithResource(about))
	meter := provider.Meter("e2e")
	orders, err := meter.Int64Counter("e2e.orders")
	if err != nil {
		t.Fatal(err)
	}
	took, err := meter.Float64Histogram("e2e.order.duration", metric.WithUnit("s"))
	if err != nil {
		t.Fatal(err)
	}
	orders.Add(ctx, 3, metric.WithAttributes(attribute.String("color", "red")))
	took.Record(ctx, .25)
	if err := provider.Shutdown(ctx); err != nil {
		t.Errorf("metrics: %v", err)
	}
	for expr, want := range map[string]float64{
		`e2e_orders_total{job="orders", color="red"}`:               3,
		`e2e_order_duration_seconds_count{job="orders"}`:            1,
		`e2e_order_duration_seconds_sum{job="orders"}`:              .25,
		`e2e_order_duration_seconds_bucket{job="orders",le="+Inf"}`: 1,
	} {
		if have := g.Value(t, expr); have != want {
			t.Errorf("%s is %v, want %v", expr, have, want)
		}
	}
}

// lokiClient is the version of Loki's client library. It cannot be one of our dependencies, since it needs an old
// Prometheus.
const lokiClient = "github.com/grafana/loki-client-go@v0.0.0-20240913122146-e119d400c3a5"

// buildLokiClient builds a program that sends lines with Loki's client library.
func buildLokiClient(t *testing.T) (path string) {
	t.Helper()
	var module struct{ Dir string }
	if err := json.Unmarshal([]byte(goSays(t, t.TempDir(), "mod", "download", "-json", lokiClient)), &module); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, from := range []string{module.Dir, "testdata"} { // the second one is a program for the first
		if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	return build(t, dir, "./lokiclient")
}

// A client library of Loki sends lines, and the API that command-line clients and Grafana use finds and follows them.
func TestLokiClients(t *testing.T) {
	t.Parallel()
	client := buildLokiClient(t)
	g := storing(t)
	since := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "http://"+g.Admin+"/loki/api/v1/tail?query="+url.QueryEscape(`{service="till"} |= "paid"`), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	send := exec.Command(client, "http://"+g.Admin+"/loki/api/v1/push", "till", "paid 5", "refused 6", "paid 7")
	if code, out, errOut := process.Run(t, runWithin, send); code != 0 {
		t.Fatalf("%d\n%s%s", code, out, errOut)
	}
	texts, err := g.Lines(`{service="till"}`, since, time.Now().Add(time.Minute))
	if want := []string{"paid 5", "refused 6", "paid 7"}; err != nil || !slices.Equal(texts, want) {
		t.Errorf("%v %q", err, texts)
	}
	var followed []string
	for len(followed) < 2 {
		_, text, err := conn.Read(ctx)
		if err != nil {
			t.Fatalf("%v after %q", err, followed)
		}
		var m struct {
			Streams []struct{ Values [][2]string }
		}
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		for _, s := range m.Streams {
			for _, v := range s.Values {
				followed = append(followed, v[1])
			}
		}
	}
	slices.Sort(followed)
	if !slices.Equal(followed, []string{"paid 5", "paid 7"}) {
		t.Errorf("followed %q", followed)
	}
	till := url.QueryEscape(`{service="till"}`)
	for _, ask := range [][2]string{
		{"/loki/api/v1/labels", `"color"`},
		{"/loki/api/v1/label/service/values", `"till"`},
		{"/loki/api/v1/series?match[]=" + till, `"service":"till"`},
		{"/loki/api/v1/index/stats?query=" + till, `"entries":3`},
	} {
		path, want := ask[0], ask[1]
		if answer := g.Get(t, path); !strings.Contains(answer, want) {
			t.Errorf("%s: %s, want %s", path, answer, want)
		}
	}
}
