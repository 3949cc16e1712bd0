package logql

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// dice makes random queries.
type dice struct{ *rand.Rand }

func pickOf[T any](d dice, list ...T) T { return list[d.IntN(len(list))] }

// some makes a list of at least n.
func some[T any](d dice, n int, one func() T) []T {
	var list []T
	for range n + d.IntN(3) {
		list = append(list, one())
	}
	return list
}

func (d dice) name() string {
	return pickOf(d, "a", "service", "by", "or", "json", "logfmt", "level", "x9", "_y")
}

func (d dice) text() string {
	return pickOf(d, "", "a", `q"uo\te`, "`", "new\nline", "ü\xff\x00", "# none", "{{.a}}", "a|b")
}
func (d dice) float() float64 { return pickOf(d, 0, 1, -1, 0.5, 1e300, -1e-9, 123456789) }
func (d dice) window() time.Duration {
	return pickOf(d, 1, time.Millisecond, time.Second, 90*time.Minute, 24*time.Hour, 36525*time.Hour)
}

func (d dice) names() []string {
	list := []string{}
	for range d.IntN(3) {
		list = append(list, d.name())
	}
	return list
}

func (d dice) matcher() *Matcher {
	op, value := pickOf(d, "=", "!=", "=~", "!~"), d.text()
	if op[1:] == "~" {
		value = pickOf(d, "", "a|b", `"\d+"`, ".*", "(?i)x")
	}
	m, err := NewMatcher(d.name(), op, value)
	if err != nil {
		panic(err)
	}
	return m
}

func (d dice) log() *LogExpr {
	e := &LogExpr{Matchers: some(d, 0, d.matcher)}
	for range d.IntN(4) {
		s := d.stage()
		if f, ok := s.(*LineFilter); ok && len(e.Stages) > 0 && f.Op[0] == '!' {
			switch e.Stages[len(e.Stages)-1].(type) {
			case *Drop, *Keep: // drop a != "x" is one stage
				continue
			}
		}
		e.Stages = append(e.Stages, s)
	}
	return e
}

func (d dice) extraction() Extraction {
	return Extraction{d.name(), pickOf(d, "a", "a.b", `["x y"]`, "a[0].b", `a["\""][3]`)}
}

func (d dice) pick() LabelPick {
	if d.IntN(2) == 0 {
		return LabelPick{Label: d.name()}
	}
	m := d.matcher()
	return LabelPick{m.Name, m}
}

func (d dice) stage() Stage {
	switch d.IntN(10) {
	case 0:
		return &LineFilter{pickOf(d, "|=", "!=", "|~", "!~", "|>", "!>"), some(d, 1, func() string { return pickOf(d, "a", `\d+ "x"`, "<_> b") })}
	case 1:
		return &JSON{some(d, 0, d.extraction)}
	case 2:
		return &Logfmt{d.IntN(2) == 0, d.IntN(2) == 0, some(d, 0, d.extraction)}
	case 3:
		return &Pattern{pickOf(d, "<a>", "<_> - <b>", "x <c>")}
	case 4:
		return &Regexp{pickOf(d, "(?P<a>.*)", `"(?P<b>\d+)"`)}
	case 5:
		return &LineFormat{pickOf(d, "", "{{.a}}", "{{if .a}}`x`{{end}}")}
	case 6:
		a := Assignment{Label: d.name(), Template: d.text()}
		if d.IntN(2) == 0 {
			a = Assignment{Label: d.name(), From: d.name()}
		}
		return &LabelFormat{[]Assignment{a}}
	case 7:
		return &Drop{some(d, 1, d.pick)}
	case 8:
		return &Keep{some(d, 1, d.pick)}
	}
	return &LabelFilter{d.condition(3)}
}

func (d dice) condition(depth int) Condition {
	if depth > 0 && d.IntN(2) == 0 {
		return &BoolCondition{pickOf(d, "and", "or"), d.condition(depth - 1), d.condition(depth - 1)}
	}
	if d.IntN(2) == 0 {
		return &TextCondition{d.matcher()}
	}
	c := &ValueCondition{Label: d.name(), Op: pickOf(d, "==", "!=", ">", ">=", "<", "<="), Unit: Unit(d.IntN(3))}
	switch c.Unit {
	case Duration:
		c.Value = float64(d.window())
	case Bytes:
		c.Value = pickOf(d, 0, 1, 1.5, 1024, 1e15)
	default:
		c.Value = d.float()
	}
	return c
}

func (d dice) grouping() *Grouping {
	if d.IntN(2) == 0 {
		return nil
	}
	return &Grouping{d.IntN(2) == 0, d.names()}
}

func (d dice) numeric(depth int) Expr {
	if depth == 0 {
		return pickOf[Expr](d, &NumberExpr{d.float()}, &VectorExpr{d.float()}, d.rangeExpr())
	}
	switch d.IntN(4) {
	case 0:
		e := &AggregateExpr{Op: pickOf(d, aggregateOps...), Inner: d.numeric(depth - 1), Grouping: d.grouping()}
		if e.Op == "topk" || e.Op == "bottomk" {
			e.K = 1 + d.IntN(9)
		}
		return e
	case 1:
		return &LabelReplaceExpr{d.numeric(depth - 1), d.name(), d.text(), d.text(), "(.*)"}
	}
	return d.binary(depth)
}

func (d dice) binary(depth int) Expr {
	e := &BinaryExpr{Op: pickOf(d, "+", "-", "*", "/", "%", "^", "==", "!=", ">", ">=", "<", "<=", "and", "or", "unless")}
	e.Left, e.Right = d.numeric(depth-1), d.numeric(depth-1)
	_, left := e.Left.(*NumberExpr)
	_, right := e.Right.(*NumberExpr)
	set := precedence[e.Op] <= precedence["and"]
	if (left || right) && set {
		e.Op, set = "+", false
	}
	e.Bool = precedence[e.Op] == precedence["=="] && d.IntN(2) == 0
	if !left && !right && d.IntN(2) == 0 {
		e.Matching = &Matching{On: d.IntN(2) == 0, Labels: d.names()}
		if !set && d.IntN(2) == 0 {
			e.Matching.Many, e.Matching.Include = pickOf(d, "left", "right"), d.names()
		}
	}
	return e
}

func (d dice) rangeExpr() Expr {
	op := pickOf(d, "count_over_time", "rate", "bytes_over_time", "bytes_rate", "absent_over_time", "sum_over_time", "avg_over_time", "min_over_time",
		"max_over_time", "stddev_over_time", "stdvar_over_time", "quantile_over_time", "first_over_time", "last_over_time")
	e := &RangeExpr{Op: op, Log: d.log(), Range: d.window(), Offset: pickOf(d, 0, d.window(), -d.window())}
	if op == "quantile_over_time" {
		e.Quantile = pickOf(d, 0, 0.5, 1)
	}
	rule := rangeOps[op]
	if rule.unwrap || rule.optional && d.IntN(2) == 0 {
		e.Log.Stages = append(e.Log.Stages, &Unwrap{d.name(), pickOf(d, "", "duration", "duration_seconds", "bytes")})
		if d.IntN(2) == 0 {
			e.Log.Stages = append(e.Log.Stages, &LabelFilter{d.condition(1)})
		}
	}
	if rule.group {
		e.Grouping = d.grouping()
	}
	return e
}

// TestPrint: what is written is read as the same.
func TestPrint(t *testing.T) {
	d := dice{rand.New(rand.NewPCG(1, 2))}
	for range 3_000 {
		var e Expr = d.log()
		if d.IntN(3) > 0 {
			e = d.numeric(d.IntN(4))
		}
		text := e.String()
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("%s\n%v", text, err)
		}
		if !reflect.DeepEqual(e, again) {
			t.Fatalf("%s\nis read as\n%s", text, again)
		}
	}
}

// FuzzParse: it never panics, and what it reads it also writes.
func FuzzParse(f *testing.F) {
	for _, query := range []string{
		`{a="b"} |= "x" | json c="d[0]" | e > 5ms or f!~"g" | line_format "{{.a}}"`,
		`sum by (a) (rate({b=~"c|d"} | logfmt --strict | unwrap bytes(e) [5m] offset 1h)) / on () group_left (f) -1.5e3`,
		"{", "((((", `{a="\x`, "`", "1e", "--x", "5m5", "{} | a=1 b=2", "0x1p-2", "# x", "{}\n|\n=",
	} {
		f.Add(query)
	}
	d := dice{rand.New(rand.NewPCG(3, 4))}
	for range 50 {
		f.Add(d.numeric(2).String())
	}
	f.Fuzz(func(t *testing.T, query string) {
		start := time.Now()
		e, err := Parse(query)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%v for %d bytes", took, len(query))
		}
		if err != nil {
			return
		}
		text := e.String()
		if len(text) > MaxQuery {
			return
		}
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("%q\nis written as\n%s\n%v", query, text, err)
		}
		if again.String() != text {
			t.Fatalf("%q\nis written as\n%s\nand then as\n%s", query, text, again)
		}
	})
}
