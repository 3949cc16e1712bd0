package logql

import (
	"math"
	"strconv"
	"strings"
	"time"
)

func (e *LogExpr) String() string { return e.with("") }

// with writes it with a range after its stages.
func (e *LogExpr) with(rest string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range e.Matchers {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(m.String())
	}
	b.WriteByte('}')
	for _, s := range e.Stages {
		b.WriteByte(' ')
		b.WriteString(s.String())
	}
	b.WriteString(rest)
	return b.String()
}

func (e *RangeExpr) String() string {
	s := e.Op + "("
	if e.Op == "quantile_over_time" {
		s += number(e.Quantile) + ", "
	}
	rest := " [" + e.Range.String() + "]"
	if e.Offset != 0 {
		rest += " offset " + e.Offset.String()
	}
	s += e.Log.with(rest) + ")"
	if e.Grouping != nil {
		s += " " + e.Grouping.String()
	}
	return s
}

func (e *AggregateExpr) String() string {
	s := e.Op
	if e.Grouping != nil {
		s += " " + e.Grouping.String() + " "
	}
	s += "("
	if e.Op == "topk" || e.Op == "bottomk" {
		s += strconv.Itoa(e.K) + ", "
	}
	return s + e.Inner.String() + ")"
}

func (g *Grouping) String() string {
	word := "by"
	if g.Without {
		word = "without"
	}
	return word + " (" + strings.Join(g.Labels, ", ") + ")"
}

func (e *BinaryExpr) String() string {
	s := operand(e.Left) + " " + e.Op
	if e.Bool {
		s += " bool"
	}
	if m := e.Matching; m != nil {
		word := " ignoring ("
		if m.On {
			word = " on ("
		}
		s += word + strings.Join(m.Labels, ", ") + ")"
		if m.Many != "" {
			s += " group_" + m.Many + " (" + strings.Join(m.Include, ", ") + ")"
		}
	}
	return s + " " + operand(e.Right)
}

// operand puts what would read otherwise into brackets.
func operand(e Expr) string {
	if _, ok := e.(*BinaryExpr); ok {
		return "(" + e.String() + ")"
	}
	return e.String()
}

func (e *NumberExpr) String() string { return number(e.Value) }
func (e *VectorExpr) String() string { return "vector(" + number(e.Value) + ")" }

func (e *LabelReplaceExpr) String() string {
	return "label_replace(" + e.Inner.String() + ", " + quote(e.Target) + ", " + quote(e.Replacement) + ", " + quote(e.Source) + ", " + quote(e.Regexp) + ")"
}

func number(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func (s *LineFilter) String() string {
	texts := make([]string, len(s.Texts))
	for i, t := range s.Texts {
		texts[i] = quote(t)
	}
	return s.Op + " " + strings.Join(texts, " or ")
}

func extractions(list []Extraction) string {
	var b strings.Builder
	for i, x := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(" " + x.Label + "=" + quote(x.Path))
	}
	return b.String()
}

func (s *JSON) String() string { return "| json" + extractions(s.Extract) }

func (s *Logfmt) String() string {
	text := "| logfmt"
	if s.Strict {
		text += " --strict"
	}
	if s.KeepEmpty {
		text += " --keep-empty"
	}
	return text + extractions(s.Extract)
}

func (s *Pattern) String() string    { return "| pattern " + quote(s.Pattern) }
func (s *Regexp) String() string     { return "| regexp " + quote(s.Regexp) }
func (s *LineFormat) String() string { return "| line_format " + quote(s.Template) }

// String puts what would be read as the stage json or logfmt with a line filter into brackets.
func (s *LabelFilter) String() string {
	text := s.Condition.String()
	for _, stage := range []string{"json", "logfmt"} {
		if rest, ok := strings.CutPrefix(text, stage); ok && strings.HasPrefix(strings.TrimLeft(rest, " "), "!") {
			return "| (" + text + ")"
		}
	}
	return "| " + text
}

func (s *LabelFormat) String() string {
	parts := make([]string, len(s.Assign))
	for i, a := range s.Assign {
		if parts[i] = a.Label + "=" + a.From; a.From == "" {
			parts[i] += quote(a.Template)
		}
	}
	return "| label_format " + strings.Join(parts, ", ")
}

func picks(list []LabelPick) string {
	parts := make([]string, len(list))
	for i, p := range list {
		if parts[i] = p.Label; p.Matcher != nil {
			parts[i] = p.Matcher.String()
		}
	}
	return strings.Join(parts, ", ")
}

func (s *Drop) String() string { return "| drop " + picks(s.Labels) }
func (s *Keep) String() string { return "| keep " + picks(s.Labels) }

func (s *Unwrap) String() string {
	if s.Convert == "" {
		return "| unwrap " + s.Label
	}
	return "| unwrap " + s.Convert + "(" + s.Label + ")"
}

func (c *BoolCondition) String() string {
	right := c.Right.String()
	if _, ok := c.Right.(*BoolCondition); ok {
		right = "(" + right + ")"
	}
	return c.Left.String() + " " + c.Op + " " + right
}

func (c *TextCondition) String() string { return c.Matcher.String() }

func (c *ValueCondition) String() string {
	s := c.Label + " " + c.Op + " "
	switch c.Unit {
	case Duration:
		return s + time.Duration(c.Value).String()
	case Bytes:
		return s + strconv.FormatFloat(c.Value, 'f', -1, 64) + "B"
	}
	return s + number(c.Value)
}
