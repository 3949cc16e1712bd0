package logql

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"
)

// grid computes a metric query at all of its moments at once, part by part.
type grid struct {
	ctx    context.Context
	engine *Engine
	scan   *scan
	start  int64
	step   int64
	n      int
	names  map[string]bool // labels that the query names
}

// row is a series on the grid: has tells at which moments it has a value.
type row struct {
	labels Labels
	values []float64
	has    []bool
}

// value is what a part of a query gives: rows, or one number.
type value struct {
	number bool
	scalar float64
	rows   []*row
}

func (g *Engine) numbers(s *scan, e Expr, p Params) (*Result, error) {
	c := &grid{ctx: s.ctx, engine: g, scan: s, start: p.To, step: 1, n: 1, names: map[string]bool{}}
	if p.Step < 0 {
		return nil, &QueryError{"the step is negative"}
	}
	if p.Step > 0 {
		steps := (p.To-p.From)/int64(p.Step) + 1
		if steps > int64(g.limits.Steps) {
			return nil, limit("the query is computed at %d moments, at most %d: make the step longer", steps, g.limits.Steps)
		}
		c.start, c.step, c.n = p.From, int64(p.Step), int(steps)
	}
	collectNames(e, c.names)
	v, err := c.eval(e)
	if err != nil {
		return nil, err
	}
	if v.number && p.Step == 0 {
		return &Result{Kind: Scalar, Scalar: Point{c.start, v.scalar}}, nil
	}
	if v.number {
		v.rows = []*row{c.constant(v.scalar)}
	}
	kind := Vector
	if p.Step > 0 {
		kind = Matrix
	}
	return &Result{Kind: kind, Series: c.series(v.rows, kind == Vector && sorted(e))}, nil
}

// sorted reports whether the order of the series means something.
func sorted(e Expr) bool {
	a, ok := e.(*AggregateExpr)
	return ok && (a.Op == "sort" || a.Op == "sort_desc" || a.Op == "topk" || a.Op == "bottomk")
}

// series leaves out moments without a value, and series without moments.
func (c *grid) series(rows []*row, keepOrder bool) []Series {
	var list []Series
	for _, r := range rows {
		var points []Point
		for i, has := range r.has {
			if has {
				points = append(points, Point{c.start + int64(i)*c.step, r.values[i]})
			}
		}
		if points != nil {
			list = append(list, Series{r.labels, points})
		}
	}
	if !keepOrder {
		slices.SortFunc(list, func(a, b Series) int { return compareLabels(a.Labels, b.Labels) })
	}
	return list
}

func compareLabels(a, b Labels) int {
	return slices.CompareFunc(a, b, func(x, y Label) int {
		if n := strings.Compare(x.Name, y.Name); n != 0 {
			return n
		}
		return strings.Compare(x.Value, y.Value)
	})
}

// collectNames finds the labels that functions around the log queries name.
func collectNames(e Expr, names map[string]bool) {
	add := func(list ...string) {
		for _, name := range list {
			names[name] = true
		}
	}
	switch e := e.(type) {
	case *RangeExpr:
		if e.Grouping != nil && !e.Grouping.Without {
			add(e.Grouping.Labels...)
		}
	case *AggregateExpr:
		if e.Grouping != nil && !e.Grouping.Without {
			add(e.Grouping.Labels...)
		}
		collectNames(e.Inner, names)
	case *BinaryExpr:
		if e.Matching != nil {
			add(e.Matching.Include...)
			if e.Matching.On {
				add(e.Matching.Labels...)
			}
		}
		collectNames(e.Left, names)
		collectNames(e.Right, names)
	case *LabelReplaceExpr:
		add(e.Source)
		collectNames(e.Inner, names)
	}
}

func (c *grid) eval(e Expr) (value, error) {
	switch e := e.(type) {
	case *NumberExpr:
		return value{number: true, scalar: e.Value}, nil
	case *VectorExpr:
		return value{rows: []*row{c.constant(e.Value)}}, nil
	case *RangeExpr:
		rows, err := c.overTime(e, e.Grouping)
		return value{rows: rows}, err
	case *AggregateExpr:
		rows, err := c.aggregate(e)
		return value{rows: rows}, err
	case *BinaryExpr:
		return c.binary(e)
	case *LabelReplaceExpr:
		rows, err := c.labelReplace(e)
		return value{rows: rows}, err
	}
	return value{}, &QueryError{"lines where numbers are expected"}
}

// rows evaluates what must give series.
func (c *grid) rows(e Expr) ([]*row, error) {
	v, err := c.eval(e)
	if err == nil && v.number {
		err = &QueryError{"a number where series are expected; write vector(" + number(v.scalar) + ")"}
	}
	return v.rows, err
}

func (c *grid) newRow(l Labels) *row {
	return &row{l, make([]float64, c.n), make([]bool, c.n)}
}

func (c *grid) constant(v float64) *row {
	r := c.newRow(nil)
	for i := range r.has {
		r.values[i], r.has[i] = v, true
	}
	return r
}

// room checks that so many series fit.
func (c *grid) room(series int) error {
	switch l := c.engine.limits; {
	case series > l.Series:
		return limit("more than %d series: narrow the selector, or put sum by (…) around it", l.Series)
	case series*c.n > l.Points:
		return limit("more than %d numbers in memory: make the step longer, or put sum by (…) around it", l.Points)
	}
	return c.ctx.Err()
}

// index is the first moment at or after a time; it may lie outside of the grid.
func (c *grid) index(t int64) int64 {
	d := t - c.start
	i := d / c.step
	if d%c.step > 0 {
		i++
	}
	return i
}

// end is the last moment.
func (c *grid) end() int64 { return c.start + int64(c.n-1)*c.step }

func (c *grid) labelReplace(e *LabelReplaceExpr) ([]*row, error) {
	rows, err := c.rows(e.Inner)
	if err != nil {
		return nil, err
	}
	re, err := e.compile()
	if err != nil {
		return nil, &QueryError{err.Error()}
	}
	seen := map[string]bool{}
	out := make([]*row, len(rows))
	for i, r := range rows {
		labels := r.labels
		source := labels.Get(e.Source)
		if m := re.FindStringSubmatchIndex(source); m != nil {
			labels = labels.with(e.Target, string(re.ExpandString(nil, e.Replacement, source, m)))
		}
		if key := labels.String(); seen[key] {
			return nil, &QueryError{"label_replace gives two series the labels " + key}
		} else {
			seen[key] = true
		}
		out[i] = &row{labels, r.values, r.has}
	}
	return out, nil
}

// with is a copy with one label set, or removed when the value is "".
func (l Labels) with(name, value string) Labels {
	out := slices.DeleteFunc(slices.Clone(l), func(x Label) bool { return x.Name == name })
	if value != "" {
		out = append(out, Label{name, value})
	}
	slices.SortFunc(out, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// tooFar reports whether a time with its look-back leaves what can be counted in nanoseconds.
func tooFar(t int64, back, offset time.Duration) bool {
	return math.Abs(float64(t))+math.Abs(float64(back))+math.Abs(float64(offset)) > math.MaxInt64/2
}
