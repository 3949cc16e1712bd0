package logql

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// MaxRegexp is the longest regular expression in bytes.
const MaxRegexp = 16 << 10

// Matcher is a condition on a label: Op is "=", "!=", "=~" or "!~". A regular expression (RE2) must match the whole value. A label that is not
// there has the value "".
type Matcher struct {
	Name, Op, Value string
	re              *regexp.Regexp
}

// NewMatcher makes a matcher. A regular expression that cannot be compiled is an error.
func NewMatcher(name, op, value string) (*Matcher, error) {
	m := &Matcher{Name: name, Op: op, Value: value}
	switch op {
	case "=", "!=":
		return m, nil
	case "=~", "!~":
		re, err := compileWhole(value)
		m.re = re
		return m, err
	}
	return nil, fmt.Errorf("unknown operator %q", op)
}

// Match reports whether the value fulfils the condition.
func (m *Matcher) Match(value string) bool {
	switch m.Op {
	case "=":
		return value == m.Value
	case "!=":
		return value != m.Value
	case "=~":
		return m.re.MatchString(value)
	}
	return !m.re.MatchString(value)
}

func (m *Matcher) String() string { return m.Name + m.Op + quote(m.Value) }

// compileRegexp compiles an RE2 expression of bounded length.
func compileRegexp(s string) (*regexp.Regexp, error) {
	if len(s) > MaxRegexp {
		return nil, fmt.Errorf("a regular expression of %d bytes; at most %d", len(s), MaxRegexp)
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, fmt.Errorf("the regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return re, nil
}

// compileWhole compiles an expression that must match the whole of a text.
func compileWhole(s string) (*regexp.Regexp, error) {
	if _, err := compileRegexp(s); err != nil {
		return nil, err // in the words of who wrote it
	}
	return regexp.Compile("^(?s:" + s + ")$")
}

// quote writes a string as the language reads it.
func quote(s string) string { return strconv.Quote(s) }

// compile reads the expression of label_replace, which must match the whole value.
func (e *LabelReplaceExpr) compile() (*regexp.Regexp, error) {
	return compileWhole(e.Regexp)
}
