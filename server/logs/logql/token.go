package logql

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Error is a mistake in a query, with its place: line and column count from 1, columns in characters.
type Error struct {
	Line, Column int
	Message      string
}

func (e *Error) Error() string {
	return fmt.Sprintf("parse error at line %d, col %d: %s", e.Line, e.Column, e.Message)
}

type kind uint8

const (
	tokenEOF    kind = iota
	tokenName        // service
	tokenString      // "x" or `x`; text is the value
	tokenNumber      // 5, 1.5e3, 10s, 20KB
	tokenFlag        // --strict
	tokenMark        // an operator or a bracket
)

type token struct {
	kind kind
	text string
	at   int // byte offset in the query
}

// describe names the token in a message.
func (t token) describe() string {
	switch t.kind {
	case tokenEOF:
		return "the end of the query"
	case tokenString:
		if len(t.text) > 40 {
			return "a string"
		}
		return "the string " + quote(t.text)
	}
	return quote(t.text)
}

// marks from the longest to the shortest.
var marks = []string{
	"|=", "|~", "|>", "!=", "!~", "!>", "=~", "==", ">=", "<=",
	"{", "}", "(", ")", "[", "]", ",", "=", "|", ">", "<", "+", "-", "*", "/", "%", "^", ":",
}

type lexer struct {
	query string
	at    int
}

// lex cuts a query into tokens; the last one is the end.
func lex(query string) ([]token, error) {
	l := &lexer{query: query}
	var tokens []token
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		if t.kind == tokenEOF {
			return tokens, nil
		}
	}
}

func (l *lexer) next() (token, error) {
	l.skip()
	if l.at >= len(l.query) {
		return token{kind: tokenEOF, at: l.at}, nil
	}
	rest, start := l.query[l.at:], l.at
	switch c := rest[0]; {
	case c == '"' || c == '`':
		return l.text()
	case digit(c) || c == '.' && len(rest) > 1 && digit(rest[1]):
		return token{tokenNumber, l.take(numberEnd(rest)), start}, nil
	case nameByte(c):
		return token{tokenName, l.take(nameEnd(rest)), start}, nil
	case len(rest) > 2 && rest[:2] == "--" && letter(rest[2]):
		return token{tokenFlag, l.take(2 + nameEnd(strings.ReplaceAll(rest[2:], "-", "_"))), start}, nil
	}
	for _, m := range marks {
		if strings.HasPrefix(rest, m) {
			return token{tokenMark, l.take(len(m)), start}, nil
		}
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return token{}, mistake(l.query, start, "unexpected character "+strconv.QuoteRune(r))
}

func (l *lexer) take(n int) string {
	s := l.query[l.at : l.at+n]
	l.at += n
	return s
}

// skip passes over space and comments, which go from # to the end of the line.
func (l *lexer) skip() {
	for l.at < len(l.query) {
		switch c := l.query[l.at]; c {
		case ' ', '\t', '\n', '\r':
			l.at++
		case '#':
			if n := strings.IndexByte(l.query[l.at:], '\n'); n >= 0 {
				l.at += n
			} else {
				l.at = len(l.query)
			}
		default:
			return
		}
	}
}

func (l *lexer) text() (token, error) {
	start, mark := l.at, l.query[l.at]
	for i := start + 1; i < len(l.query); i++ {
		switch c := l.query[i]; {
		case c == mark:
			l.at = i + 1
			value, err := strconv.Unquote(l.query[start:l.at])
			if err != nil {
				return token{}, mistake(l.query, start, "a string with an escape that is not known, such as \\d; write `…` for no escapes")
			}
			return token{tokenString, value, start}, nil
		case c == '\\' && mark == '"':
			i++
		case c == '\n' && mark == '"':
			return token{}, mistake(l.query, start, "the string does not end on its line")
		}
	}
	return token{}, mistake(l.query, start, "the string does not end")
}

func digit(c byte) bool  { return '0' <= c && c <= '9' }
func letter(c byte) bool { return nameByte(c) && !digit(c) }

func nameEnd(s string) int {
	i := 0
	for i < len(s) && nameByte(s[i]) {
		i++
	}
	return i
}

// numberEnd finds the end of a number with its unit. µ has two characters in use.
func numberEnd(s string) int {
	i, exponent := 0, true
	for i < len(s) {
		switch c := s[i]; {
		case digit(c) || c == '.':
			i++
		case (c == 'e' || c == 'E') && exponent && i+1 < len(s) && (s[i+1] == '+' || s[i+1] == '-'):
			exponent, i = false, i+2
		case letter(c) && c != '_':
			exponent, i = false, i+1
		case strings.HasPrefix(s[i:], "µ") || strings.HasPrefix(s[i:], "μ"):
			i += 2
		default:
			return i
		}
	}
	return i
}

// mistake is an error at a byte of the query.
func mistake(query string, at int, message string) *Error {
	before := query[:min(at, len(query))]
	line := strings.Count(before, "\n") + 1
	return &Error{line, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1, message}
}
