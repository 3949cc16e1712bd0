package otlp

import (
	"math"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/metrics/tier"
)

// Some senders say what came in since they last said something (delta temporality). What is stored are totals, so their
// differences are added up here, series by series, after they were translated. A total begins at zero: with the first
// difference of a series, after the store was started, and when nothing was added to it for a while. Then a zero is stored
// before it, at the start of that difference, so that whoever asks for a rate sees the counter begin anew, and nothing of
// what it counts is missing.

// The bounds of the totals.
const (
	totalsRoom  = 64 << 20         // bytes of memory for all of them, about
	totalIdle   = time.Hour        // how long one is kept that nothing is added to
	totalSweep  = time.Minute      // how often it is looked for such
	totalWide   = 320              // buckets of a native histogram on each side; with more, they become coarser
	zeroAtMost  = 10 * time.Minute // how far before a difference the zero stands at most: more would be too old for the store
	totalBase   = 200              // bytes of one, besides its name and its buckets
	targetInfo  = "target_info"
	bucketBytes = 8
)

// total is what the differences of a series come to.
type total struct {
	value     float64
	histogram *histogram.FloatHistogram // instead of value. It is never changed: samples share it.
	at        int64                     // the time of the last difference, in milliseconds since 1970
	used      gabion.Instant
	size      int // 0: there is no total
}

// totals are those of all series. One request at a time uses them.
type totals struct {
	all   map[string]total
	size  int
	swept gabion.Instant

	now    gabion.Instant
	before map[string]total // what the request under way has changed, as it was
	name   []byte           // scratch
}

// begin begins a request.
func (t *totals) begin(now gabion.Instant) {
	t.now, t.before = now, nil
	if now-t.swept < totalSweep {
		return
	}
	t.swept = now
	for key, s := range t.all {
		if now-s.used >= totalIdle {
			t.size -= s.size
			delete(t.all, key)
		}
	}
}

// undo makes the request under way undone: nothing of it was stored, and it will be sent again.
func (t *totals) undo() {
	for key, s := range t.before {
		t.put(key, s)
	}
	t.before = nil
}

func (t *totals) put(key string, s total) {
	t.size += s.size - t.all[key].size
	if s.size == 0 {
		delete(t.all, key)
		return
	}
	if t.all == nil {
		t.all = map[string]total{}
	}
	t.all[key] = s
}

// add makes the sample of a difference one of a total. Started is when what it counts began, 0 when that is not known. Fresh
// says that the total begins with it, and why, when it is not empty, that it cannot be taken.
func (t *totals) add(started int64, s *tier.Sample) (fresh bool, why string) {
	t.name = s.Labels.Bytes(t.name[:0])
	old := t.all[string(t.name)]
	if s.Histogram != nil {
		s.FloatHistogram, s.Histogram = s.Histogram.ToFloat(nil), nil
	}
	if old.size > 0 && (old.histogram == nil) != (s.FloatHistogram == nil) {
		old = total{at: old.at} // it became another kind of metric
	}
	if s.At <= old.at {
		return false, "a difference is not newer than the one before: was it sent twice, or by two senders that say the same of themselves?"
	}
	next := total{at: s.At, used: t.now, size: totalBase + len(t.name)}
	if s.FloatHistogram != nil {
		if next.histogram = together(old.histogram, s.FloatHistogram); next.histogram == nil {
			return false, "a difference contradicts itself, or the ones before"
		}
		next.size += bucketBytes * (len(next.histogram.PositiveBuckets) + len(next.histogram.NegativeBuckets))
	} else if next.value = old.value + s.Value; math.IsNaN(next.value) || math.IsInf(next.value, 0) {
		return false, "a difference is no number"
	}
	key := string(t.name)
	if more := next.size - t.all[key].size; more > 0 && t.size+more > totalsRoom {
		return false, "there are too many series of differences: set the temporality of the exporter to cumulative"
	}
	if _, seen := t.before[key]; !seen {
		if t.before == nil {
			t.before = map[string]total{}
		}
		t.before[key] = t.all[key]
	}
	t.put(key, next)
	s.Value, s.FloatHistogram = next.value, next.histogram
	return old.size == 0 && started > 0 && started+1 < s.At, ""
}

// together is the sum of two histograms, the first of which may be nil; nil when there is none.
func together(old, more *histogram.FloatHistogram) *histogram.FloatHistogram {
	sum := more
	if old != nil {
		var err error
		if sum, _, _, err = old.Copy().Add(more); err != nil {
			return nil
		}
	}
	sum.Compact(0)
	for max(len(sum.PositiveBuckets), len(sum.NegativeBuckets)) > totalWide && sum.Schema > histogram.ExponentialSchemaMin {
		if sum.ReduceResolution(sum.Schema-1) != nil {
			return nil
		}
	}
	sum.CounterResetHint = histogram.UnknownCounterReset
	if math.IsNaN(sum.Sum) || math.IsInf(sum.Sum, 0) || sum.Validate() != nil {
		return nil
	}
	return sum
}

// zeroBefore is the sample with which a total begins.
func zeroBefore(s tier.Sample, started int64) tier.Sample {
	zero := tier.Sample{Labels: s.Labels, At: max(started+1, s.At-zeroAtMost.Milliseconds())}
	if h := s.FloatHistogram; h != nil {
		zero.FloatHistogram = &histogram.FloatHistogram{Schema: h.Schema, ZeroThreshold: h.ZeroThreshold}
	}
	return zero
}

// accumulate makes a sample of a difference one of a total, and appends it. It counts what cannot be taken.
func (c *collector) accumulate(started int64, s tier.Sample, counter bool) {
	ends := value.IsStaleNaN(s.Value) || s.Histogram != nil && value.IsStaleNaN(s.Histogram.Sum)
	if ends || c.family == targetInfo {
		c.batch = append(c.batch, s)
		return
	}
	why := "a difference of a counter is negative, or no number"
	fresh := false
	if !counter || s.Value >= 0 {
		fresh, why = c.totals.add(started, &s)
	}
	if why != "" {
		c.left.addPoint(c.family, why)
		return
	}
	if fresh {
		c.batch = append(c.batch, zeroBefore(s, started))
	}
	c.batch = append(c.batch, s)
}

// differences takes the metrics that are differences out of m, and calls them cumulative: that is what becomes of them.
func differences(m pmetric.Metrics) pmetric.Metrics {
	out := pmetric.NewMetrics()
	for _, resource := range m.ResourceMetrics().All() {
		to := pmetric.NewResourceMetrics()
		for _, scope := range resource.ScopeMetrics().All() {
			var into pmetric.MetricSlice
			found := false
			scope.Metrics().RemoveIf(func(metric pmetric.Metric) bool {
				if !isDifference(metric) {
					return false
				}
				if !found {
					s := to.ScopeMetrics().AppendEmpty()
					scope.Scope().CopyTo(s.Scope())
					into, found = s.Metrics(), true
				}
				metric.MoveTo(into.AppendEmpty())
				return true
			})
		}
		if to.ScopeMetrics().Len() > 0 {
			resource.Resource().CopyTo(to.Resource())
			to.MoveTo(out.ResourceMetrics().AppendEmpty())
		}
	}
	return out
}

// isDifference says whether a metric is of differences, and calls it cumulative then.
func isDifference(m pmetric.Metric) bool {
	const delta, cumulative = pmetric.AggregationTemporalityDelta, pmetric.AggregationTemporalityCumulative
	switch {
	case m.Type() == pmetric.MetricTypeSum && m.Sum().AggregationTemporality() == delta:
		m.Sum().SetAggregationTemporality(cumulative)
	case m.Type() == pmetric.MetricTypeHistogram && m.Histogram().AggregationTemporality() == delta:
		m.Histogram().SetAggregationTemporality(cumulative)
	case m.Type() == pmetric.MetricTypeExponentialHistogram && m.ExponentialHistogram().AggregationTemporality() == delta:
		m.ExponentialHistogram().SetAggregationTemporality(cumulative)
	default:
		return false
	}
	return true
}
