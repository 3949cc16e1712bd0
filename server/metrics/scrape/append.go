package scrape

import (
	"context"
	"strings"
	"sync/atomic"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"

	"github.com/gabion-io/gabion/server/metrics/tier"
)

// shelf gives each scrape an appender.
type shelf struct {
	store Store
	refs  atomic.Uint64
}

// AppenderV2 implements storage.AppendableV2.
func (s *shelf) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return &appender{ctx: ctx, shelf: s}
}

// appender collects a scrape and stores it at once when it is whole.
type appender struct {
	ctx    context.Context //nolint:containedctx // that of the interface: one appender is one scrape
	shelf  *shelf
	batch  []tier.Sample
	report int    // how many at the end of the batch are about the scrape itself
	family string // what was described last
	about  metadata.Metadata
}

// Append implements storage.AppenderV2. The scraper knows a series that it has seen by the reference.
func (a *appender) Append(ref storage.SeriesRef, l labels.Labels, _, at int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, o storage.AppendV2Options) (storage.SeriesRef, error) {
	if ref == 0 {
		ref = storage.SeriesRef(a.shelf.refs.Add(1))
	}
	if isReport(l.Get(model.MetricNameLabel)) {
		a.report++
	} else {
		a.report = 0
		a.describe(o.MetricFamilyName, o.Metadata)
	}
	a.batch = append(a.batch, tier.Sample{Labels: l, At: at, Value: v, Histogram: h, FloatHistogram: fh})
	return ref, nil
}

// describe passes on what the target says of its metrics. The name lies in the body, which is used again after the scrape.
func (a *appender) describe(family string, m metadata.Metadata) {
	if m == (metadata.Metadata{}) || a.family == family && a.about == m {
		return
	}
	a.family, a.about = strings.Clone(family), m
	a.shelf.store.Describe(a.family, tier.Metadata{Type: string(m.Type), Help: strings.ToValidUTF8(m.Help, "\uFFFD"), Unit: m.Unit})
}

// Commit implements storage.AppenderV2. What the guards of the store refuse is counted there, by this producer.
func (a *appender) Commit() error {
	if len(a.batch) == 0 {
		return nil
	}
	// They come last, but are to go first: with too many series in its job a target must still be seen to be up.
	last := len(a.batch) - a.report
	for i := range min(a.report, last) {
		a.batch[i], a.batch[last+i] = a.batch[last+i], a.batch[i]
	}
	from := a.batch[0].Labels
	_, err := a.shelf.store.Append(a.ctx, "scrape "+from.Get(model.JobLabel)+" "+from.Get(model.InstanceLabel), a.batch)
	a.batch = nil
	return err
}

// Rollback implements storage.AppenderV2.
func (a *appender) Rollback() error {
	a.batch, a.report = nil, 0
	return nil
}

// AppendExemplar implements storage.ExemplarAppender: exemplars are not kept.
func (a *appender) AppendExemplar(storage.SeriesRef, labels.Labels, exemplar.Exemplar) (storage.SeriesRef, error) {
	return 0, nil
}

// isReport says whether a metric is about the scrape.
func isReport(name string) bool {
	return name == "up" || strings.HasPrefix(name, "scrape_")
}
