package logql

import (
	"errors"
	"strings"
)

// pattern is literals with captures between them, such as <ip> - <_> "<method> <path>".
type pattern struct {
	parts []part
}

// part is a capture or a literal. The name of an unnamed capture is "_".
type part struct{ name, literal string }

// compilePattern reads a pattern; names asks for captures with names, else only <_> is one.
func compilePattern(s string, names bool) (*pattern, error) {
	p := &pattern{}
	named := false
	for s != "" {
		name, start, end := capture(s, names)
		if start > 0 {
			p.parts = append(p.parts, part{literal: s[:start]})
		}
		if name != "" {
			if n := len(p.parts); n > 0 && p.parts[n-1].name != "" {
				return nil, errors.New("a pattern with two captures side by side, expected a text between them")
			}
			p.parts = append(p.parts, part{name: name})
			named = named || name != "_"
		}
		s = s[end:]
	}
	switch {
	case len(p.parts) == 0:
		return nil, errors.New("an empty pattern")
	case names && !named:
		return nil, errors.New("a pattern without a named capture, expected one such as <path>")
	}
	return p, nil
}

// capture finds the first capture: its name, where it starts and where it ends. Without one, start and end are the end of the text.
func capture(s string, names bool) (name string, start, end int) {
	for i := 0; i < len(s); i++ {
		if s[i] != '<' {
			continue
		}
		n := nameEnd(s[i+1:])
		if n > 0 && i+1+n < len(s) && s[i+1+n] == '>' && letter(s[i+1]) && (names || s[i+1:i+1+n] == "_") {
			return s[i+1 : i+1+n], i, i + n + 2
		}
	}
	return "", len(s), len(s)
}

// match reports whether the pattern occurs: what stands first or last need not be at the start or the end of the line.
func (p *pattern) match(line string) bool {
	for _, part := range p.parts {
		if part.literal == "" {
			continue
		}
		i := strings.Index(line, part.literal)
		if i < 0 {
			return false
		}
		line = line[i+len(part.literal):]
	}
	return true
}

// extract gives what the captures take: each up to the first place of the text after it. It stops where the line does not go on as the pattern does.
func (p *pattern) extract(line string, give func(name, value string)) {
	for i, part := range p.parts {
		if part.name == "" {
			if !strings.HasPrefix(line, part.literal) {
				return
			}
			line = line[len(part.literal):]
			continue
		}
		end := len(line)
		if i+1 < len(p.parts) {
			if end = strings.Index(line, p.parts[i+1].literal); end < 0 {
				return
			}
		}
		if part.name != "_" {
			give(part.name, line[:end])
		}
		line = line[end:]
	}
}

func (s *Pattern) compile() (step, error) {
	p, err := compilePattern(s.Pattern, true)
	if err != nil {
		return nil, err
	}
	return func(r *record) bool {
		p.extract(r.text, r.extract)
		return true
	}, nil
}

func (s *Regexp) compile() (step, error) {
	re, err := compileRegexp(s.Regexp)
	if err != nil {
		return nil, err
	}
	names := re.SubexpNames()
	named := false
	for _, n := range names {
		if n != "" && LabelName(n) != n {
			return nil, errors.New("a regular expression with the group " + n + ", which cannot be the name of a label")
		}
		named = named || n != ""
	}
	if !named {
		return nil, errors.New("a regular expression without a named group, expected one such as (?P<path>…)")
	}
	return func(r *record) bool {
		found := re.FindStringSubmatchIndex(r.text)
		for i := 1; 2*i < len(found); i++ {
			if names[i] != "" && found[2*i] >= 0 {
				r.extract(names[i], r.text[found[2*i]:found[2*i+1]])
			}
		}
		return true
	}, nil
}
