package view

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/api/client"
)

// Series shows the series of an answer: with points says so, one row for each point; otherwise one for each series, with
// a small graph when it has several points. It is nothing when there are none.
func Series(a client.Answer, points bool, s Style) string {
	switch {
	case a.Kind == client.String:
		return clean(a.Text) + "\n"
	case a.Kind == client.Matrix && points:
		return s.table(a, []string{"TIME", ">VALUE"}, s.points)
	case a.Kind == client.Matrix:
		if len(a.Series) == 0 {
			return ""
		}
		g := frame(a.Series)
		return s.paint(faint, g.span(s)) + "\n" + s.table(a, []string{"GRAPH", ">MIN", ">AVG", ">MAX", ">LAST"}, func(of client.Series) [][]cell {
			return [][]cell{g.row(of.Points)}
		})
	case len(a.Series) == 1 && len(a.Series[0].Labels) == 0 && len(a.Series[0].Points) == 1:
		return value(a.Series[0].Points[0]) + "\n"
	}
	return s.table(a, []string{">VALUE"}, func(of client.Series) (rows [][]cell) {
		for _, p := range of.Points {
			rows = append(rows, []cell{{text: value(p)}})
		}
		return rows
	})
}

// table has the labels that all series share in its title, a column for each of the others, and behind them what show
// makes of a series.
func (s Style) table(a client.Answer, head []string, show func(client.Series) [][]cell) string {
	shared, others := split(a.Series)
	t := table{title: selector(shared)}
	for _, name := range others {
		t.head = append(t.head, strings.ToUpper(clean(strings.Trim(name, "_"))))
	}
	t.head = append(t.head, head...)
	for _, of := range a.Series {
		var labels []cell
		for _, name := range others {
			labels = append(labels, cell{text: of.Labels[name]})
		}
		for _, row := range show(of) {
			t.row(append(slices.Clone(labels), row...)...)
		}
	}
	var b strings.Builder
	t.text(s, &b)
	return strings.TrimPrefix(b.String(), "\n")
}

// split tells the labels that are the same in all series from the names of the others.
func split(all []client.Series) (shared map[string]string, others []string) {
	if len(all) == 0 {
		return nil, nil
	}
	names := map[string]bool{}
	shared = maps.Clone(all[0].Labels)
	for _, of := range all {
		for name := range of.Labels {
			names[name] = true
		}
		maps.DeleteFunc(shared, func(name, value string) bool {
			have, has := of.Labels[name]
			return !has || have != value
		})
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if _, is := shared[name]; !is {
			others = append(others, name)
		}
	}
	return shared, others
}

// selector writes labels as a query does.
func selector(labels map[string]string) string {
	name := labels["__name__"]
	var parts []string
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		if label != "__name__" {
			parts = append(parts, label+"="+strconv.Quote(labels[label]))
		}
	}
	if len(parts) == 0 {
		return name
	}
	return name + "{" + strings.Join(parts, ", ") + "}"
}

// points are one row each.
func (s Style) points(of client.Series) (rows [][]cell) {
	for _, p := range of.Points {
		rows = append(rows, []cell{{text: p.At.In(s.zone()).Format(time.DateTime), tone: faint}, {text: value(p)}})
	}
	return rows
}

// graph is the frame of small graphs that can be compared: they all begin and end at the same time.
type graph struct {
	from, whole float64 // in seconds since 1970, and in seconds
	cells       int
}

// widest is how many cells a graph has at most.
const widest = 48

// frame makes a graph that is as wide as the longest series has points.
func frame(all []client.Series) graph {
	g := graph{from: math.Inf(1), cells: 1}
	to := math.Inf(-1)
	for _, of := range all {
		g.cells = max(g.cells, min(len(of.Points), widest))
		for _, p := range of.Points {
			g.from, to = min(g.from, at(p)), max(to, at(p))
		}
	}
	g.whole = max(to-g.from, 0)
	return g
}

// span says when the graphs begin and end.
func (g graph) span(s Style) string {
	from := time.UnixMilli(int64(g.from * 1000)).In(s.zone())
	to := from.Add(time.Duration(g.whole * float64(time.Second)))
	return from.Format(time.DateTime) + " to " + s.clock(to, from)
}

func at(p client.Point) float64 { return float64(p.At.UnixMilli()) / 1000 }

// row is the graph of some points, with their least, mean, greatest and last value. Where several points fall into one
// cell, the greatest is seen: a short spike must not be lost. What is no number is left out.
func (g graph) row(points []client.Point) []cell {
	if len(points) == 0 {
		return make([]cell, 5)
	}
	cells := slices.Repeat([]float64{math.NaN()}, g.cells)
	low, high, sum, n := math.Inf(1), math.Inf(-1), 0.0, 0
	for _, p := range points {
		if math.IsNaN(p.Value) || math.IsInf(p.Value, 0) {
			continue
		}
		i := 0
		if g.whole > 0 {
			i = int(math.Round(float64(g.cells-1) * (at(p) - g.from) / g.whole))
		}
		if math.IsNaN(cells[i]) || p.Value > cells[i] {
			cells[i] = p.Value
		}
		low, high, sum, n = min(low, p.Value), max(high, p.Value), sum+p.Value, n+1
	}
	last := cell{text: value(points[len(points)-1])}
	if n == 0 {
		return []cell{{}, {}, {}, {}, last}
	}
	return []cell{
		{text: draw(cells, low, high), tone: good},
		{text: figure(low)},
		{text: figure(sum / float64(n))},
		{text: figure(high)},
		last,
	}
}

// bars are the heights of a graph.
var bars = []rune("▁▂▃▄▅▆▇█")

// draw draws cells, the empty ones as spaces.
func draw(cells []float64, low, high float64) string {
	var b strings.Builder
	for _, v := range cells {
		switch {
		case math.IsNaN(v):
			b.WriteByte(' ')
		case high <= low:
			b.WriteRune(bars[0])
		default:
			b.WriteRune(bars[min(int((v-low)/(high-low)*float64(len(bars))), len(bars)-1)])
		}
	}
	return b.String()
}

// value is that of a point.
func value(p client.Point) string {
	if p.Histogram {
		return fmt.Sprintf("count=%s sum=%s", figure(p.Value), figure(p.Sum))
	}
	return figure(p.Value)
}

// figure is a number: whole ones in full, others with six significant digits, so that noise of the arithmetic is not
// seen.
func figure(v float64) string {
	magnitude := math.Abs(v)
	switch {
	case v == math.Trunc(v) && magnitude < 1e15:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case magnitude >= 1e6 && magnitude < 1e15:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case magnitude >= 1e-4 && magnitude < 1e15:
		rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
		if err == nil {
			return strconv.FormatFloat(rounded, 'f', -1, 64)
		}
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}
