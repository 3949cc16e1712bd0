package logql

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// plan tells the source what can be left out: times, labels, levels and words.
func plan(e *LogExpr, from, to int64) Query {
	q := Query{From: from, To: to, Matchers: slices.Clone(e.Matchers), Fields: AllFields}
	raw := true // the text is still that of the entry
	labels := true
	for _, s := range e.Stages {
		switch s := s.(type) {
		case *LineFilter:
			if raw && s.Op == "|=" && len(s.Texts) == 1 {
				q.Terms = append(q.Terms, terms(s.Texts[0])...)
			}
		case *LabelFilter:
			if labels {
				q.Matchers = append(q.Matchers, conjuncts(s.Condition)...)
			}
		case *LineFormat:
			raw = false
			labels = false // a template that fails sets __error__
		default:
			labels = false
		}
	}
	slices.Sort(q.Terms)
	q.Terms = slices.Compact(q.Terms)
	q.Levels = levels(q.Matchers)
	return q
}

// conjuncts are the comparisons of text that must all hold, but for labels that [Lookup] does not know.
func conjuncts(c Condition) []*Matcher {
	switch c := c.(type) {
	case *TextCondition:
		if c.Matcher.Name != errorLabel && c.Matcher.Name != detailLabel && !strings.HasSuffix(c.Matcher.Name, "_extracted") {
			return []*Matcher{c.Matcher}
		}
	case *BoolCondition:
		if c.Op == "and" {
			return append(conjuncts(c.Left), conjuncts(c.Right)...)
		}
	}
	return nil
}

// levels are those that the matchers allow.
func levels(matchers []*Matcher) LevelSet {
	set := AllLevels
	for _, m := range matchers {
		if cmp.Or(aliases[m.Name], m.Name) != "level" {
			continue
		}
		for l := entry.Unknown; l <= entry.Fatal; l++ {
			if !m.Match(l.String()) {
				set &^= 1 << l
			}
		}
	}
	return set
}

// terms are the whole words of a text that is looked for. What stands first or last may be a part of a word in the line, unless something stands
// before or after it.
func terms(text string) []string {
	first := strings.IndexFunc(text, func(r rune) bool { return r < 0x80 && !entry.WordByte(byte(r)) })
	last := strings.LastIndexFunc(text, func(r rune) bool { return r < 0x80 && !entry.WordByte(byte(r)) })
	if first < 0 || first == last {
		return nil
	}
	return slices.Collect(entry.Words(text[first:last]))
}

// ofTheStream reports whether a label is one of those that tell the stream.
func ofTheStream(name string) bool {
	switch cmp.Or(aliases[name], name) {
	case "service", "instance", "handler", "level":
		return true
	}
	return false
}

// wanted are the fields that a metric query looks at. names are the labels that stand anywhere in it.
func wanted(e *RangeExpr, names map[string]bool) Fields {
	var want Fields
	if strings.HasPrefix(e.Op, "bytes") {
		want |= Message
	}
	need := func(name string) {
		switch {
		case ofTheStream(name), name == errorLabel, name == detailLabel:
		case name == "trace_id", name == "span_id":
			want |= IDs
		default:
			want |= Attrs
		}
	}
	for name := range names {
		need(name)
	}
	for _, m := range e.Log.Matchers {
		need(m.Name)
	}
	for _, s := range e.Log.Stages {
		switch s := s.(type) {
		case *LineFilter:
			want |= Message
		case *LabelFilter:
			conditionNames(s.Condition, need)
		case *Unwrap:
			need(s.Label)
		case *Drop: // what is not there need not be dropped
		default:
			return AllFields
		}
	}
	return want
}

func conditionNames(c Condition, give func(string)) {
	switch c := c.(type) {
	case *BoolCondition:
		conditionNames(c.Left, give)
		conditionNames(c.Right, give)
	case *TextCondition:
		give(c.Matcher.Name)
	case *ValueCondition:
		give(c.Label)
	}
}
