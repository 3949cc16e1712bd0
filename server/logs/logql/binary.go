package logql

import (
	"fmt"
	"math"
)

func (c *grid) binary(e *BinaryExpr) (value, error) {
	left, err := c.eval(e.Left)
	if err != nil {
		return value{}, err
	}
	right, err := c.eval(e.Right)
	if err != nil {
		return value{}, err
	}
	switch {
	case left.number && right.number:
		v, ok := compute(e.Op, left.scalar, right.scalar)
		if precedence[e.Op] == precedence["=="] {
			v = truth(ok)
		}
		return value{number: true, scalar: v}, nil
	case left.number || right.number:
		if precedence[e.Op] <= precedence["and"] || e.Matching != nil {
			return value{}, &QueryError{e.Op + " with a number where series are expected"}
		}
		return value{rows: c.withScalar(e, left, right)}, nil
	case precedence[e.Op] <= precedence["and"]:
		return value{rows: c.set(e, left.rows, right.rows)}, nil
	}
	rows, err := c.match(e, left.rows, right.rows)
	return value{rows: rows}, err
}

// compute gives the number, and whether it stays: a comparison keeps its left side where it holds.
func compute(op string, a, b float64) (float64, bool) {
	switch op {
	case "+":
		return a + b, true
	case "-":
		return a - b, true
	case "*":
		return a * b, true
	case "/":
		return a / b, true
	case "%":
		return math.Mod(a, b), true
	case "^":
		return math.Pow(a, b), true
	}
	return a, compare(op, a, b)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (e *BinaryExpr) apply(a, b float64) (float64, bool) {
	v, ok := compute(e.Op, a, b)
	if e.Bool {
		return truth(ok), true
	}
	return v, ok
}

// withScalar computes each value with a number. A comparison keeps the value of the series, on whichever side it stands.
func (c *grid) withScalar(e *BinaryExpr, left, right value) []*row {
	rows := left.rows
	if left.number {
		rows = right.rows
	}
	out := make([]*row, len(rows))
	for n, r := range rows {
		out[n] = c.newRow(r.labels)
		for i, has := range r.has {
			if !has {
				continue
			}
			a, b := r.values[i], right.scalar
			if left.number {
				a, b = left.scalar, r.values[i]
			}
			v, ok := e.apply(a, b)
			if left.number && precedence[e.Op] == precedence["=="] && !e.Bool {
				v = r.values[i]
			}
			out[n].values[i], out[n].has[i] = v, ok
		}
	}
	return out
}

// signature is what series that belong together have in common.
func (m *Matching) signature(l Labels) Labels {
	if m == nil {
		return l
	}
	return pick(l, m.Labels, m.On)
}

func (m *Matching) index(rows []*row) map[string][]*row {
	index := map[string][]*row{}
	for _, r := range rows {
		key := m.signature(r.labels).String()
		index[key] = append(index[key], r)
	}
	return index
}

// present tells at which moments one of the rows has a value.
func (c *grid) present(rows []*row) []bool {
	has := make([]bool, c.n)
	for _, r := range rows {
		for i := range has {
			has[i] = has[i] || r.has[i]
		}
	}
	return has
}

// set computes and, or, unless.
func (c *grid) set(e *BinaryExpr, left, right []*row) []*row {
	var out []*row
	filter := func(rows, by []*row, want bool) {
		index := e.Matching.index(by)
		for _, r := range rows {
			there := c.present(index[e.Matching.signature(r.labels).String()])
			kept := &row{r.labels, r.values, make([]bool, c.n)}
			for i := range kept.has {
				kept.has[i] = r.has[i] && there[i] == want
			}
			out = append(out, kept)
		}
	}
	switch e.Op {
	case "and":
		filter(left, right, true)
	case "unless":
		filter(left, right, false)
	default:
		out = append(out, left...)
		filter(right, left, false)
		out = c.unite(out)
	}
	return out
}

// unite puts rows of the same labels into one. They never have values at the same moments.
func (c *grid) unite(rows []*row) []*row {
	var out []*row
	index := map[string]*row{}
	for _, r := range rows {
		key := r.labels.String()
		have := index[key]
		if have == nil {
			have = c.newRow(r.labels)
			index[key] = have
			out = append(out, have)
		}
		for i, has := range r.has {
			if has {
				have.values[i], have.has[i] = r.values[i], true
			}
		}
	}
	return out
}

// match computes with series that belong together: one with one, or many with one.
func (c *grid) match(e *BinaryExpr, left, right []*row) ([]*row, error) {
	many, one, swapped := left, right, false
	if e.Matching != nil && e.Matching.Many == "right" {
		many, one, swapped = right, left, true
	}
	index := e.Matching.index(one)
	out := map[string]*row{}
	taken := map[*row][]bool{} // moments at which a result has a value or is filtered out
	var order []*row
	for _, m := range many {
		if err := c.ctx.Err(); err != nil {
			return nil, err
		}
		signature := e.Matching.signature(m.labels)
		for _, o := range index[signature.String()] {
			labels := e.resultLabels(m, o, signature)
			r := out[labels.String()]
			if r == nil {
				if err := c.room(len(order) + 1); err != nil {
					return nil, err
				}
				r = c.newRow(labels)
				out[labels.String()] = r
				order = append(order, r)
				taken[r] = make([]bool, c.n)
			}
			if !c.join(e, r, m, o, taken[r], swapped) {
				return nil, &QueryError{fmt.Sprintf("%s: several series match %s: use on, ignoring, group_left or group_right, or put sum by (…) around one side", e.Op, signature)}
			}
		}
	}
	return order, c.single(e, index)
}

// join fills in what two series give together; it is false when another pair gave something at the same moment.
func (c *grid) join(e *BinaryExpr, r, many, one *row, taken []bool, swapped bool) bool {
	for i := range c.n {
		if !many.has[i] || !one.has[i] {
			continue
		}
		if taken[i] {
			return false
		}
		taken[i] = true
		a, b := many.values[i], one.values[i]
		if swapped {
			a, b = b, a
		}
		r.values[i], r.has[i] = e.apply(a, b)
	}
	return true
}

// single checks that the side that must have one series for each match has no two at the same moment.
func (c *grid) single(e *BinaryExpr, index map[string][]*row) error {
	for key, rows := range index {
		seen := make([]bool, c.n)
		for _, r := range rows {
			for i, has := range r.has {
				if has && seen[i] {
					return &QueryError{fmt.Sprintf("%s: several series of the side that must have one match %s", e.Op, key)}
				}
				seen[i] = seen[i] || has
			}
		}
	}
	return nil
}

func (e *BinaryExpr) resultLabels(many, one *row, signature Labels) Labels {
	switch {
	case e.Matching == nil:
		return many.labels
	case e.Matching.Many == "":
		return signature
	}
	labels := many.labels
	for _, name := range e.Matching.Include {
		labels = labels.with(name, one.labels.Get(name))
	}
	return labels
}
