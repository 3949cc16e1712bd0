package config

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// source is a text that values come from: the file, an environment variable, a flag, or a default.
type source struct {
	kind OriginKind
	// name is what it is called in messages: a path, a variable, a flag.
	name string
	// order puts the problems of several sources in order.
	order int
	lines [][]rune
	// hidden are the places of literal secrets, which no message may show.
	hidden []place
}

func newSource(kind OriginKind, name, text string, order int) *source {
	text = strings.TrimPrefix(text, "\ufeff")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	s := &source{kind: kind, name: name, order: order}
	for line := range strings.SplitSeq(text, "\n") {
		s.lines = append(s.lines, []rune(line))
	}
	return s
}

// place is a token in a source. Line and column count from 1, columns and width in characters.
type place struct {
	src               *source
	line, col, length int
}

// compare puts places in the order in which problems are told.
func (p place) compare(q place) int {
	switch {
	case p.src.order != q.src.order:
		return p.src.order - q.src.order
	case p.line != q.line:
		return p.line - q.line
	}
	return p.col - q.col
}

// line returns a line without what must not be shown; "" when there is no such line.
func (s *source) line(number int) []rune {
	if number < 1 || number > len(s.lines) {
		return nil
	}
	line := slices.Clone(s.lines[number-1])
	for _, h := range s.hidden {
		if h.line != number {
			continue
		}
		for i := max(h.col-1, 0); i < min(h.col-1+h.length, len(line)); i++ {
			line[i] = '•'
		}
	}
	return line
}

// hide keeps the token at p, and for a block of text the lines below it that are indented deeper than its line, out of
// every message.
func (s *source) hide(p place) {
	s.hidden = append(s.hidden, place{line: p.line, col: p.col, length: maxSource})
	indent := indentation(s.lines[min(p.line, len(s.lines))-1])
	for n := p.line + 1; n <= len(s.lines); n++ {
		if depth := indentation(s.lines[n-1]); depth < len(s.lines[n-1]) && depth <= indent {
			return
		}
		s.hidden = append(s.hidden, place{line: n, col: 1, length: maxSource})
	}
}

// indentation is the number of blanks that a line begins with.
func indentation(line []rune) int {
	for i, r := range line {
		if r != ' ' && r != '\t' {
			return i
		}
	}
	return len(line)
}

// secretLine finds lines that may hold a secret, for messages about files that could not be parsed.
var secretLine = regexp.MustCompile(`(?i)(token|secret|password|api_?key)["']?\s*:\s*`)

// hideSuspects keeps whatever looks like a secret out of messages about a file that is not valid YAML, where it is
// not known what is one.
func (s *source) hideSuspects() {
	for i, line := range s.lines {
		text := string(line)
		if found := secretLine.FindStringIndex(text); found != nil {
			s.hide(place{line: i + 1, col: utf8.RuneCountInString(text[:found[1]]) + 1})
		}
	}
}

// excerptWidth is how many characters of a long line are shown.
const excerptWidth = 110

// excerpt shows the line of a place with carets under its token.
func (p place) excerpt() (text, carets string) {
	line := p.src.line(p.line)
	start := min(max(p.col-1, 0), len(line))
	end := min(start+max(p.length, 1), max(len(line), start+1))
	lead, tail := "", ""
	if end-start > excerptWidth {
		end = start + excerptWidth
	}
	if from := start - excerptWidth/2; len(line) > excerptWidth && from > 0 {
		line, start, end, lead = line[from:], start-from, end-from, "…"
	}
	if to := max(excerptWidth, end); len(line) > to {
		line, tail = line[:to], "…"
	}
	shown := lead + printable(line) + tail
	pad := slices.Clone(line[:min(start, len(line))])
	for i, r := range pad {
		if r != '\t' {
			pad[i] = ' '
		}
	}
	return shown, strings.Repeat(" ", utf8.RuneCountInString(lead)) + string(pad) + strings.Repeat("^", end-start)
}

// printable replaces characters that would disturb a terminal.
func printable(line []rune) string {
	clean := slices.Clone(line)
	for i, r := range clean {
		if r != '\t' && (r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || r == utf8.RuneError || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069)) {
			clean[i] = '�'
		}
	}
	return string(clean)
}

// token finds the extent of the value that stands at a position and reads as value.
func (s *source) token(line, col int, value string) place {
	p := place{src: s, line: line, col: col, length: 1}
	if line < 1 || line > len(s.lines) {
		return p
	}
	text := s.lines[line-1]
	at := min(max(col-1, 0), len(text))
	for at < len(text) && (text[at] == '&' || text[at] == '!') { // an anchor or a tag comes before the value
		next := slices.Index(text[at:], ' ')
		if next < 0 {
			break
		}
		at += next
		for at < len(text) && text[at] == ' ' {
			at++
		}
	}
	rest := text[at:]
	p.col = at + 1
	switch {
	case len(rest) == 0:
		p.length = 1
	case rest[0] == '"' || rest[0] == '\'':
		p.length = quoted(rest)
	case value != "" && startsWith(rest, value):
		p.length = utf8.RuneCountInString(value)
	case rest[0] == '|' || rest[0] == '>' || rest[0] == '{' || rest[0] == '[' || value == "":
		p.length = 1
	default:
		p.length = len(rest)
	}
	return p
}

func startsWith(text []rune, value string) bool {
	i := 0
	for _, r := range value {
		if i >= len(text) || text[i] != r {
			return false
		}
		i++
	}
	return true
}

// quoted is the length of the quoted text at the start of a line, to the end of the line when it goes on below.
func quoted(text []rune) int {
	quote := text[0]
	for i := 1; i < len(text); i++ {
		switch {
		case quote == '"' && text[i] == '\\':
			i++
		case text[i] == quote && quote == '\'' && i+1 < len(text) && text[i+1] == quote:
			i++
		case text[i] == quote:
			return i + 1
		}
	}
	return len(text)
}
