package otlp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/gabion-io/gabion/server/metrics/tier"
)

// ledger is a store that writes down what comes.
type ledger struct {
	mu        sync.Mutex
	samples   []tier.Sample
	producers []string
	about     map[string]tier.Metadata
	errs      []error // of the next calls
	dropped   tier.Dropped
}

func (l *ledger) Append(_ context.Context, producer string, batch []tier.Sample) (tier.Dropped, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return tier.Dropped{}, err
	}
	l.samples, l.producers = append(l.samples, batch...), append(l.producers, producer)
	return l.dropped, nil
}

func (l *ledger) Describe(name string, m tier.Metadata) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.about == nil {
		l.about = map[string]tier.Metadata{}
	}
	l.about[name] = m
}

// lines are the samples without their times, sorted.
func (l *ledger) lines() (all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.samples {
		text := fmt.Sprint(s.Labels, " ", s.Value)
		if s.Histogram != nil {
			text = fmt.Sprint(s.Labels, " ", s.Histogram)
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}

// measure makes one metric of each kind with the real SDK.
func measure(t *testing.T, x sdkmetric.Exporter) error {
	t.Helper()
	from := resource.NewSchemaless(attribute.String("service.namespace", "acme"), attribute.String("service.name", "shop"), attribute.String("service.instance.id", "shop-1"), attribute.String("host.name", "h1"))
	p := sdkmetric.NewMeterProvider(sdkmetric.WithResource(from), sdkmetric.WithReader(sdkmetric.NewPeriodicReader(x)),
		sdkmetric.WithView(sdkmetric.NewView(sdkmetric.Instrument{Name: "exponential"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 0}})))
	m := p.Meter("cart")
	counter, err := m.Int64Counter("orders", metric.WithDescription("Orders taken."), metric.WithUnit("{order}"))
	gauge, err2 := m.Float64Gauge("queue.age", metric.WithUnit("s"))
	plain, err3 := m.Float64Histogram("http.server.request.duration", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(0.1, 1))
	exponential, err4 := m.Float64Histogram("exponential")
	if err := errors.Join(err, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 3, metric.WithAttributes(attribute.String("http.route", "/cart")))
	gauge.Record(t.Context(), 1.5)
	plain.Record(t.Context(), 0.5)
	exponential.Record(t.Context(), 2)
	return errors.Join(p.ForceFlush(t.Context()), p.Shutdown(t.Context()))
}

var measured = []string{
	`{__name__="exponential", instance="shop-1", job="acme/shop"} {count:1, sum:2, (1,2]:1}`,
	`{__name__="http_server_request_duration_seconds_bucket", instance="shop-1", job="acme/shop", le="+Inf"} 1`,
	`{__name__="http_server_request_duration_seconds_bucket", instance="shop-1", job="acme/shop", le="0.1"} 0`,
	`{__name__="http_server_request_duration_seconds_bucket", instance="shop-1", job="acme/shop", le="1"} 1`,
	`{__name__="http_server_request_duration_seconds_count", instance="shop-1", job="acme/shop"} 1`,
	`{__name__="http_server_request_duration_seconds_sum", instance="shop-1", job="acme/shop"} 0.5`,
	`{__name__="orders_total", http_route="/cart", instance="shop-1", job="acme/shop"} 3`,
	`{__name__="queue_age_seconds", instance="shop-1", job="acme/shop"} 1.5`,
	`{__name__="target_info", host_name="h1", instance="shop-1", job="acme/shop"} 1`,
}

func TestRealMetricExporters(t *testing.T) {
	for _, full := range []bool{false, true} {
		l := &ledger{}
		web, rpc := serve(t, &Receiver{Metrics: l})
		plain, err := otlpmetrichttp.New(t.Context(), otlpmetrichttp.WithEndpoint(web), otlpmetrichttp.WithInsecure(), otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig(soon)))
		if err != nil {
			t.Fatal(err)
		}
		zipped, err := otlpmetrichttp.New(t.Context(), otlpmetrichttp.WithEndpoint(web), otlpmetrichttp.WithInsecure(), otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig(soon)), otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression))
		if err != nil {
			t.Fatal(err)
		}
		remote, err := otlpmetricgrpc.New(t.Context(), otlpmetricgrpc.WithEndpoint(rpc), otlpmetricgrpc.WithInsecure(), otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig(soon)), otlpmetricgrpc.WithCompressor("gzip"))
		if err != nil {
			t.Fatal(err)
		}
		for name, x := range map[string]sdkmetric.Exporter{"http": plain, "http gzip": zipped, "grpc gzip": remote} {
			l.samples, l.producers = nil, nil
			if full { // the exporters must come again by themselves
				l.errs = []error{&tier.FullError{Tier: "raw"}}
			}
			if err := measure(t, x); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got := l.lines()
			got = slices.Compact(got) // shutting down exports again
			if !slices.Equal(got, measured) {
				t.Errorf("%s, full %v:\n%s\nwant\n%s", name, full, strings.Join(got, "\n"), strings.Join(measured, "\n"))
			}
			if l.producers[0] != "otlp 127.0.0.1" {
				t.Errorf("%s: it came from %q", name, l.producers[0])
			}
		}
		if m := l.about["orders_total"]; m != (tier.Metadata{Type: "counter", Help: "Orders taken."}) {
			t.Errorf("orders_total is described as %+v", m)
		}
	}
}

// noon is when the tests below happen.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// metricsOf is a request with as many points as ask to be made, each changed by its own function.
func metricsOf(points ...func(m pmetric.Metric, p pmetric.NumberDataPoint)) pmetric.Metrics {
	all := pmetric.NewMetrics()
	from := all.ResourceMetrics().AppendEmpty()
	from.Resource().Attributes().PutStr("service.name", "shop")
	for _, change := range points {
		m := from.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		m.SetName("a")
		p := m.SetEmptyGauge().DataPoints().AppendEmpty()
		p.SetTimestamp(pcommon.NewTimestampFromTime(noon))
		p.SetIntValue(1)
		change(m, p)
	}
	return all
}

func asItIs(pmetric.Metric, pmetric.NumberDataPoint) {}

func TestPointsThatAreLeftOut(t *testing.T) {
	at := func(d time.Duration) func(pmetric.Metric, pmetric.NumberDataPoint) {
		return func(_ pmetric.Metric, p pmetric.NumberDataPoint) {
			p.SetTimestamp(pcommon.NewTimestampFromTime(noon.Add(d)))
		}
	}
	for name, tc := range map[string]struct {
		change func(m pmetric.Metric, p pmetric.NumberDataPoint)
		points int64
		why    string
	}{
		"as it is":         {asItIs, 0, ""},
		"no name":          {func(m pmetric.Metric, _ pmetric.NumberDataPoint) { m.SetName("") }, 1, "no name"},
		"bad name":         {func(m pmetric.Metric, _ pmetric.NumberDataPoint) { m.SetName("…") }, 1, "neither a letter nor a digit"},
		"no time":          {func(_ pmetric.Metric, p pmetric.NumberDataPoint) { p.SetTimestamp(0) }, 1, "no time"},
		"far future":       {func(_ pmetric.Metric, p pmetric.NumberDataPoint) { p.SetTimestamp(1<<64 - 1) }, 1, "future"},
		"future":           {at(2 * time.Hour), 1, "future"},
		"a little":         {at(30 * time.Minute), 0, ""},
		"old":              {at(-25 * time.Hour), 1, "older than a day"},
		"a little old":     {at(-23 * time.Hour), 0, ""},
		"strange exemplar": {func(_ pmetric.Metric, p pmetric.NumberDataPoint) { p.Exemplars().AppendEmpty() }, 0, ""},
		"strange exemplar of a sum": {func(m pmetric.Metric, _ pmetric.NumberDataPoint) {
			sum := m.SetEmptySum()
			sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			q := sum.DataPoints().AppendEmpty()
			q.SetTimestamp(pcommon.NewTimestampFromTime(noon))
			q.SetIntValue(1)
			q.Exemplars().AppendEmpty() // it has no value
		}, 0, ""},
		"no kind":   {func(m pmetric.Metric, _ pmetric.NumberDataPoint) { pmetric.NewMetric().CopyTo(m) }, 0, ""},
		"empty sum": {func(m pmetric.Metric, _ pmetric.NumberDataPoint) { m.SetEmptySum() }, 0, ""},
		"strange sum": {func(m pmetric.Metric, p pmetric.NumberDataPoint) {
			q := pmetric.NewNumberDataPoint()
			p.CopyTo(q)
			q.CopyTo(m.SetEmptySum().DataPoints().AppendEmpty())
		}, 1, "temporality is not known"},
		"many attributes": {func(_ pmetric.Metric, p pmetric.NumberDataPoint) {
			for i := range attributesMax + 1 {
				p.Attributes().PutStr(strings.Repeat(".", i+1)+"a", "x")
			}
		}, 1, "too many attributes"},
		"nameless attribute": {func(_ pmetric.Metric, p pmetric.NumberDataPoint) { p.Attributes().PutStr("", "x") }, 1, "neither a letter nor a digit"},
		"many buckets": {func(m pmetric.Metric, p pmetric.NumberDataPoint) {
			h := m.SetEmptyHistogram()
			h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			q := h.DataPoints().AppendEmpty()
			q.SetTimestamp(pcommon.NewTimestampFromTime(noon))
			q.BucketCounts().FromRaw(make([]uint64, bucketsMax+1))
		}, 1, "too many buckets"},
	} {
		l := &ledger{}
		r := &Receiver{Metrics: l, Now: func() time.Time { return noon }}
		out, err := r.takeMetrics(t.Context(), "x", metricsOf(asItIs, tc.change))
		if err != nil {
			t.Fatal(name, err)
		}
		rest := out.PartialSuccess()
		if rest.RejectedDataPoints() != tc.points || !strings.Contains(rest.ErrorMessage(), tc.why) || (tc.why == "") != (rest.ErrorMessage() == "") {
			t.Errorf("%s: %d points left out: %q", name, rest.RejectedDataPoints(), rest.ErrorMessage())
		}
		if got := l.lines(); len(got) == 0 || got[0] != `{__name__="a", job="shop"} 1` {
			t.Errorf("%s: stored %v", name, got)
		}
	}
}

// TestMetricBombs: small requests that would become very large.
func TestMetricBombs(t *testing.T) {
	r := &Receiver{Metrics: &ledger{}, Now: func() time.Time { return noon }}
	many := make([]func(pmetric.Metric, pmetric.NumberDataPoint), 2000)
	for i := range many {
		many[i] = func(m pmetric.Metric, _ pmetric.NumberDataPoint) { m.SetName(fmt.Sprint("a", i)) }
	}
	named := metricsOf(many...)
	named.ResourceMetrics().At(0).Resource().Attributes().PutStr("service.name", strings.Repeat("x", 1<<20))
	if _, err := r.takeMetrics(t.Context(), "x", named); err == nil || !strings.Contains(err.Error(), "send less at a time") {
		t.Errorf("a long name, said often: %v", err)
	}
	wide := metricsOf(asItIs)
	for i := range attributesMax {
		wide.ResourceMetrics().At(0).Resource().Attributes().PutInt(fmt.Sprint("a", i), 1)
	}
	if out, err := r.takeMetrics(t.Context(), "x", wide); err != nil || out.PartialSuccess().RejectedDataPoints() != 1 {
		t.Errorf("a wide resource: %v", err)
	}
	steps := metricsOf(asItIs)
	h := steps.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).SetEmptyHistogram()
	h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	for range samplesMax/bucketsMax + 1 {
		p := h.DataPoints().AppendEmpty()
		p.SetTimestamp(pcommon.NewTimestampFromTime(noon))
		p.BucketCounts().FromRaw(make([]uint64, bucketsMax))
		p.ExplicitBounds().FromRaw(make([]float64, bucketsMax))
	}
	if _, err := r.takeMetrics(t.Context(), "x", steps); err == nil || !strings.Contains(err.Error(), "send less at a time") {
		t.Errorf("many buckets: %v", err)
	}
	var failing []func(pmetric.Metric, pmetric.NumberDataPoint)
	for range 50_000 {
		failing = append(failing, func(m pmetric.Metric, _ pmetric.NumberDataPoint) { m.SetName("…") })
	}
	if out, err := r.takeMetrics(t.Context(), "x", metricsOf(failing...)); err != nil || out.PartialSuccess().RejectedDataPoints() != 50_000 || len(out.PartialSuccess().ErrorMessage()) > 300 {
		t.Errorf("a long chain of errors: %v, %d", err, out.PartialSuccess().RejectedDataPoints())
	}
	empty := []byte(strings.Repeat("\x0a\x00", messagesMax))
	if err := shallow(empty, metricsRequest); !errors.Is(err, errMany) {
		t.Errorf("empty messages: %v", err)
	}
	if err := shallowJSON([]byte(strings.Repeat("{}", messagesMax+1))); !errors.Is(err, errMany) {
		t.Errorf("empty objects: %v", err)
	}
}

func TestMetricRefusals(t *testing.T) {
	l := &ledger{}
	web, rpc := serve(t, &Receiver{Metrics: l, Now: func() time.Time { return noon }, Producer: func(*http.Request) string { return "me" }})
	in := pmetricotlp.NewExportRequestFromMetrics(metricsOf(asItIs))
	text, err := in.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	l.dropped = tier.Dropped{Samples: 5, First: "a", Why: "too many"}
	resp, body := post(t, "http://"+web+"/v1/metrics", jsonText, text)
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(body), `"rejectedDataPoints":"1"`) || !strings.Contains(string(body), "too many") {
		t.Errorf("dropped by the store: %d %s", resp.StatusCode, body)
	}
	if l.producers[0] != "otlp me" {
		t.Errorf("it came from %q", l.producers[0])
	}
	l.errs = []error{&tier.FullError{Tier: "raw"}, tier.ErrClosed}
	if resp, _ := post(t, "http://"+web+"/v1/metrics", jsonText, text); resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
		t.Errorf("full: %d", resp.StatusCode)
	}
	if resp, _ := post(t, "http://"+web+"/v1/metrics", jsonText, text); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("closed: %d", resp.StatusCode)
	}
	for name, tc := range map[string]struct{ format, body string }{
		"no protobuf": {protobuf, "hello"},
		"no JSON":     {jsonText, `{"resourceMetrics":[{]}`},
		"deep":        {jsonText, `{"resourceMetrics":` + strings.Repeat("[", 300)},
	} {
		if resp, _ := post(t, "http://"+web+"/v1/metrics", tc.format, []byte(tc.body)); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
	conn, err := grpc.NewClient(rpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := pmetricotlp.NewGRPCClient(conn)
	l.errs = []error{&tier.FullError{Tier: "raw"}}
	if _, err := client.Export(t.Context(), in); status.Code(err) != codes.ResourceExhausted || len(status.Convert(err).Details()) != 1 {
		t.Errorf("full: %v", err)
	}
	deep := metricsOf(func(_ pmetric.Metric, p pmetric.NumberDataPoint) {
		v := p.Attributes().PutEmpty("a")
		for range MaxDepth {
			v = v.SetEmptySlice().AppendEmpty()
		}
	})
	if _, err := client.Export(t.Context(), pmetricotlp.NewExportRequestFromMetrics(deep)); err == nil || !strings.Contains(err.Error(), "levels deep") {
		t.Errorf("deep: %v", err)
	}
}

// FuzzMetrics: no body may break the translation, and what it makes must be fit for the store.
func FuzzMetrics(f *testing.F) {
	a := pmetricotlp.NewExportRequestFromMetrics(metricsOf(asItIs, asItIs))
	b, _ := a.MarshalProto()
	c, _ := a.MarshalJSON()
	f.Add(b)
	f.Add(c)
	f.Add([]byte(`{"resourceMetrics":[{"resource":{"attributes":[{"key":""}]},"scopeMetrics":[{"metrics":[{"name":"0","gauge":{"dataPoints":[{"timeUnixNano":"1772400000000000000"}]}},
		{"name":"e","exponentialHistogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"1772400000000000000","scale":-5},{"timeUnixNano":"1772400000000000000","scale":20,"count":3,"positive":{"offset":-7,"bucketCounts":[1,0,2]}}]}},
		{"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"1772400000000000000","count":3,"explicitBounds":[1],"bucketCounts":[1,2]}]}},
		{"name":"s","summary":{"dataPoints":[{"timeUnixNano":"1772400000000000000","count":3,"quantileValues":[{"quantile":0.5,"value":1}]}]}}]}]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, format := range []string{protobuf, jsonText} {
			in := pmetricotlp.NewExportRequest()
			if decode(in, format, body, metricsRequest) != nil {
				continue
			}
			points := in.Metrics().DataPointCount()
			l := &ledger{}
			r := &Receiver{Metrics: l, Now: func() time.Time { return noon }}
			out, err := r.takeMetrics(t.Context(), "x", in.Metrics())
			if err != nil {
				continue
			}
			if n, stay := out.PartialSuccess().RejectedDataPoints(), in.Metrics().DataPointCount(); n != int64(points-stay) || stay > len(l.samples) {
				t.Fatalf("%d of %d points left out: %q; %d samples", n, points, out.PartialSuccess().ErrorMessage(), len(l.samples))
			}
			for _, s := range l.samples {
				if s.Labels.Get("__name__") == "" || s.At < noon.Add(-oldest).UnixMilli() || s.At > noon.Add(ahead).UnixMilli() {
					t.Fatalf("%v at %d", s.Labels, s.At)
				}
			}
		}
	})
}
