package otlp

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/gabion-io/gabion/server/metrics/tier"
)

// exporting makes an exporter with a temporality, to a receiver of its own, and a reader that gives to it when it is told.
func exporting(t *testing.T, temporality metricdata.Temporality) (*ledger, sdkmetric.Exporter, *sdkmetric.ManualReader) {
	t.Helper()
	l := &ledger{}
	web, _ := serve(t, &Receiver{Metrics: l})
	choose := func(sdkmetric.InstrumentKind) metricdata.Temporality { return temporality }
	x, err := otlpmetrichttp.New(t.Context(), otlpmetrichttp.WithEndpoint(web), otlpmetrichttp.WithInsecure(), otlpmetrichttp.WithTemporalitySelector(choose))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return l, x, sdkmetric.NewManualReader(sdkmetric.WithTemporalitySelector(choose))
}

// newest are the last samples of all series but target_info, by name.
func (l *ledger) newest() map[string]tier.Sample {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string]tier.Sample{}
	for _, s := range l.samples {
		if name := s.Labels.Get("__name__"); name != targetInfo {
			all[s.Labels.String()] = s
		}
	}
	return all
}

// alike says whether two samples are the same but for the resolution of their histograms.
func alike(t *testing.T, a, b tier.Sample) bool {
	t.Helper()
	var both [2]*histogram.FloatHistogram
	for i, s := range []tier.Sample{a, b} {
		if both[i] = s.FloatHistogram; s.Histogram != nil {
			both[i] = s.Histogram.ToFloat(nil)
		}
	}
	if both[0] == nil || both[1] == nil {
		return both[0] == both[1] && a.Value == b.Value
	}
	coarse := min(both[0].Schema, both[1].Schema)
	for i, h := range both {
		both[i] = h.Copy()
		if h.Schema > coarse {
			if err := both[i].ReduceResolution(coarse); err != nil {
				t.Fatal(err)
			}
		}
		both[i].CounterResetHint = 0
		both[i].Compact(0)
	}
	return both[0].Equals(both[1])
}

// TestDifferencesAreTheSameAsTotals: the SDK says the same both ways, over random calls, and what is stored is the same.
func TestDifferencesAreTheSameAsTotals(t *testing.T) {
	for seed := range uint64(4) {
		random := rand.New(rand.NewPCG(seed, 7))
		totals, x1, r1 := exporting(t, metricdata.CumulativeTemporality)
		deltas, x2, r2 := exporting(t, metricdata.DeltaTemporality)
		p := sdkmetric.NewMeterProvider(sdkmetric.WithReader(r1), sdkmetric.WithReader(r2), sdkmetric.WithView(sdkmetric.NewView(
			sdkmetric.Instrument{Name: "size"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 20, MaxScale: 20}},
		)))
		m := p.Meter("x")
		orders, err1 := m.Int64Counter("orders")
		work, err2 := m.Float64Counter("work", metric.WithUnit("s"))
		took, err3 := m.Float64Histogram("took", metric.WithExplicitBucketBoundaries(1, 2, 4))
		size, err4 := m.Float64Histogram("size")
		for _, err := range []error{err1, err2, err3, err4} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for round := range 12 {
			for range random.IntN(20) {
				of := metric.WithAttributes(attribute.Int("shop", random.IntN(3)))
				v := float64(1+random.IntN(200)) / 8 // sums of these are exact
				switch random.IntN(4) {
				case 0:
					orders.Add(t.Context(), int64(random.IntN(100)), of)
				case 1:
					work.Add(t.Context(), v, of)
				case 2:
					took.Record(t.Context(), v, of)
				case 3:
					size.Record(t.Context(), math.Exp2(float64(random.IntN(30))), of)
				}
			}
			for began := time.Now().UnixMilli(); time.Now().UnixMilli() == began; { // the store knows milliseconds
			}
			for x, r := range map[sdkmetric.Exporter]*sdkmetric.ManualReader{x1: r1, x2: r2} {
				var data metricdata.ResourceMetrics
				if err := r.Collect(t.Context(), &data); err != nil {
					t.Fatal(err)
				}
				if err := x.Export(t.Context(), &data); err != nil {
					t.Fatalf("seed %d, round %d: %v", seed, round, err)
				}
			}
			want, got := totals.newest(), deltas.newest()
			if len(want) != len(got) {
				t.Fatalf("seed %d, round %d: %d series, not %d", seed, round, len(got), len(want))
			}
			for name, s := range want {
				if !alike(t, s, got[name]) {
					t.Fatalf("seed %d, round %d: %s is\n%v %v\nand should be\n%v %v", seed, round, name, got[name].Value, got[name].FloatHistogram, s.Value, s.Histogram)
				}
			}
		}
		for name, about := range totals.about {
			if deltas.about[name] != about {
				t.Errorf("%s is described as %+v, not %+v", name, deltas.about[name], about)
			}
		}
	}
}

// step is a difference of the counter "a", up to a second after noon, that began at another.
func step(from, to int, value float64) pmetric.Metrics {
	return metricsOf(func(m pmetric.Metric, _ pmetric.NumberDataPoint) {
		sum := m.SetEmptySum()
		sum.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		sum.SetIsMonotonic(true)
		q := sum.DataPoints().AppendEmpty()
		if from >= 0 {
			q.SetStartTimestamp(pcommon.NewTimestampFromTime(noon.Add(time.Duration(from) * time.Second)))
		}
		q.SetTimestamp(pcommon.NewTimestampFromTime(noon.Add(time.Duration(to) * time.Second)))
		q.SetDoubleValue(value)
	})
}

type differing struct {
	*Receiver
	t *testing.T
	l *ledger
}

func newDiffering(t *testing.T) differing {
	l := &ledger{}
	return differing{&Receiver{Metrics: l, Now: func() time.Time { return noon.Add(time.Minute) }}, t, l}
}

// send sends metrics and returns what is said about them.
func (d differing) send(m pmetric.Metrics) (rejected int64, why string) {
	d.t.Helper()
	out, err := d.takeMetrics(d.t.Context(), "x", m)
	if err != nil {
		return -1, err.Error()
	}
	return out.PartialSuccess().RejectedDataPoints(), out.PartialSuccess().ErrorMessage()
}

// want are the samples so far, as "seconds=value", milliseconds after a dot.
func (d differing) want(text string) {
	d.t.Helper()
	var got []string
	for _, s := range d.l.samples {
		if s.Labels.Get("__name__") == "a_total" {
			got = append(got, fmt.Sprintf("%g=%g", float64(s.At-noon.UnixMilli())/1000, s.Value))
		}
	}
	if strings.Join(got, " ") != text {
		d.t.Errorf("stored %v, want %s", got, text)
	}
}

func TestDifferences(t *testing.T) {
	d := newDiffering(t)
	for _, s := range []struct {
		from, to int
		value    float64
		why      string
	}{
		{0, 10, 5, ""},
		{10, 20, 3, ""},
		{20, 30, 0, ""},
		{20, 30, 0, "not newer"}, // sent twice
		{10, 25, 7, "not newer"}, // too late
		{50, 40, 1, ""},          // a gap, and a start that makes no sense
		{40, 50, -1, "negative"},
		{40, 50, math.NaN(), "negative"},
		{40, 50, math.Inf(1), "no number"},
		{40, 50, 2, ""},
	} {
		rejected, why := d.send(step(s.from, s.to, s.value))
		if (rejected == 0) != (s.why == "") || !strings.Contains(why, s.why) {
			t.Errorf("%+v: %d are refused: %s", s, rejected, why)
		}
	}
	d.want("0.001=0 10=5 20=8 30=8 40=9 50=11")
	if got := d.RefusedPoints(); got != 5 {
		t.Errorf("%d refused points are counted", got)
	}
}

// TestDifferencesThatAreSentAgain: what could not be stored is not counted, so it counts when it comes again.
func TestDifferencesThatAreSentAgain(t *testing.T) {
	d := newDiffering(t)
	d.send(step(0, 10, 5))
	d.l.errs = []error{&tier.FullError{Tier: "raw"}, context.DeadlineExceeded}
	for range 2 {
		if rejected, why := d.send(step(10, 20, 3)); rejected != -1 {
			t.Fatal(rejected, why)
		}
	}
	if rejected, why := d.send(step(10, 20, 3)); rejected != 0 {
		t.Error(rejected, why)
	}
	if rejected, _ := d.send(step(10, 20, 3)); rejected != 1 { // its answer was lost
		t.Error("it counts twice")
	}
	d.want("0.001=0 10=5 20=8")

	fresh := newDiffering(t)
	fresh.l.errs = []error{tier.ErrClosed}
	fresh.send(step(0, 10, 5))
	if len(fresh.totals.all) != 0 || fresh.totals.size != 0 {
		t.Errorf("a total is left of nothing: %+v", fresh.totals)
	}
}

// TestTotalsBeginAnew: after a time without differences, and with a zero in front.
func TestTotalsBeginAnew(t *testing.T) {
	d := newDiffering(t)
	d.send(step(0, 10, 5))
	d.totals.begin(d.totals.now + totalIdle - 1)
	if len(d.totals.all) != 1 {
		t.Error("it is forgotten too soon")
	}
	d.totals.begin(d.totals.now + totalSweep)
	if len(d.totals.all) != 0 || d.totals.size != 0 {
		t.Errorf("%+v", d.totals)
	}
	d.send(step(20, 30, 7))
	d.want("0.001=0 10=5 20.001=0 30=7")
	unknown := newDiffering(t)
	unknown.send(step(-1, 10, 5)) // nobody knows since when
	unknown.send(step(-3600, 20, 1))
	unknown.want("10=5 20=6")
	long := newDiffering(t)
	long.send(step(0, 10, 1)) // begins at noon
	long.totals = totals{}
	m := step(0, 20, 1)
	m.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0).SetStartTimestamp(pcommon.NewTimestampFromTime(noon.Add(-time.Hour)))
	long.send(m)
	long.want("0.001=0 10=1 -580=0 20=1")
}

func TestTotalsAreBounded(t *testing.T) {
	d := newDiffering(t)
	d.send(step(0, 10, 5))
	d.totals.size = totalsRoom - 10
	other := step(0, 20, 1)
	other.ResourceMetrics().At(0).Resource().Attributes().PutStr("service.name", "other")
	if rejected, why := d.send(other); rejected != 1 || !strings.Contains(why, "too many series") {
		t.Error(rejected, why)
	}
	if rejected, why := d.send(step(10, 20, 3)); rejected != 0 {
		t.Error("a series that is known:", why)
	}
	d.want("0.001=0 10=5 20=8")

	// A native histogram whose every difference has other buckets becomes coarser, not larger.
	wide := newDiffering(t)
	for i := range 100 {
		m := metricsOf(func(m pmetric.Metric, _ pmetric.NumberDataPoint) {
			h := m.SetEmptyExponentialHistogram()
			h.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
			p := h.DataPoints().AppendEmpty()
			p.SetTimestamp(pcommon.NewTimestampFromTime(noon.Add(time.Duration(i+1) * 100 * time.Millisecond)))
			p.SetScale(8)
			p.SetCount(100)
			p.SetSum(1)
			p.Positive().SetOffset(int32(i * 1000))
			p.Positive().BucketCounts().FromRaw(slicesOfOnes(100))
		})
		if rejected, why := wide.send(m); rejected != 0 {
			t.Fatal(i, why)
		}
	}
	var last *histogram.FloatHistogram
	for _, s := range wide.l.samples {
		if s.FloatHistogram != nil {
			last = s.FloatHistogram
		}
	}
	if last == nil || last.Count != 10_000 || len(last.PositiveBuckets) > totalWide || wide.totals.size > 10_000 {
		t.Errorf("%+v, %d bytes", last, wide.totals.size)
	}
}

func slicesOfOnes(n int) []uint64 {
	all := make([]uint64, n)
	for i := range all {
		all[i] = 1
	}
	return all
}

func TestDifferencesOfWhatCanFall(t *testing.T) {
	d := newDiffering(t)
	m := step(0, 10, 5)
	m.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().SetIsMonotonic(false)
	if rejected, why := d.send(m); rejected != 1 || !strings.Contains(why, "cumulative") {
		t.Error(rejected, why)
	}
}

// TestDifferencesEnd: a point that says that there is no value ends the series, and changes no total.
func TestDifferencesEnd(t *testing.T) {
	d := newDiffering(t)
	d.send(step(0, 10, 5))
	m := step(10, 20, 0)
	m.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0).SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
	d.send(m)
	d.send(step(20, 30, 1))
	d.want("0.001=0 10=5 20=NaN 30=6")
}
