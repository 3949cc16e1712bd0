package logql

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// overTime computes a range aggregation: at each moment t, of the lines in (t-range, t].
func (c *grid) overTime(e *RangeExpr, grouping *Grouping) ([]*row, error) {
	if tooFar(c.start, e.Range, e.Offset) || tooFar(c.end(), e.Range, e.Offset) {
		return nil, limit("the range or the offset reaches out of time")
	}
	if e.Range > c.engine.limits.Range {
		return nil, limit("the query spans more than %s", c.engine.limits.Range)
	}
	steps, err := e.Log.compile()
	if err != nil {
		return nil, err
	}
	q := plan(e.Log, c.start-int64(e.Offset)-int64(e.Range)+1, c.end()-int64(e.Offset)+1)
	q.Forward = true
	q.Fields = wanted(e, c.names)
	b := &builder{grid: c, expr: e, keys: newKeyer(e, grouping, c.names), windows: map[string]*window{}}
	counted, err := b.count(q)
	if err == nil && !counted {
		err = c.scan.each(q, steps, b.add)
	}
	if err != nil {
		return nil, err
	}
	if e.Op == "absent_over_time" {
		return c.absent(b), nil
	}
	return b.rows()
}

// absent is 1 where there are no lines, with the labels that the selector is sure of.
func (c *grid) absent(b *builder) []*row {
	var labels Labels
	for _, m := range b.expr.Log.Matchers {
		if m.Op == "=" && m.Value != "" {
			labels = labels.with(m.Name, m.Value)
		}
	}
	out := c.constant(1)
	out.labels = labels
	for _, w := range b.windows {
		for _, p := range w.panes {
			for i := p.first; i <= p.last; i++ {
				out.has[i] = false
			}
		}
	}
	return []*row{out}
}

// builder collects the samples of a range aggregation.
type builder struct {
	*grid
	expr    *RangeExpr
	keys    *keyer
	windows map[string]*window
	order   []*window
	panes   int
	samples int
}

// window is what one series has: panes in order of time.
type window struct {
	labels Labels
	panes  []pane
}

// pane sums up lines that are in the windows of the same moments, first to last. Whoever looks at all lines for each moment pays range/step times
// as much.
type pane struct {
	first, last int
	sum         summary
}

func (b *builder) add(r *record) (bool, error) {
	v := 1.0
	switch _, unwrapped := b.expr.Log.unwrap(); {
	case r.problem != "":
		return false, &QueryError{fmt.Sprintf("the line at %s has the error %s (%s): leave such lines out with | __error__=\"\"",
			time.Unix(0, r.time).UTC().Format(time.RFC3339Nano), r.problem, r.detail)}
	case unwrapped:
		v = r.value
	case strings.HasPrefix(b.expr.Op, "bytes"):
		v = float64(len(r.text))
	}
	return true, b.put(r, r.time, summary{count: 1, sum: v, min: v, max: v, first: v, last: v, mean: v})
}

// window is that of the series of a record.
func (b *builder) window(r *record) (*window, error) {
	key := b.keys.key(r)
	w := b.windows[string(key)]
	if w == nil {
		if err := b.room(len(b.windows) + 1); err != nil {
			return nil, err
		}
		w = &window{labels: b.keys.labels()}
		b.windows[string(key)] = w
		b.order = append(b.order, w)
	}
	return w, nil
}

// put adds what was at a time to the windows that have it.
func (b *builder) put(r *record, t int64, what summary) error {
	at := t + int64(b.expr.Offset)
	first := int(max(b.index(at), 0))
	last := int(min(b.index(at+int64(b.expr.Range))-1, int64(b.n-1)))
	if first > last {
		return nil // between two windows
	}
	w, err := b.window(r)
	if err != nil {
		return err
	}
	n := len(w.panes)
	if n == 0 || w.panes[n-1].first != first || w.panes[n-1].last != last {
		if b.panes++; b.panes > b.engine.limits.Points {
			return limit("more than %d numbers in memory: make the step longer, or put sum by (…) around it", b.engine.limits.Points)
		}
		w.panes = append(w.panes, pane{first: first, last: last})
		n++
	}
	s := &w.panes[n-1].sum
	s.merge(&what)
	if b.expr.Op == "quantile_over_time" {
		if b.samples++; b.samples > b.engine.limits.Points {
			return limit("a quantile of more than %d values: narrow the time or the selector", b.engine.limits.Points)
		}
		s.values = append(s.values, what.sum)
	}
	return nil
}

// rows slides over the panes of each series.
func (b *builder) rows() ([]*row, error) {
	rows := make([]*row, len(b.order))
	for n, w := range b.order {
		if err := b.ctx.Err(); err != nil {
			return nil, err
		}
		r := b.newRow(w.labels)
		if b.expr.Op == "quantile_over_time" {
			b.quantiles(w, r)
		} else {
			b.slide(w, r)
		}
		rows[n] = r
	}
	return rows, nil
}

// slide keeps the sum of a window with two stacks: each pane is merged at most twice, and nothing is ever subtracted.
func (b *builder) slide(w *window, r *row) {
	type suffix struct {
		last int
		sum  summary // of this pane and those after it, up to when the stack was made
	}
	var old []suffix // the top leaves first
	var fresh summary
	start, next := 0, 0 // fresh sums up panes[start:next]
	for i := range b.n {
		for ; next < len(w.panes) && w.panes[next].first <= i; next++ {
			fresh.merge(&w.panes[next].sum)
		}
		for {
			if len(old) == 0 {
				var sum summary
				for j := next - 1; j >= start; j-- {
					s := w.panes[j].sum
					s.merge(&sum)
					sum = s
					old = append(old, suffix{w.panes[j].last, sum})
				}
				start, fresh = next, summary{}
			}
			if len(old) == 0 || old[len(old)-1].last >= i {
				break
			}
			old = old[:len(old)-1]
		}
		var sum summary
		if len(old) > 0 {
			sum = old[len(old)-1].sum
		}
		if sum.merge(&fresh); sum.count > 0 {
			r.values[i], r.has[i] = b.result(&sum), true
		}
	}
}

func (b *builder) quantiles(w *window, r *row) {
	var values []float64
	from := 0
	for i := range b.n {
		for from < len(w.panes) && w.panes[from].last < i {
			from++
		}
		values = values[:0]
		for j := from; j < len(w.panes) && w.panes[j].first <= i; j++ {
			values = append(values, w.panes[j].sum.values...)
		}
		if len(values) > 0 {
			slices.Sort(values)
			r.values[i], r.has[i] = quantile(b.expr.Quantile, values), true
		}
	}
}

// quantile interpolates between the two nearest of the sorted values, as Prometheus does.
func quantile(q float64, sorted []float64) float64 {
	rank := q * float64(len(sorted)-1)
	low := int(rank)
	high := min(low+1, len(sorted)-1)
	if low == high || sorted[low] == sorted[high] {
		return sorted[low]
	}
	weight := rank - float64(low)
	return sorted[low]*(1-weight) + sorted[high]*weight
}

func (b *builder) result(s *summary) float64 {
	switch b.expr.Op {
	case "rate", "bytes_rate":
		return s.sum / b.expr.Range.Seconds()
	case "avg_over_time":
		return s.sum / s.count
	case "min_over_time":
		return s.min
	case "max_over_time":
		return s.max
	case "first_over_time":
		return s.first
	case "last_over_time":
		return s.last
	case "stdvar_over_time":
		return s.square / s.count
	case "stddev_over_time":
		return math.Sqrt(s.square / s.count)
	}
	return s.sum
}

// summary is what is kept of some values.
type summary struct {
	count, sum, min, max, first, last float64
	// mean and square, the sum of squared distances to it, are kept as Chan, Golub and LeVeque (1979) do, which is exact where a sum of squares is not.
	mean, square float64
	values       []float64 // for quantiles only
}

func (s *summary) add(v float64) {
	s.merge(&summary{count: 1, sum: v, min: v, max: v, first: v, last: v, mean: v})
}

// merge puts what came later to it.
func (s *summary) merge(later *summary) {
	switch {
	case later.count == 0:
		return
	case s.count == 0:
		values := s.values
		*s = *later
		s.values = values
		return
	}
	n := s.count + later.count
	delta := later.mean - s.mean
	s.square += later.square + delta*delta*s.count*later.count/n
	s.mean += delta * later.count / n
	s.count, s.sum, s.last = n, s.sum+later.sum, later.last
	s.min, s.max = math.Min(s.min, later.min), math.Max(s.max, later.max)
}
