package where

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// levels are the words for levels, in their order.
var levels = []string{"trace", "debug", "info", "warn", "error", "fatal"}

// build makes the test of a condition. The token is its value.
func (p *parser) build(name, operator, value string) (test, error) {
	if name == "level" {
		return p.level(operator, value)
	}
	field := fieldOf(name)
	switch operator {
	case "=":
		return func(e *entry.Entry) bool { v, ok := field(e); return ok && v == value }, nil
	case "!=":
		return func(e *entry.Entry) bool { v, ok := field(e); return !ok || v != value }, nil
	case ":":
		return element(name, value), nil
	}
	bound, ok := number(value)
	if !ok {
		return nil, p.wrong("%q is compared with a number or a duration, not with %q", name, value)
	}
	holds := order[operator]
	return func(e *entry.Entry) bool {
		v, ok := field(e)
		if !ok {
			return false
		}
		n, ok := number(v)
		return ok && holds(compare(n, bound))
	}, nil
}

// order are the operators for what is -1, 0 or 1.
var order = map[string]func(int) bool{
	"=": func(c int) bool { return c == 0 }, "!=": func(c int) bool { return c != 0 },
	">": func(c int) bool { return c > 0 }, ">=": func(c int) bool { return c >= 0 },
	"<": func(c int) bool { return c < 0 }, "<=": func(c int) bool { return c <= 0 },
}

// compare is -1, 0 or 1: how a stands to b.
func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (p *parser) level(operator, value string) (test, error) {
	level := entry.ParseLevel(value)
	if level == entry.Unknown {
		err := p.wrong("%q is no level", value)
		err.Got, err.Allowed = value, levels
		return nil, err
	}
	if operator == ":" {
		operator = "="
	}
	holds := order[operator]
	return func(e *entry.Entry) bool {
		if e.Level == entry.Unknown {
			return operator == "!="
		}
		return holds(int(e.Level) - int(level))
	}, nil
}

// fieldOf finds a field by its name. What is empty is not there.
func fieldOf(name string) func(*entry.Entry) (string, bool) {
	direct := func(get func(*entry.Entry) string) func(*entry.Entry) (string, bool) {
		return func(e *entry.Entry) (string, bool) { v := get(e); return v, v != "" }
	}
	switch name {
	case "service":
		return direct(func(e *entry.Entry) string { return e.Service })
	case "instance":
		return direct(func(e *entry.Entry) string { return e.Instance })
	case "handler":
		return direct(func(e *entry.Entry) string { return e.Handler })
	case "trace":
		return direct(func(e *entry.Entry) string { return e.Trace })
	case "message":
		return direct(func(e *entry.Entry) string { return e.Message })
	}
	return func(e *entry.Entry) (string, bool) { return e.Attr(name) }
}

// number reads a number, or a duration as seconds.
func number(text string) (float64, bool) {
	if text == "" || (text[0] != '-' && text[0] != '+' && text[0] != '.' && (text[0] < '0' || text[0] > '9')) {
		return 0, false // NaN and Inf as well
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil && n == n {
		return n, true
	}
	d, err := time.ParseDuration(text)
	return d.Seconds(), err == nil
}

// element makes the test of NAME:VALUE.
func element(name, value string) test {
	if name == "message" {
		small := strings.ToLower(value)
		return func(e *entry.Entry) bool { return strings.Contains(strings.ToLower(e.Message), small) }
	}
	field, plural := fieldOf(name), name+"s"
	return func(e *entry.Entry) bool {
		if v, ok := field(e); ok && has(v, value) {
			return true
		}
		v, ok := e.Attr(plural)
		return ok && has(v, value)
	}
}

// has says whether a text is the element, or has it.
func has(text, element string) bool {
	if text == element || !strings.Contains(text, element) {
		return text == element
	}
	if strings.HasPrefix(text, "[") {
		var list []any
		if json.Unmarshal([]byte(text), &list) == nil {
			return slices.Contains(list, any(element))
		}
	}
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		if part == element {
			return true
		}
	}
	return false
}
