package tier

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// The engine has one look-back for all series, and a series with a sample an hour would be a row of gaps to it. So where a
// query asks for the value at a moment (not for all samples of a range, which must stay what they are), a sample of a
// roll-up is repeated until the next one comes, or two and a half steps have passed.

// stretchOf is for how long a sample of the series stands for the present; 0 when it is no roll-up. The name tells: it ends
// with the step, as in gabion_http_requests_total:increase5m.
func stretchOf(metric string) time.Duration {
	_, last, ok := strings.Cut(metric, ":")
	if !ok {
		return 0
	}
	i := strings.LastIndexAny(last, ":_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	for i > 0 && (last[i] < '0' || last[i] > '9') {
		i--
	}
	for i > 0 && last[i-1] >= '0' && last[i-1] <= '9' {
		i--
	}
	step, err := model.ParseDuration(last[max(i, 0):])
	if err != nil {
		return 0
	}
	return time.Duration(step) * 5 / 2
}

// patient is a querier of the long tier.
type patient struct {
	storage.Querier                 // from from to to
	wide            storage.Querier // from as much earlier as the longest stretch
	before          int64
}

func newPatient(d storage.Queryable, from, to int64, longest time.Duration) (*patient, error) {
	q, err := d.Querier(from, to)
	if err != nil {
		return nil, err
	}
	before := longest.Milliseconds()
	wide, err := d.Querier(earlier(from, before), to)
	if err != nil {
		return nil, errors.Join(err, q.Close())
	}
	return &patient{q, wide, before}, nil
}

// earlier goes back in time, but not beyond its beginning.
func earlier(at, by int64) int64 { return max(at, math.MinInt64+by) - by }

// Select implements storage.Querier.
func (p *patient) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, m ...*labels.Matcher) storage.SeriesSet {
	if hints == nil || hints.Range != 0 || hints.Func == "series" {
		return p.Querier.Select(ctx, sorted, hints, m...)
	}
	h := *hints
	h.Start = earlier(h.Start, p.before)
	return eachOf{p.wide.Select(ctx, sorted, &h, m...), stretched}
}

// Close implements storage.Querier.
func (p *patient) Close() error { return errors.Join(p.Querier.Close(), p.wide.Close()) }

// stretched is a series as one that lives as long as its name says.
func stretched(series storage.Series) storage.Series {
	life := stretchOf(series.Labels().Get(model.MetricNameLabel))
	if life <= LookBack {
		return series
	}
	return stretchedSeries{series, life.Milliseconds()}
}

// eachOf are series that are shown in another way.
type eachOf struct {
	storage.SeriesSet
	show func(storage.Series) storage.Series
}

// At implements storage.SeriesSet.
func (s eachOf) At() storage.Series { return s.show(s.SeriesSet.At()) }

type stretchedSeries struct {
	storage.Series
	life int64
}

// Iterator implements storage.Series.
func (s stretchedSeries) Iterator(old chunkenc.Iterator) chunkenc.Iterator {
	st, ok := old.(*stretcher)
	if !ok {
		st = &stretcher{}
	}
	*st = stretcher{in: s.Series.Iterator(st.in), life: s.life}
	return st
}

// point is a sample, copied out of the iterator it came from.
type point struct {
	kind chunkenc.ValueType
	at   int64
	v    float64
	h    *histogram.FloatHistogram
}

func (p point) stale() bool {
	return p.kind == chunkenc.ValFloat && value.IsStaleNaN(p.v) || p.kind == chunkenc.ValFloatHistogram && value.IsStaleNaN(p.h.Sum)
}

// stretcher repeats samples.
type stretcher struct {
	in        chunkenc.Iterator
	life      int64
	started   bool
	cur, next point
	at        int64 // where cur stands now
}

// pull reads the next sample.
func (s *stretcher) pull(kind chunkenc.ValueType) point {
	p := point{kind: kind}
	switch kind {
	case chunkenc.ValNone:
	case chunkenc.ValFloat:
		p.at, p.v = s.in.At()
	default:
		p.kind = chunkenc.ValFloatHistogram
		p.at, p.h = s.in.AtFloatHistogram(nil)
	}
	return p
}

// Next implements chunkenc.Iterator.
func (s *stretcher) Next() chunkenc.ValueType {
	if !s.started {
		s.started = true
		s.next = s.pull(s.in.Next())
	} else if again := min(s.at+LookBack.Milliseconds(), s.cur.at+s.life-LookBack.Milliseconds()); s.cur.kind != chunkenc.ValNone &&
		again > s.at && !s.cur.stale() && (s.next.kind == chunkenc.ValNone || again < s.next.at) {
		s.at = again
		return s.cur.kind
	}
	return s.step()
}

// step goes on to the next sample.
func (s *stretcher) step() chunkenc.ValueType {
	s.cur = s.next
	s.at = s.cur.at
	if s.cur.kind != chunkenc.ValNone {
		s.next = s.pull(s.in.Next())
	}
	return s.cur.kind
}

// moment is milliseconds since 1970. The name tells vet that a Seek to one is not that of package io.
type moment = int64

// Seek implements chunkenc.Iterator.
func (s *stretcher) Seek(t moment) chunkenc.ValueType {
	if !s.started || s.next.kind != chunkenc.ValNone && s.next.at < t-s.life {
		s.started = true
		s.next = s.pull(s.in.Seek(t - s.life))
		s.step()
	}
	for s.cur.kind != chunkenc.ValNone && s.at < t {
		s.Next()
	}
	return s.cur.kind
}

// At implements chunkenc.Iterator.
func (s *stretcher) At() (int64, float64) { return s.at, s.cur.v }

// AtHistogram implements chunkenc.Iterator. It is never called: all histograms are shown as float histograms.
func (s *stretcher) AtHistogram(*histogram.Histogram) (int64, *histogram.Histogram) {
	return s.at, nil
}

// AtFloatHistogram implements chunkenc.Iterator.
func (s *stretcher) AtFloatHistogram(into *histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	if into == nil {
		return s.at, s.cur.h.Copy()
	}
	s.cur.h.CopyTo(into)
	return s.at, into
}

// AtT implements chunkenc.Iterator.
func (s *stretcher) AtT() int64 { return s.at }

// AtST implements chunkenc.Iterator: roll-ups have no start.
func (s *stretcher) AtST() int64 { return 0 }

// Err implements chunkenc.Iterator.
func (s *stretcher) Err() error { return s.in.Err() }
