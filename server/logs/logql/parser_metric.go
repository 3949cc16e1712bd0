package logql

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// rangeOps are the range aggregations, and what they need.
var rangeOps = map[string]struct {
	unwrap   bool // must have one; rate and absent_over_time may
	optional bool
	group    bool // by and without are allowed
}{
	"count_over_time": {}, "rate": {optional: true}, "bytes_over_time": {}, "bytes_rate": {}, "absent_over_time": {optional: true},
	"sum_over_time": {unwrap: true}, "avg_over_time": {unwrap: true, group: true}, "min_over_time": {unwrap: true, group: true},
	"max_over_time": {unwrap: true, group: true}, "stddev_over_time": {unwrap: true, group: true}, "stdvar_over_time": {unwrap: true, group: true},
	"quantile_over_time": {unwrap: true, group: true}, "first_over_time": {unwrap: true, group: true}, "last_over_time": {unwrap: true, group: true},
}

var aggregateOps = []string{"sum", "avg", "min", "max", "count", "stddev", "stdvar", "topk", "bottomk", "sort", "sort_desc"}

// precedence of the binary operators; what is higher binds closer.
var precedence = map[string]int{
	"or": 1, "and": 2, "unless": 2, "==": 3, "!=": 3, ">": 3, ">=": 3, "<": 3, "<=": 3, "+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "^": 6,
}

// binary reads operators that bind closer than the level.
func (p *parser) binary(level int) Expr {
	p.enter()
	defer p.leave()
	left := p.operand()
	for n := 0; p.err == nil; n++ {
		at := p.peek()
		own := precedence[at.text]
		if at.kind != tokenMark && at.kind != tokenName || own <= level {
			return left
		}
		if n == MaxDepth {
			p.fail(at, "more than %d operators in a row", MaxDepth)
		}
		p.next()
		e := &BinaryExpr{Op: at.text, Left: left}
		p.modifiers(e)
		if e.Op == "^" {
			own-- // from the right to the left
		}
		e.Right = p.binary(own)
		p.check(e, at)
		left = e
	}
	return left
}

func (p *parser) modifiers(e *BinaryExpr) {
	if at := p.peek(); p.accept("bool") {
		if e.Bool = true; precedence[e.Op] != precedence["=="] {
			p.fail(at, "bool is for comparisons only")
		}
	}
	if !p.is("on", "ignoring") {
		return
	}
	e.Matching = &Matching{On: p.next().text == "on"}
	e.Matching.Labels = p.names()
	if at := p.peek(); p.is("group_left", "group_right") {
		e.Matching.Many = p.next().text[len("group_"):]
		if e.Matching.Include = []string{}; p.is("(") {
			e.Matching.Include = p.names()
		}
		if precedence[e.Op] <= precedence["and"] {
			p.fail(at, "%s cannot have %s", e.Op, at.text)
		}
	}
}

// check refuses what cannot be computed.
func (p *parser) check(e *BinaryExpr, at token) {
	for _, side := range []Expr{e.Left, e.Right} {
		_, text := side.(*LogExpr)
		_, plain := side.(*NumberExpr)
		switch {
		case text:
			p.fail(at, "%s needs numbers on both sides, not lines; expected count_over_time or another function around them", e.Op)
		case plain && precedence[e.Op] <= precedence["and"]:
			p.fail(at, "%s needs series on both sides, not a number", e.Op)
		case plain && e.Matching != nil:
			p.fail(at, "on and ignoring need series on both sides, not a number")
		}
	}
}

const operandNames = "a selector such as {service=\"shop\"}, a function or a number"

func (p *parser) operand() Expr {
	t := p.peek()
	switch {
	case t.kind == tokenNumber || p.is("-", "+", "Inf", "NaN"):
		return &NumberExpr{p.number()}
	case p.is("{"):
		return p.log()
	case p.accept("("):
		e := p.binary(0)
		p.expect(")")
		return e
	case t.kind != tokenName:
		p.expected(operandNames)
		return nil
	}
	if _, ok := rangeOps[t.text]; ok {
		return p.rangeExpr()
	}
	switch {
	case slices.Contains(aggregateOps, t.text):
		return p.aggregate()
	case t.text == "vector":
		p.next()
		p.expect("(")
		e := &VectorExpr{p.number()}
		p.expect(")")
		return e
	case t.text == "label_replace":
		return p.labelReplace()
	}
	p.expected(operandNames)
	return nil
}

func (p *parser) number() float64 {
	sign := 1.0
	if p.accept("-") {
		sign = -1
	} else {
		p.accept("+")
	}
	switch {
	case p.accept("Inf"):
		return math.Inf(int(sign))
	case p.accept("NaN"):
		return math.NaN()
	case p.peek().kind != tokenNumber:
		p.expected("a number")
		return 0
	}
	t := p.next()
	v, err := strconv.ParseFloat(t.text, 64)
	if err != nil {
		p.fail(t, "unexpected %s, expected a number", t.describe())
	}
	return sign * v
}

// numeric reads an expression that gives numbers.
func (p *parser) numeric() Expr {
	at := p.peek()
	e := p.binary(0)
	if _, ok := e.(*LogExpr); ok {
		p.fail(at, "unexpected lines, expected numbers: put count_over_time or another function around them")
	}
	return e
}

func (p *parser) grouping() *Grouping {
	if !p.is("by", "without") {
		return nil
	}
	return &Grouping{p.next().text == "without", p.names()}
}

func (p *parser) aggregate() Expr {
	e := &AggregateExpr{Op: p.next().text}
	e.Grouping = p.grouping()
	p.expect("(")
	if e.Op == "topk" || e.Op == "bottomk" {
		at := p.peek()
		k, err := strconv.Atoi(at.text)
		if at.kind != tokenNumber || err != nil || k < 1 {
			p.expected("how many series, a whole number from 1")
		}
		e.K = k
		p.next()
		p.expect(",")
	}
	e.Inner = p.numeric()
	p.expect(")")
	if e.Grouping == nil {
		e.Grouping = p.grouping()
	}
	return e
}

func (p *parser) labelReplace() Expr {
	p.next()
	p.expect("(")
	e := &LabelReplaceExpr{Inner: p.numeric()}
	for i, target := range []*string{&e.Target, &e.Replacement, &e.Source, &e.Regexp} {
		p.expect(",")
		at := p.peek()
		*target = p.text("a string in quotes")
		if i == 0 && p.err == nil && LabelName(*target) != *target {
			p.fail(at, "%s cannot be the name of a label", quote(*target))
		}
		if i == 3 && p.err == nil {
			if _, err := e.compile(); err != nil {
				p.fail(at, "%s", err)
			}
		}
	}
	p.expect(")")
	return e
}

func (p *parser) rangeExpr() Expr {
	at := p.next()
	e := &RangeExpr{Op: at.text}
	p.expect("(")
	if e.Op == "quantile_over_time" {
		q := p.peek()
		if e.Quantile = p.number(); !(e.Quantile >= 0 && e.Quantile <= 1) {
			p.fail(q, "a quantile from 0 to 1 is expected")
		}
		p.expect(",")
	}
	e.Log = &LogExpr{Matchers: p.selector()}
	early := p.is("[")
	if early {
		p.window(e)
	}
	e.Log.Stages = p.stages()
	if !early {
		if !p.is("[") {
			p.expected("a stage or a range such as [5m]")
		}
		p.window(e)
	}
	p.expect(")")
	group := p.peek()
	e.Grouping = p.grouping()
	if p.err == nil {
		p.checkRange(e, at, group)
	}
	return e
}

// window reads [5m] offset 1h.
func (p *parser) window(e *RangeExpr) {
	p.expect("[")
	at := p.peek()
	if e.Range = p.duration(); e.Range <= 0 {
		p.fail(at, "a range of more than 0 is expected")
	}
	p.expect("]")
	if p.accept("offset") {
		negative := p.accept("-")
		if e.Offset = p.duration(); negative {
			e.Offset = -e.Offset
		}
	}
}

func (p *parser) duration() time.Duration {
	if p.peek().kind != tokenNumber {
		p.expected("a duration such as 5m")
		return 0
	}
	t := p.next()
	d, err := ParseDuration(t.text)
	if err != nil {
		p.fail(t, "%s is %s", t.describe(), err)
	}
	return d
}

func (p *parser) checkRange(e *RangeExpr, at, group token) {
	rule := rangeOps[e.Op]
	unwraps := 0
	for _, s := range e.Log.Stages {
		switch s.(type) {
		case *Unwrap:
			unwraps++
		case *LabelFilter:
		default:
			if unwraps > 0 {
				p.fail(at, "after unwrap only label filters are expected")
			}
		}
	}
	switch {
	case unwraps > 1:
		p.fail(at, "%s with %d unwrap, expected one", e.Op, unwraps)
	case unwraps == 0 && rule.unwrap:
		p.fail(at, "%s needs numbers, expected a stage such as | unwrap duration(took)", e.Op)
	case unwraps == 1 && !rule.unwrap && !rule.optional:
		p.fail(at, "%s counts lines, expected no unwrap", e.Op)
	case e.Grouping != nil && !rule.group:
		p.fail(group, "%s cannot be grouped, expected sum %s (…) around it", e.Op, e.Grouping)
	}
}
