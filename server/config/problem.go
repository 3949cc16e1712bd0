package config

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration, told so that a person can put it right.
type Problem struct {
	// Source is the name of the file, "environment variable NAME" or "flag NAME".
	Source string `json:"source"`
	// Line and Column are where it stands, counted from 1; columns in characters.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Path is the key, such as "services.catalog.timeout.total". It is empty for a file that is not valid YAML.
	Path string `json:"path,omitempty"`
	// Message says what is wrong.
	Message string `json:"message"`
	// Allowed says what would be right. May be empty.
	Allowed string `json:"allowed,omitempty"`
	// Suggestion is what was probably meant. May be empty.
	Suggestion string `json:"suggestion,omitempty"`
	// Excerpt is the line it stands in, and Carets marks the exact place below it.
	Excerpt string `json:"excerpt,omitempty"`
	Carets  string `json:"carets,omitempty"`

	at place
}

// String tells the problem in up to five lines, without a final newline.
func (p Problem) String() string {
	var b strings.Builder
	if p.at.src == nil || p.at.src.kind == OriginFile {
		fmt.Fprintf(&b, "%s:%d:%d: ", p.Source, p.Line, p.Column)
	} else {
		fmt.Fprintf(&b, "%s: ", p.Source)
	}
	b.WriteString(p.Message)
	if p.Excerpt != "" {
		gutter := ""
		if p.at.src == nil || p.at.src.kind == OriginFile {
			gutter = itoa(p.Line)
		}
		fmt.Fprintf(&b, "\n  %4s | %s\n       | %s", gutter, p.Excerpt, p.Carets)
	}
	if p.Suggestion != "" {
		fmt.Fprintf(&b, "\n  did you mean %s?", p.Suggestion)
	}
	if p.Allowed != "" {
		fmt.Fprintf(&b, "\n  allowed: %s", p.Allowed)
	}
	return b.String()
}

// Problems is the error of a configuration that was read and found wrong: everything that is, in the order of the
// file.
type Problems []Problem //nolint:errname // it is a list of problems before it is an error

// Error tells all problems, with an empty line between two.
func (p Problems) Error() string {
	all := make([]string, len(p))
	for i := range p {
		all[i] = p[i].String()
	}
	return strings.Join(all, "\n\n")
}

// maxProblems bounds how many problems are told. Beyond it, the file is something else than a configuration.
const maxProblems = 100

// report gathers problems.
type report struct{ problems []*Problem }

// add notes a problem at a place. The returned problem may be completed.
func (r *report) add(at place, path, format string, args ...any) *Problem {
	p := &Problem{
		Source: at.src.title(), Line: at.line, Column: at.col, Path: path,
		Message: fmt.Sprintf(format, args...), at: at,
	}
	if len(r.problems) <= 10*maxProblems {
		r.problems = append(r.problems, p)
	}
	return p
}

// allow says what would be right.
func (p *Problem) allow(choices ...string) *Problem {
	p.Allowed = strings.Join(choices, ", ")
	return p
}

// suggest looks for what was probably meant by got.
func (p *Problem) suggest(got string, choices []string) *Problem {
	if best := nearest(got, choices); best != "" {
		p.Suggestion = fmt.Sprintf("%q", best)
	}
	return p
}

// found returns the problems in order, each once.
func (r *report) found() Problems {
	slices.SortStableFunc(r.problems, func(a, b *Problem) int { return a.at.compare(b.at) })
	var all Problems
	for i, p := range r.problems {
		if i > 0 && p.at == r.problems[i-1].at && p.Message == r.problems[i-1].Message {
			continue
		}
		p.Excerpt, p.Carets = p.at.excerpt()
		if len(all) == maxProblems {
			all[maxProblems-1].Message += fmt.Sprintf(" (and at least %d more problems)", len(r.problems)-i)
			break
		}
		all = append(all, *p)
	}
	return all
}

// title is what the source is called in a problem.
func (s *source) title() string {
	switch s.kind {
	case OriginEnv:
		return "environment variable " + s.name
	case OriginFlag:
		return "flag " + s.name
	default:
		return s.name
	}
}
