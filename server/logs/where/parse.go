package where

import (
	"fmt"
	"strings"

	"github.com/gabion-io/gabion/server/logs/entry"
)

type kind int

const (
	end    kind = iota
	word        // a name or a value
	quoted      // the same in quotes
	sign        // an operator or a parenthesis
	broken      // what is none of these
)

type token struct {
	kind       kind
	text       string // without quotes
	from, size int
}

func (t token) String() string {
	if t.kind == end {
		return "the end"
	}
	return fmt.Sprintf("%q", t.text)
}

// parser reads a text from left to right. Its token is the next one.
type parser struct {
	text  string
	at    int
	token token
}

func (p *parser) wrong(format string, args ...any) *SyntaxError {
	return &SyntaxError{Offset: p.token.from, Length: p.token.size, Problem: fmt.Sprintf(format, args...)}
}

const signs = "()=!<>:"

func isWord(c byte) bool {
	return c >= 0x80 || strings.IndexByte("_-./*@", c) >= 0 || (c >= '0' && c <= '9') || (c|0x20 >= 'a' && c|0x20 <= 'z')
}

// next reads the next token.
func (p *parser) next() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
	from := p.at
	set := func(k kind, text string) {
		p.token = token{kind: k, text: text, from: from, size: p.at - from}
	}
	if from == len(p.text) {
		set(end, "")
		return
	}
	switch c := p.text[from]; {
	case c == '"':
		if text, closed := p.quote(); closed {
			set(quoted, text)
		} else {
			set(broken, p.text[from:])
		}
	case isWord(c):
		for p.at < len(p.text) && isWord(p.text[p.at]) {
			p.at++
		}
		set(word, p.text[from:p.at])
	case strings.IndexByte(signs, c) >= 0:
		p.at++
		if p.at < len(p.text) && p.text[p.at] == '=' && strings.IndexByte("!<>=", c) >= 0 {
			p.at++
		}
		set(sign, p.text[from:p.at])
	default:
		p.at++
		set(broken, p.text[from:p.at])
	}
}

// quote reads a text in double quotes, in which a backslash takes what follows as it is. It may not be closed.
func (p *parser) quote() (text string, closed bool) {
	var b strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		c := p.text[p.at]
		if c == '"' {
			p.at++
			return b.String(), true
		}
		if c == '\\' && p.at+1 < len(p.text) {
			p.at++
			c = p.text[p.at]
		}
		b.WriteByte(c)
	}
	return "", false
}

// is says whether the token is this sign, or this word without quotes.
func (p *parser) is(k kind, text string) bool { return p.token.kind == k && p.token.text == text }

type test = func(*entry.Entry) bool

// either reads conditions joined by or.
func (p *parser) either(depth int) (test, error) {
	return p.joined("or", depth, (*parser).both, func(a, b test) test {
		return func(e *entry.Entry) bool { return a(e) || b(e) }
	})
}

// both reads conditions joined by and.
func (p *parser) both(depth int) (test, error) {
	return p.joined("and", depth, (*parser).single, func(a, b test) test {
		return func(e *entry.Entry) bool { return a(e) && b(e) }
	})
}

func (p *parser) joined(with string, depth int, read func(*parser, int) (test, error), join func(a, b test) test) (test, error) {
	all, err := read(p, depth)
	for err == nil && p.is(word, with) {
		var one test
		p.next()
		if one, err = read(p, depth); err == nil {
			all = join(all, one)
		}
	}
	return all, err
}

// single reads one condition, or several in parentheses.
func (p *parser) single(depth int) (test, error) {
	if depth++; depth > maxDepth {
		return nil, p.wrong("it is nested more than %d times", maxDepth)
	}
	switch {
	case p.is(word, "not"):
		p.next()
		holds, err := p.single(depth)
		return func(e *entry.Entry) bool { return !holds(e) }, err
	case p.is(sign, "("):
		p.next()
		holds, err := p.either(depth)
		if err == nil && !p.is(sign, ")") {
			err = p.wrong(") is missing before %s", p.token)
		}
		if err == nil {
			p.next()
		}
		return holds, err
	case p.token.kind == broken && strings.HasPrefix(p.token.text, `"`):
		return nil, p.wrong("the quote is not closed")
	case p.token.kind != quoted && (p.token.kind != word || p.is(word, "and") || p.is(word, "or")):
		return nil, p.wrong("a condition such as level>=error is missing before %s", p.token)
	}
	return p.compare()
}

// operators are the signs between a name and a value.
var operators = []string{"=", "!=", ":", ">", ">=", "<", "<="}

// compare reads NAME OPERATOR VALUE.
func (p *parser) compare() (test, error) {
	name := p.token.text
	if name == "" {
		return nil, p.wrong("the name is empty")
	}
	p.next()
	operator := p.token.text
	if p.token.kind == sign && operator == "==" {
		operator = "="
	}
	if known := strings.Contains(" "+strings.Join(operators, " ")+" ", " "+operator+" "); p.token.kind != sign || !known {
		err := p.wrong("an operator is missing between %q and %s", name, p.token)
		err.Allowed = operators
		return nil, err
	}
	p.next()
	switch {
	case p.token.kind == broken && strings.HasPrefix(p.token.text, `"`):
		return nil, p.wrong("the quote is not closed")
	case p.token.kind != word && p.token.kind != quoted:
		return nil, p.wrong("the value of %q is missing before %s", name, p.token)
	}
	holds, err := p.build(name, operator, p.token.text)
	if err == nil {
		p.next()
	}
	return holds, err
}
