package tier

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// A database merges the samples of its blocks as if each of them could come next, which costs more than reading them. So it
// is asked for one block after the other, and what it gives follows each other.

// Querier implements storage.Queryable.
func (d *database) Querier(from, to int64) (storage.Querier, error) {
	spans := d.spans(from, to)
	if len(spans) == 1 {
		return d.DB.Querier(from, to)
	}
	parts := make([]storage.Querier, len(spans))
	for i, s := range spans {
		q, err := d.DB.Querier(s.from, s.to)
		if err != nil {
			for _, open := range parts[:i] {
				err = errors.Join(err, open.Close())
			}
			return nil, err
		}
		if i == 0 {
			s.from = math.MinInt64 // the ends are not ours to watch
		}
		if i == len(spans)-1 {
			s.to = math.MaxInt64
		}
		parts[i] = &part{q, s}
	}
	return storage.NewMergeQuerier(parts, nil, succeed), nil
}

// spans cuts a time where a block begins or ends.
func (d *database) spans(from, to int64) []window {
	var cuts []int64
	for _, b := range d.Blocks() {
		for _, at := range []int64{b.MinTime(), b.MaxTime()} {
			if at > from && at <= to {
				cuts = append(cuts, at)
			}
		}
	}
	slices.Sort(cuts)
	var all []window
	for _, at := range slices.Compact(cuts) {
		all = append(all, window{from, at - 1})
		from = at
	}
	return append(all, window{from, to})
}

// part is a querier of a span.
type part struct {
	storage.Querier
	span window
}

// Select implements storage.Querier.
func (p *part) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, m ...*labels.Matcher) storage.SeriesSet {
	if hints != nil {
		h := *hints
		h.Start, h.End = max(h.Start, p.span.from), min(h.End, p.span.to)
		if h.Start > h.End {
			return storage.EmptySeriesSet()
		}
		hints = &h
	}
	return eachOf{p.Querier.Select(ctx, sorted, hints, m...), func(s storage.Series) storage.Series { return partSeries{s, p.span} }}
}

type partSeries struct {
	storage.Series
	span window
}

// succeed is a storage.VerticalSeriesMergeFunc for parts.
func succeed(all ...storage.Series) storage.Series {
	parts := make([]partSeries, len(all))
	for i, s := range all {
		parts[i] = s.(partSeries)
	}
	slices.SortFunc(parts, func(a, b partSeries) int { return cmp.Compare(a.span.from, b.span.from) })
	return &storage.SeriesEntry{Lset: parts[0].Labels(), SampleIteratorFn: func(old chunkenc.Iterator) chunkenc.Iterator {
		s, ok := old.(*succession)
		if !ok {
			s = &succession{}
		}
		*s = succession{Iterator: parts[0].Series.Iterator(s.Iterator), parts: parts}
		return s
	}}
}

// succession is an iterator over parts. It stands in the first of those it still has.
type succession struct {
	chunkenc.Iterator
	parts  []partSeries
	kind   chunkenc.ValueType // of the sample it stands at
	direct bool               // that sample follows the one before in the same part
}

// Next implements chunkenc.Iterator.
func (s *succession) Next() chunkenc.ValueType {
	s.direct = s.kind != chunkenc.ValNone
	for {
		if s.kind = s.Iterator.Next(); s.kind != chunkenc.ValNone || !s.advance() {
			return s.kind
		}
		s.direct = false
	}
}

// Seek implements chunkenc.Iterator.
func (s *succession) Seek(t moment) chunkenc.ValueType {
	if s.kind != chunkenc.ValNone && s.AtT() >= t {
		return s.kind
	}
	s.direct = false
	for s.parts[0].span.to < t && s.advance() {
	}
	for {
		if s.kind = s.Iterator.Seek(t); s.kind != chunkenc.ValNone || !s.advance() {
			return s.kind
		}
	}
}

// advance goes on to the next part, if the one before could be read.
func (s *succession) advance() bool {
	if s.Err() != nil || len(s.parts) == 1 {
		return false
	}
	s.parts = s.parts[1:]
	s.Iterator = s.parts[0].Series.Iterator(s.Iterator)
	return true
}

// AtHistogram implements chunkenc.Iterator.
func (s *succession) AtHistogram(into *histogram.Histogram) (int64, *histogram.Histogram) {
	t, h := s.Iterator.AtHistogram(into)
	h.CounterResetHint = s.hint(h.CounterResetHint)
	return t, h
}

// AtFloatHistogram implements chunkenc.Iterator.
func (s *succession) AtFloatHistogram(into *histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	t, h := s.Iterator.AtFloatHistogram(into)
	h.CounterResetHint = s.hint(h.CounterResetHint)
	return t, h
}

// hint is what is known of whether a counter was reset before a histogram: what its block says of that is about the one that
// was written before it.
func (s *succession) hint(h histogram.CounterResetHint) histogram.CounterResetHint {
	if s.direct || h == histogram.GaugeType {
		return h
	}
	return histogram.UnknownCounterReset
}
