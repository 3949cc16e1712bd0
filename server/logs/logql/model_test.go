package logql

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// naive computes a range aggregation over n, at one moment, in the most direct way.
func naive(op string, q float64, values []float64, seconds float64) float64 {
	sum, mean := 0.0, 0.0
	for _, v := range values {
		sum += v
		mean += v / float64(len(values))
	}
	variance := 0.0
	for _, v := range values {
		variance += (v - mean) * (v - mean) / float64(len(values))
	}
	switch op {
	case "count_over_time":
		return float64(len(values))
	case "rate":
		return sum / seconds
	case "avg_over_time":
		return mean
	case "min_over_time":
		return slices.Min(values)
	case "max_over_time":
		return slices.Max(values)
	case "first_over_time":
		return values[0]
	case "last_over_time":
		return values[len(values)-1]
	case "stdvar_over_time":
		return variance
	case "stddev_over_time":
		return math.Sqrt(variance)
	case "quantile_over_time":
		sorted := slices.Sorted(slices.Values(values))
		rank := q * float64(len(sorted)-1)
		low, high := sorted[int(rank)], sorted[int(math.Ceil(rank))]
		return low + (high-low)*(rank-math.Floor(rank))
	}
	return sum
}

// question is a random range aggregation.
type question struct {
	op            string
	quantile      float64
	window, step  int64
	offset        int64
	from, to      int64
	by            []string
	service, word string
}

func (q *question) String() string {
	stages, first := "", ""
	if q.word != "" {
		stages = fmt.Sprintf(" |= %q", q.word)
	}
	if q.op != "count_over_time" {
		stages += " | unwrap n"
	}
	if q.op == "quantile_over_time" {
		first = number(q.quantile) + ", "
	}
	s := fmt.Sprintf("%s(%s{service=~%q}%s [%dns] offset %dns)", q.op, first, q.service, stages, q.window, max(q.offset, -q.offset))
	if q.offset < 0 {
		s = strings.Replace(s, "offset ", "offset -", 1)
	}
	by := " by (" + strings.Join(q.by, ",") + ")"
	if rangeOps[q.op].group {
		return s + by
	}
	return "sum" + by + "(" + s + ")"
}

// answer looks at all entries for every moment.
func (q *question) answer(entries []*entry.Entry) map[string]float64 {
	out := map[string]float64{}
	for t := q.from; t <= q.to; t += q.step {
		groups := map[string][]float64{}
		for _, e := range entries {
			at := e.Time + q.offset
			if at <= t-q.window || at > t || !strings.Contains(e.Message, q.word) || q.service != ".*" && e.Service != q.service {
				continue
			}
			key := ""
			for _, name := range q.by {
				key += name + "=" + Lookup(e, name) + " "
			}
			n, _ := strconv.ParseFloat(Lookup(e, "n"), 64)
			groups[key] = append(groups[key], n)
		}
		for key, values := range groups {
			out[key+strconv.FormatInt(t, 10)] = naive(q.op, q.quantile, values, float64(q.window)/1e9)
		}
	}
	return out
}

func (d dice) entries(n int) []*entry.Entry {
	var list []*entry.Entry
	for range n {
		list = append(list, &entry.Entry{
			Time: d.Int64N(200), Level: entry.Level(d.IntN(7)), Service: pickOf(d, "shop", "bank"),
			Message: pickOf(d, "the order was late", "an order came", "nothing"),
			Attrs:   []entry.Attr{{Name: "n", Value: strconv.Itoa(d.IntN(20) - 5)}, {Name: "user.id", Value: strconv.Itoa(d.IntN(3))}},
		})
	}
	slices.SortStableFunc(list, func(a, b *entry.Entry) int { return int(a.Time - b.Time) })
	return list
}

// TestModel compares the sliding windows with looking at all lines for each moment.
func TestModel(t *testing.T) {
	d := dice{rand.New(rand.NewPCG(5, 6))}
	points, counted := 0, 0
	for range 1500 {
		q := &question{
			op: pickOf(d, "count_over_time", "count_over_time", "count_over_time", "rate", "sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "first_over_time",
				"last_over_time", "stddev_over_time", "stdvar_over_time", "quantile_over_time"),
			quantile: pickOf(d, 0, 0.5, 0.9, 1), window: 1 + d.Int64N(100), step: 1 + d.Int64N(50), offset: d.Int64N(50) - 25, from: d.Int64N(100),
			by:      pickOf(d, nil, []string{"service"}, []string{"level", "user_id"}, []string{"level", "detected_level"}),
			service: pickOf(d, ".*", "shop"), word: pickOf(d, "", " order ", "the order"),
		}
		if d.IntN(2) == 0 {
			q.window = q.step * (1 + d.Int64N(5))
		}
		q.to = q.from + d.Int64N(200)
		source := &counting{memory: &memory{entries: d.entries(d.IntN(60)), loose: d.IntN(2) == 0}, able: d.IntN(2) == 0}
		e, err := Parse(q.String())
		if err != nil {
			t.Fatal(q, err)
		}
		result, err := New(source, Limits{}).Query(t.Context(), e, Params{From: q.from, To: q.to, Step: time.Duration(q.step)})
		if err != nil {
			t.Fatal(q, err)
		}
		got := map[string]float64{}
		for _, s := range result.Series {
			key := ""
			for _, name := range q.by {
				key += name + "=" + s.Labels.Get(name) + " "
			}
			for _, p := range s.Points {
				got[key+strconv.FormatInt(p.Time, 10)] = p.Value
			}
		}
		counted += source.counted
		want := q.answer(source.entries)
		if len(got) != len(want) {
			t.Fatalf("%s from %d to %d by %d: %d points, want %d", q, q.from, q.to, q.step, len(got), len(want))
		}
		for key, v := range want {
			if points++; math.Abs(got[key]-v) > 1e-9*max(1, math.Abs(v)) {
				t.Fatalf("%s at %s: %v, want %v", q, key, got[key], v)
			}
		}
	}
	if points < 10_000 || counted < 10 {
		t.Errorf("only %d points were compared, and %d queries counted by the source", points, counted)
	}
}

// TestPruning: what a query gives does not depend on how much the source leaves out.
func TestPruning(t *testing.T) {
	d := dice{rand.New(rand.NewPCG(7, 8))}
	found := 0
	for range 1500 {
		tight := &memory{entries: d.entries(20)}
		loose := &memory{entries: tight.entries, loose: true}
		e := &LogExpr{Matchers: some(d, 0, d.likely), Stages: some(d, 0, d.likelyStage)}
		p := Params{To: 300, Forward: d.IntN(2) == 0, Limit: 1 + d.IntN(30)}
		a, err := New(tight, Limits{}).Query(t.Context(), e, p)
		if err != nil {
			t.Fatal(e, err)
		}
		b, err := New(loose, Limits{}).Query(t.Context(), e, p)
		if err != nil {
			t.Fatal(e, err)
		}
		if show(a) != show(b) {
			t.Fatalf("%s\npruned:\n%s\nnot pruned:\n%s", e, show(a), show(b))
		}
		found += len(a.Lines)
	}
	if found < 1500 {
		t.Errorf("only %d lines were found", found)
	}
}

func (d dice) likely() *Matcher {
	m, err := NewMatcher(pickOf(d, "service", "level", "user_id", "detected_level", "none"), pickOf(d, "=", "!=", "=~", "!~"),
		pickOf(d, "shop", "info", "1", "", ".*", "error|warn|info|debug"))
	if err != nil {
		panic(err)
	}
	return m
}

func (d dice) likelyStage() Stage {
	switch d.IntN(6) {
	case 0:
		return &LineFilter{pickOf(d, "|=", "!="), some(d, 1, func() string { return pickOf(d, "order", " order ", "the order was", "x y z") })}
	case 1:
		return &LineFormat{pickOf(d, "{{.level}} the order was x", "{{div .n 0}}")}
	case 2:
		return &LabelFormat{[]Assignment{{Label: "level", From: "service"}}}
	case 3:
		return &Drop{[]LabelPick{{Label: "user_id"}}}
	}
	return &LabelFilter{&BoolCondition{pickOf(d, "and", "and", "or"), &TextCondition{d.likely()}, &TextCondition{d.likely()}}}
}
