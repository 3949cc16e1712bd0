package logql

import (
	"cmp"
	"iter"
	"slices"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// count asks the source to count by itself, which is possible when only the labels of the stream matter and the windows are made of whole
// buckets. It is false when lines must be looked at.
func (b *builder) count(q Query) (bool, error) {
	source, ok := b.engine.source.(Counter)
	if !ok || q.Levels == 0 || !b.countable(&q) {
		return false, nil
	}
	width := b.step
	if b.n == 1 {
		width = int64(b.expr.Range)
	}
	by := b.streamLabels()
	counts, ok := source.Count(b.ctx, q, by, width)
	if !ok {
		return false, nil
	}
	list, err := b.collect(counts)
	if err != nil {
		return false, err
	}
	r := &record{entry: &entry.Entry{}, filled: true}
	for _, c := range list {
		r.fields = r.fields[:0]
		for i, name := range by {
			r.fields = append(r.fields, field{name, c.Values[i], ofStream})
		}
		b.scan.stats.Lines += c.Lines
		n := float64(c.Lines)
		// All lines of a bucket are in the same windows as one at its end.
		if err := b.put(r, q.From+int64(c.Bucket+1)*width-1, summary{count: n, sum: n}); err != nil {
			return false, err
		}
	}
	return true, b.ctx.Err()
}

// streamLabels are those to count by.
func (b *builder) streamLabels() []string {
	var list []string
	for _, name := range b.keys.by {
		list = append(list, cmp.Or(aliases[name], name))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// collect sorts counts by time.
func (b *builder) collect(counts iter.Seq2[Count, error]) ([]Count, error) {
	var list []Count
	for c, err := range counts {
		if err != nil {
			return nil, err
		}
		if list = append(list, c); len(list) > b.engine.limits.Points {
			return nil, limit("more than %d counts: make the step longer", b.engine.limits.Points)
		}
	}
	slices.SortStableFunc(list, func(a, b Count) int { return a.Bucket - b.Bucket })
	return list, nil
}

// countable reports whether a count by the labels of the stream is all that is needed.
func (b *builder) countable(q *Query) bool {
	if b.expr.Op != "count_over_time" && b.expr.Op != "rate" || b.keys.by == nil {
		return false
	}
	if b.n > 1 && int64(b.expr.Range)%b.step != 0 {
		return false
	}
	for _, name := range b.keys.by {
		if !ofTheStream(name) {
			return false
		}
	}
	matchers := len(b.expr.Log.Matchers)
	for _, s := range b.expr.Log.Stages {
		switch s := s.(type) {
		case *LabelFilter: // which must be told by matchers entirely
			matchers += comparisons(s.Condition)
		case *Drop:
			for _, p := range s.Labels {
				if !(p.Label == errorLabel || p.Label == detailLabel) {
					return false
				}
			}
		default:
			return false
		}
	}
	if matchers != len(q.Matchers) {
		return false
	}
	for _, m := range q.Matchers {
		if !ofTheStream(m.Name) {
			return false
		}
	}
	return true
}

func comparisons(c Condition) int {
	if b, ok := c.(*BoolCondition); ok {
		return comparisons(b.Left) + comparisons(b.Right)
	}
	return 1
}
