package tier

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/kahansum"
)

// To the engine a sum over a range is three copies and a dozen calls for each sample. Where no two ranges of a query have a
// sample in common, which is how roll-ups are read, the samples of each are therefore folded into one before the engine sees
// them: with the very arithmetic of the engine, which of one sample makes that sample.

// moments are when the engine evaluates an expression: at first, and every step after it up to last.
type moments struct{ first, last, step int64 }

// momentsOf is when a statement is evaluated; ok is false when parts of it are evaluated at other times.
func momentsOf(s parser.Statement) (m moments, ok bool) {
	eval, ok := s.(*parser.EvalStmt)
	if !ok {
		return moments{}, false
	}
	parser.Inspect(eval.Expr, func(n parser.Node, _ []parser.Node) error {
		if _, sub := n.(*parser.SubqueryExpr); sub {
			ok = false
		}
		return nil
	})
	return moments{timestamp.FromTime(eval.Start), timestamp.FromTime(eval.End), eval.Interval.Milliseconds()}, ok
}

// fold is a function over a range that gives one sample for many.
type fold uint8

const (
	foldSum fold = iota + 1
	foldMin
	foldMax
)

var folds = map[string]fold{"sum_over_time": foldSum, "min_over_time": foldMin, "max_over_time": foldMax}

// windows are ranges: what lies up to width before first, first included, and the same every step after it up to last.
type windows struct {
	moments
	width int64
	fold  fold
}

// windowsOf are the ranges of a selector, if a function that is a fold gets them, and no sample lies in two of them.
func (m moments) windowsOf(hints *storage.SelectHints) (w windows, ok bool) {
	if hints == nil || hints.Range <= 0 || hints.Step != m.step || m.first != m.last && m.step < hints.Range {
		return windows{}, false
	}
	offset := m.last - hints.End
	w = windows{moments{m.first - offset, hints.End, max(m.step, 1)}, hints.Range, folds[hints.Func]}
	return w, w.fold != 0 && hints.Start == w.first-w.width+1 // else it selects something else than these
}

// folding is a querier that shows one sample for each window where it can.
type folding struct {
	storage.Querier
	moments moments
}

// Select implements storage.Querier.
func (f *folding) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, m ...*labels.Matcher) storage.SeriesSet {
	set := f.Querier.Select(ctx, sorted, hints, m...)
	if w, ok := f.moments.windowsOf(hints); ok {
		return eachOf{set, func(s storage.Series) storage.Series { return foldedSeries{s, w} }}
	}
	return set
}

// foldedSeries is a series of which the engine sees one sample for each window.
type foldedSeries struct {
	storage.Series
	windows windows
}

// Iterator implements storage.Series. A series with histograms is as it was.
func (s foldedSeries) Iterator(old chunkenc.Iterator) chunkenc.Iterator {
	f, ok := old.(*folded)
	if !ok {
		f = &folded{Iterator: chunkenc.NewNopIterator()}
	}
	f.in = s.Series.Iterator(f.in)
	f.at, f.points = -1, f.points[:0]
	if !f.read(s.windows) {
		return s.Series.Iterator(nil)
	}
	return f
}

// folded are the samples of windows. All of them are there at the start.
type folded struct {
	chunkenc.Iterator // has no samples
	in                chunkenc.Iterator
	points            []foldedPoint
	at                int
}

type foldedPoint struct {
	at int64
	v  float64
}

// read folds a series; false when it has histograms.
func (f *folded) read(w windows) bool {
	var sum accumulator
	end := w.first
	for kind := f.in.Next(); kind != chunkenc.ValNone; kind = f.in.Next() {
		if kind != chunkenc.ValFloat {
			return false
		}
		t, v := f.in.At()
		if value.IsStaleNaN(v) {
			continue
		}
		if t > end {
			f.put(end, w.fold, &sum)
			end += (t - end + w.step - 1) / w.step * w.step
		}
		if end > w.last {
			break
		}
		if t > end-w.width {
			sum.add(w.fold, v)
		}
	}
	f.put(end, w.fold, &sum)
	return true
}

func (f *folded) put(end int64, by fold, sum *accumulator) {
	if sum.n > 0 {
		f.points = append(f.points, foldedPoint{end, sum.result(by)})
	}
	*sum = accumulator{}
}

// accumulator is what the samples of a window amount to.
type accumulator struct {
	n          int
	v, rounded float64 // rounded is what the sum lacks
}

func (a *accumulator) add(by fold, v float64) {
	switch {
	case by == foldSum:
		a.v, a.rounded = kahansum.Inc(v, a.v, a.rounded)
	case a.n == 0, math.IsNaN(a.v), by == foldMin && v < a.v, by == foldMax && v > a.v:
		a.v = v
	}
	a.n++
}

func (a *accumulator) result(by fold) float64 {
	if by == foldSum && !math.IsInf(a.v, 0) {
		return a.v + a.rounded
	}
	return a.v
}

// Next implements chunkenc.Iterator.
func (f *folded) Next() chunkenc.ValueType {
	f.at = min(f.at+1, len(f.points))
	return f.kind()
}

// Seek implements chunkenc.Iterator.
func (f *folded) Seek(t moment) chunkenc.ValueType {
	f.at = max(f.at, 0)
	i, _ := slices.BinarySearchFunc(f.points[f.at:], t, func(p foldedPoint, t int64) int { return cmp.Compare(p.at, t) })
	f.at += i
	return f.kind()
}

func (f *folded) kind() chunkenc.ValueType {
	if f.at == len(f.points) {
		return chunkenc.ValNone
	}
	return chunkenc.ValFloat
}

// At implements chunkenc.Iterator.
func (f *folded) At() (int64, float64) { return f.points[f.at].at, f.points[f.at].v }

// AtT implements chunkenc.Iterator.
func (f *folded) AtT() int64 { return f.points[f.at].at }

// AtST implements chunkenc.Iterator: what is folded has no start.
func (f *folded) AtST() int64 { return 0 }

// Err implements chunkenc.Iterator.
func (f *folded) Err() error { return f.in.Err() }
