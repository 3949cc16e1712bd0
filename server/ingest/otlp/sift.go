package otlp

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/prometheus/otlptranslator"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/storage/remote/otlptranslator/prometheusremotewrite"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// The bounds of a point. Without them the translation of a small body could take very long.
const (
	attributesMax = 128            // of a point, of a resource; a series may have 64 labels
	bucketsMax    = 2000           // of a histogram, on each side of zero; the SDKs make at most 160
	oldest        = 24 * time.Hour // the store takes less, but says so itself
	ahead         = time.Hour
)

// leftOut is what cannot be taken of a request.
type leftOut struct {
	points int
	why    string // of the first
}

func (l *leftOut) add(n int, why func() string) {
	if n == 0 {
		return
	}
	if l.points == 0 {
		l.why = why()
	}
	l.points += n
}

func (l *leftOut) addPoint(metric, why string) {
	l.add(1, func() string { return "metric " + strconv.Quote(metric) + ": " + why })
}

// namer makes the names of metrics.
var namer = otlptranslator.MetricNamer{WithMetricSuffixes: true}

// nameable says whether an attribute can become a label: something of its name must be left.
func nameable(key string) bool {
	return strings.ContainsFunc(key, func(r rune) bool { return r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) })
}

// sift removes the points that cannot be translated, and their exemplars, which are not kept.
func sift(m pmetric.Metrics, now time.Time) (left leftOut) {
	times := span{pcommon.NewTimestampFromTime(now.Add(-oldest)), pcommon.NewTimestampFromTime(now.Add(ahead))}
	for _, resource := range m.ResourceMetrics().All() {
		resource.Resource().Attributes().RemoveIf(func(key string, _ pcommon.Value) bool { return !nameable(key) })
		for _, scope := range resource.ScopeMetrics().All() {
			scope.Metrics().RemoveIf(func(metric pmetric.Metric) bool {
				why := unfit(metric)
				if why == "" && resource.Resource().Attributes().Len() > attributesMax {
					why = "its resource has too many attributes"
				}
				s := sieve{metric.Name(), why, times, &left}
				return s.metric(metric) == 0
			})
		}
	}
	return left
}

// unfit says why no point of a metric can be taken; "" when some can.
func unfit(metric pmetric.Metric) string {
	var t pmetric.AggregationTemporality
	switch metric.Type() {
	case pmetric.MetricTypeGauge, pmetric.MetricTypeSummary:
		t = pmetric.AggregationTemporalityCumulative
	case pmetric.MetricTypeSum:
		t = metric.Sum().AggregationTemporality()
	case pmetric.MetricTypeHistogram:
		t = metric.Histogram().AggregationTemporality()
	case pmetric.MetricTypeExponentialHistogram:
		t = metric.ExponentialHistogram().AggregationTemporality()
	}
	_, err := namer.Build(prometheusremotewrite.TranslatorMetricFromOtelMetric(metric))
	switch {
	case metric.Name() == "":
		return "it has no name"
	case err != nil:
		return "its name has neither a letter nor a digit"
	case t == pmetric.AggregationTemporalityDelta && metric.Type() == pmetric.MetricTypeSum && !metric.Sum().IsMonotonic():
		return "differences of what can fall cannot be stored, since nobody knows where it began: set the temporality of the exporter to cumulative"
	case t != pmetric.AggregationTemporalityCumulative && t != pmetric.AggregationTemporalityDelta:
		return "its temporality is not known"
	}
	return ""
}

// span is the times that are taken.
type span struct{ from, to pcommon.Timestamp }

// sieve is for the points of one metric.
type sieve struct {
	name, unfit string
	times       span
	left        *leftOut
}

// metric removes what cannot be taken, and returns how many points stay.
func (s sieve) metric(m pmetric.Metric) int {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		return s.numbers(m.Gauge().DataPoints())
	case pmetric.MetricTypeSum:
		return s.numbers(m.Sum().DataPoints())
	case pmetric.MetricTypeHistogram:
		points := m.Histogram().DataPoints()
		points.RemoveIf(func(p pmetric.HistogramDataPoint) bool {
			drop(p.Exemplars())
			return s.bad(p.Timestamp(), p.Attributes(), p.BucketCounts().Len())
		})
		return points.Len()
	case pmetric.MetricTypeExponentialHistogram:
		points := m.ExponentialHistogram().DataPoints()
		points.RemoveIf(func(p pmetric.ExponentialHistogramDataPoint) bool {
			drop(p.Exemplars())
			if p.Scale() < histogram.ExponentialSchemaMin && s.unfit == "" {
				s.left.addPoint(s.name, "a point is too coarse: its scale is less than "+strconv.Itoa(int(histogram.ExponentialSchemaMin)))
				return true
			}
			return s.bad(p.Timestamp(), p.Attributes(), max(p.Positive().BucketCounts().Len(), p.Negative().BucketCounts().Len()))
		})
		return points.Len()
	case pmetric.MetricTypeSummary:
		points := m.Summary().DataPoints()
		points.RemoveIf(func(p pmetric.SummaryDataPoint) bool {
			return s.bad(p.Timestamp(), p.Attributes(), p.QuantileValues().Len())
		})
		return points.Len()
	}
	return 0
}

func (s sieve) numbers(points pmetric.NumberDataPointSlice) int {
	points.RemoveIf(func(p pmetric.NumberDataPoint) bool {
		drop(p.Exemplars())
		return s.bad(p.Timestamp(), p.Attributes(), 0)
	})
	return points.Len()
}

func drop(all pmetric.ExemplarSlice) {
	all.RemoveIf(func(pmetric.Exemplar) bool { return true })
}

// bad says whether a point cannot be taken, and counts it.
func (s sieve) bad(at pcommon.Timestamp, attributes pcommon.Map, parts int) bool {
	why := s.unfit
	switch {
	case why != "":
	case at == 0:
		why = "a point has no time"
	case at < s.times.from:
		why = "a point is older than a day"
	case at > s.times.to:
		why = "the time of a point lies in the future: is the sender's clock right?"
	case attributes.Len() > attributesMax:
		why = "a point has too many attributes"
	case parts > bucketsMax:
		why = "a point has too many buckets"
	default:
		for key := range attributes.All() {
			if !nameable(key) {
				why = "the name of an attribute has neither a letter nor a digit"
			}
		}
	}
	if why != "" {
		s.left.addPoint(s.name, why)
	}
	return why != ""
}
