package logql

import (
	"math"
	"slices"
)

// sumsThrough are the aggregations that can be done while lines are looked at, since a sum of sums is a sum.
var sumsThrough = map[string]map[string]bool{
	"sum": {"count_over_time": true, "rate": true, "bytes_over_time": true, "bytes_rate": true, "sum_over_time": true},
	"min": {"min_over_time": true},
	"max": {"max_over_time": true},
}

// aggregate puts series together. What can be is grouped at once, so that the limit of series counts what remains.
func (c *grid) aggregate(e *AggregateExpr) ([]*row, error) {
	if inner, ok := e.Inner.(*RangeExpr); ok && inner.Grouping == nil && sumsThrough[e.Op][inner.Op] {
		g := e.Grouping
		if g == nil {
			g = &Grouping{}
		}
		return c.overTime(inner, g)
	}
	rows, err := c.rows(e.Inner)
	if err != nil {
		return nil, err
	}
	switch e.Op {
	case "topk", "bottomk":
		return c.top(e, rows), nil
	case "sort", "sort_desc":
		slices.SortStableFunc(rows, func(a, b *row) int { return before(a.values[c.n-1], b.values[c.n-1], e.Op == "sort_desc") })
		return rows, nil
	}
	var out []*row
	for _, members := range group(rows, e.Grouping) {
		r := c.newRow(e.Grouping.keep(members[0].labels))
		for i := range c.n {
			var s summary
			for _, m := range members {
				if m.has[i] {
					s.add(m.values[i])
				}
			}
			if s.count > 0 {
				r.values[i], r.has[i] = aggregated(e.Op, &s), true
			}
		}
		out = append(out, r)
	}
	return out, nil
}

func aggregated(op string, s *summary) float64 {
	switch op {
	case "avg":
		return s.sum / s.count
	case "min":
		return s.min
	case "max":
		return s.max
	case "count":
		return s.count
	case "stdvar":
		return s.square / s.count
	case "stddev":
		return math.Sqrt(s.square / s.count)
	}
	return s.sum
}

// group puts rows of the same group together, in the order in which groups appear.
func group(rows []*row, g *Grouping) [][]*row {
	var groups [][]*row
	index := map[string]int{}
	for _, r := range rows {
		key := g.keep(r.labels).String()
		i, ok := index[key]
		if !ok {
			i = len(groups)
			index[key] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], r)
	}
	return groups
}

// top keeps the k largest or smallest of each group at each moment.
func (c *grid) top(e *AggregateExpr, rows []*row) []*row {
	largest := e.Op == "topk"
	var out []*row
	for _, members := range group(rows, e.Grouping) {
		slices.SortFunc(members, func(a, b *row) int { return compareLabels(a.labels, b.labels) })
		kept := make([]*row, len(members))
		for j, m := range members {
			kept[j] = &row{m.labels, m.values, make([]bool, c.n)}
		}
		var order []int
		for i := range c.n {
			order = order[:0]
			for j, m := range members {
				if m.has[i] {
					order = append(order, j)
				}
			}
			slices.SortStableFunc(order, func(a, b int) int { return before(members[a].values[i], members[b].values[i], largest) })
			for _, j := range order[:min(e.K, len(order))] {
				kept[j].has[i] = true
			}
		}
		slices.SortStableFunc(kept, func(a, b *row) int { return before(a.values[c.n-1], b.values[c.n-1], largest) })
		out = append(out, kept...)
	}
	return out
}

// before orders two numbers; what is no number comes last.
func before(a, b float64, largestFirst bool) int {
	switch {
	case math.IsNaN(a) && math.IsNaN(b) || a == b:
		return 0
	case math.IsNaN(b) || !math.IsNaN(a) && (a > b) == largestFirst:
		return -1
	}
	return 1
}
