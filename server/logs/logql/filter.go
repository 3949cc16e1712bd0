package logql

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

func (s *LineFilter) compile() (step, error) {
	negative := s.Op[0] == '!'
	tests := make([]func(string) bool, len(s.Texts))
	for i, text := range s.Texts {
		switch s.Op[1] {
		case '=':
			tests[i] = func(line string) bool { return strings.Contains(line, text) }
		case '~':
			re, err := compileRegexp(text)
			if err != nil {
				return nil, err
			}
			tests[i] = re.MatchString
		default:
			p, err := compilePattern(text, false)
			if err != nil {
				return nil, err
			}
			tests[i] = p.match
		}
	}
	if len(tests) == 1 {
		test := tests[0]
		return func(r *record) bool { return test(r.text) != negative }, nil
	}
	return func(r *record) bool {
		return slices.ContainsFunc(tests, func(test func(string) bool) bool { return test(r.text) }) != negative
	}, nil
}

func (s *LabelFilter) compile() (step, error) { return s.Condition.test, nil }

func (c *BoolCondition) test(r *record) bool {
	if c.Op == "and" {
		return c.Left.test(r) && c.Right.test(r)
	}
	return c.Left.test(r) || c.Right.test(r)
}

func (c *TextCondition) test(r *record) bool {
	value, _ := r.get(c.Matcher.Name)
	return c.Matcher.Match(value)
}

// test compares as a number. A label that is not there does not match; one that is no number is noted as an error, and the line kept.
func (c *ValueCondition) test(r *record) bool {
	text, ok := r.get(c.Label)
	if !ok {
		return false
	}
	value, err := convert(text, c.Unit)
	if err != nil {
		return r.fail("LabelFilterErr", fmt.Sprintf("%s: %q: %s", c.Label, shorten(text), err))
	}
	return compare(c.Op, value, c.Value)
}

func compare(op string, a, b float64) bool {
	switch op {
	case "==":
		return a == b
	case "!=":
		return a != b
	case ">":
		return a > b
	case ">=":
		return a >= b
	case "<":
		return a < b
	}
	return a <= b
}

func (s *Drop) compile() (step, error) {
	return func(r *record) bool {
		for _, p := range s.Labels {
			if value, ok := r.get(p.Label); ok && (p.Matcher == nil || p.Matcher.Match(value)) {
				r.remove(p.Label)
			}
		}
		return true
	}, nil
}

func (s *Keep) compile() (step, error) {
	return func(r *record) bool {
		r.fill()
		r.fields = slices.DeleteFunc(r.fields, func(f field) bool {
			return !slices.ContainsFunc(s.Labels, func(p LabelPick) bool {
				return cmp.Or(aliases[p.Label], p.Label) == f.name && (p.Matcher == nil || p.Matcher.Match(f.value)) || p.Label == f.name
			})
		})
		return true
	}, nil
}

func (s *Unwrap) compile() (step, error) {
	unit := Plain
	switch s.Convert {
	case "duration", "duration_seconds":
		unit = Duration
	case "bytes":
		unit = Bytes
	}
	return func(r *record) bool {
		text, ok := r.get(s.Label)
		if !ok {
			return false // a line without the label is no sample
		}
		value, err := convert(text, unit)
		if err != nil {
			return r.fail("SampleExtractionErr", fmt.Sprintf("%s: %q: %s", s.Label, shorten(text), err))
		}
		if unit == Duration {
			value /= 1e9
		}
		r.value = value
		return true
	}, nil
}

// shorten cuts a value for a message.
func shorten(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
