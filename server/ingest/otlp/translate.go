package otlp

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/storage/remote/otlptranslator/prometheusremotewrite"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/metrics/tier"
)

// The bounds of what a request becomes.
const (
	samplesMax = 500_000
	namesMax   = 64 << 20 // bytes of all labels, written out
)

// translate makes samples of metrics, in the way of Prometheus: names and units as it likes them, service.name and
// service.instance.id as job and instance, the other attributes of the resource in target_info.
func (r *Receiver) translate(ctx context.Context, m pmetric.Metrics, left *leftOut) ([]tier.Sample, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	to := &collector{ctx: ctx, stop: stop, metrics: r.Metrics, left: left}
	r.totals.begin(gabion.Now())
	deltas := differences(m)
	for _, part := range []struct {
		pmetric.Metrics
		totals *totals
	}{{m, nil}, {deltas, &r.totals}} {
		to.totals = part.totals
		_, err := prometheusremotewrite.NewPrometheusConverter(to).FromMetrics(ctx, part.Metrics, prometheusremotewrite.Settings{AddMetricSuffixes: true})
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		n, first := failures(err)
		left.add(n, func() string { return fmt.Sprintf("%.300s", first) })
	}
	return to.batch, nil
}

// failures is how many errors there are in one, and the first of them. The translator joins each to those before it: the
// text of a long chain would take very long to make.
func failures(err error) (n int, first error) {
	for err != nil {
		joined, ok := err.(interface{ Unwrap() []error })
		if !ok {
			return n + 1, err
		}
		parts := joined.Unwrap()
		n += len(parts) - 1
		err = parts[0]
	}
	return n, nil
}

// collector is the appender that the translator appends to.
type collector struct {
	ctx     context.Context //nolint:containedctx // ends the translation: the collector does not outlive it
	stop    context.CancelCauseFunc
	metrics Metrics
	left    *leftOut
	totals  *totals // of the differences that are being translated; nil: they are totals
	batch   []tier.Sample
	names   uint64
	family  string // what was described last
}

// Append implements storage.AppenderV2.
func (c *collector) Append(_ storage.SeriesRef, l labels.Labels, started, at int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, o storage.AppendV2Options) (storage.SeriesRef, error) {
	c.names += l.ByteSize()
	if len(c.batch) >= samplesMax || c.names > namesMax {
		c.stop(fmt.Errorf("%w: the metrics become more than %d samples or %d bytes of labels: send less at a time", ingest.ErrTooLarge, samplesMax, namesMax))
		return 0, c.ctx.Err()
	}
	if o.MetricFamilyName != c.family {
		c.family = o.MetricFamilyName
		c.metrics.Describe(c.family, tier.Metadata{Type: string(o.Metadata.Type), Help: strings.ToValidUTF8(o.Metadata.Help, "\uFFFD"), Unit: o.Metadata.Unit})
	}
	s := tier.Sample{Labels: l, At: at, Value: v, Histogram: h, FloatHistogram: fh}
	if c.totals != nil {
		c.accumulate(started, s, o.Metadata.Type == model.MetricTypeCounter)
		return 1, nil
	}
	c.batch = append(c.batch, s)
	return 1, nil
}

// Commit implements storage.AppenderV2: the translator leaves it to whoever called it.
func (c *collector) Commit() error { return errors.ErrUnsupported }

// Rollback implements storage.AppenderV2.
func (c *collector) Rollback() error { return errors.ErrUnsupported }
