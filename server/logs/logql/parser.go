package logql

import (
	"fmt"
	"slices"
	"strings"
)

// The bounds of a query.
const (
	MaxQuery  = 64 << 10 // bytes
	MaxDepth  = 100      // brackets, functions and operators inside each other
	MaxStages = 200
)

// Parse reads a query. A mistake is an [*Error].
func Parse(query string) (Expr, error) {
	p, err := start(query)
	if err != nil {
		return nil, err
	}
	e := p.binary(0)
	p.end()
	if p.err != nil {
		return nil, p.err
	}
	return e, nil
}

// ParseLog reads a query that selects lines.
func ParseLog(query string) (*LogExpr, error) {
	e, err := Parse(query)
	if err != nil {
		return nil, err
	}
	if log, ok := e.(*LogExpr); ok {
		return log, nil
	}
	return nil, &Error{1, 1, "the query gives numbers, expected one that selects lines"}
}

// ParseMatchers reads a selector alone, such as {service="shop"}.
func ParseMatchers(selector string) ([]*Matcher, error) {
	p, err := start(selector)
	if err != nil {
		return nil, err
	}
	m := p.selector()
	p.end()
	if p.err != nil {
		return nil, p.err
	}
	return m, nil
}

// parser reads tokens from left to right. After the first mistake it stays at the end, so that every loop ends.
type parser struct {
	query  string
	tokens []token
	at     int
	depth  int
	err    error
}

func start(query string) (*parser, error) {
	if len(query) > MaxQuery {
		return nil, &Error{1, 1, fmt.Sprintf("the query has %d bytes, at most %d", len(query), MaxQuery)}
	}
	tokens, err := lex(query)
	return &parser{query: query, tokens: tokens}, err
}

func (p *parser) peek() token { return p.tokens[p.at] }

// after is the token n places ahead.
func (p *parser) after(n int) token { return p.tokens[min(p.at+n, len(p.tokens)-1)] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if p.at < len(p.tokens)-1 {
		p.at++
	}
	return t
}

// is reports whether the next token is one of these marks or words.
func (p *parser) is(words ...string) bool {
	t := p.peek()
	return (t.kind == tokenMark || t.kind == tokenName) && slices.Contains(words, t.text)
}

// accept takes the next token if it is one of these.
func (p *parser) accept(words ...string) bool {
	if p.is(words...) {
		p.next()
		return true
	}
	return false
}

func (p *parser) expect(word string) {
	if !p.accept(word) {
		p.expected(quote(word))
	}
}

// fail keeps the first mistake.
func (p *parser) fail(at token, format string, args ...any) {
	if p.err == nil {
		p.err = mistake(p.query, at.at, fmt.Sprintf(format, args...))
	}
	p.at = len(p.tokens) - 1
}

func (p *parser) expected(what string) {
	p.fail(p.peek(), "unexpected %s, expected %s", p.peek().describe(), what)
}

func (p *parser) end() {
	if p.err == nil && p.peek().kind != tokenEOF {
		p.expected("an operator or the end of the query")
	}
}

// enter counts how deep the query is; each call is undone by leave.
func (p *parser) enter() {
	if p.depth++; p.depth > MaxDepth {
		p.fail(p.peek(), "more than %d levels inside each other", MaxDepth)
	}
}

func (p *parser) leave() { p.depth-- }

func (p *parser) name(what string) string {
	if p.peek().kind != tokenName {
		p.expected(what)
		return ""
	}
	return p.next().text
}

func (p *parser) text(what string) string {
	if p.peek().kind != tokenString {
		p.expected(what)
		return ""
	}
	return p.next().text
}

// names reads a list of labels in brackets.
func (p *parser) names() []string {
	list := []string{}
	p.expect("(")
	for !p.is(")") && p.err == nil {
		list = append(list, p.name("a label"))
		if !p.accept(",") {
			break
		}
	}
	p.expect(")")
	return list
}

func (p *parser) selector() []*Matcher {
	var list []*Matcher
	p.expect("{")
	for !p.is("}") && p.err == nil {
		list = append(list, p.matcher())
		if !p.accept(",") {
			break
		}
	}
	if !p.accept("}") {
		p.expected(`"," or "}"`)
	}
	return list
}

// matcher reads label="text".
func (p *parser) matcher() *Matcher {
	name := p.name("a label")
	if !p.is("=", "!=", "=~", "!~") {
		p.expected(`one of "=", "!=", "=~" and "!~"`)
		return nil
	}
	op, at := p.next().text, p.peek()
	m, err := NewMatcher(name, op, p.text("a string in quotes"))
	if err != nil && p.err == nil {
		p.fail(at, "%s", err)
	}
	return m
}

// log reads a selector and its stages.
func (p *parser) log() *LogExpr {
	at := p.peek()
	e := &LogExpr{Matchers: p.selector()}
	e.Stages = p.stages()
	if _, ok := e.unwrap(); ok {
		p.fail(at, "unwrap makes numbers of lines, expected a function such as sum_over_time around it")
	}
	return e
}

// unwrap finds the stage that makes numbers.
func (e *LogExpr) unwrap() (*Unwrap, bool) {
	for _, s := range e.Stages {
		if u, ok := s.(*Unwrap); ok {
			return u, true
		}
	}
	return nil, false
}

func (p *parser) stages() []Stage {
	var list []Stage
	for p.err == nil {
		at := p.peek()
		switch {
		case p.is("|=", "!=", "|~", "!~", "|>", "!>"):
			list = append(list, p.lineFilter())
		case p.accept("|"):
			list = append(list, p.stage())
		default:
			return list
		}
		if len(list) > MaxStages {
			p.fail(at, "more than %d stages", MaxStages)
		}
		if p.err == nil {
			if _, err := list[len(list)-1].compile(); err != nil {
				p.fail(at, "%s", strings.TrimSpace(err.Error()))
			}
		}
	}
	return list
}
