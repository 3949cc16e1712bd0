package logql

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// memory is a source of entries that are sorted by time. It prunes by words, levels and matchers, as a store does, and gives others in addition when
// loose is set.
type memory struct {
	Live
	entries []*entry.Entry
	loose   bool
	asked   []Query
	fail    error
}

func (m *memory) Select(ctx context.Context, q Query) iter.Seq2[*entry.Entry, error] {
	m.asked = append(m.asked, q)
	return func(yield func(*entry.Entry, error) bool) {
		list := slices.Clone(m.entries)
		if !q.Forward {
			slices.Reverse(list)
		}
		for _, e := range list {
			if ctx.Err() != nil {
				return
			}
			if !m.loose && (!q.Match(e) || !hasWords(e.Message, q.Terms)) {
				continue
			}
			if !yield(blank(e, q.Fields), nil) {
				return
			}
		}
		if m.fail != nil {
			yield(nil, m.fail)
		}
	}
}

var errDisk = errors.New("the disk is gone")

func hasWords(text string, terms []string) bool {
	words := slices.Collect(entry.Words(text))
	return !slices.ContainsFunc(terms, func(t string) bool { return !slices.Contains(words, t) })
}

// blank leaves out what was not asked for, so that a query that asked for too little is found.
func blank(e *entry.Entry, f Fields) *entry.Entry {
	out := *e
	if f&Message == 0 {
		out.Message = "not asked for"
	}
	if f&IDs == 0 {
		out.Trace, out.Span = "", ""
	}
	if f&Attrs == 0 {
		out.Attrs = nil
	}
	return &out
}

// parseEntry reads: seconds level service handler trace name=value … | message.
func parseEntry(line string, number func(string) int64) *entry.Entry {
	head, message, _ := strings.Cut(line, " | ")
	words := strings.Fields(head)
	e := &entry.Entry{Time: number(words[0]), Level: entry.ParseLevel(words[1]), Message: message}
	for _, w := range words[2:] {
		name, v, _ := strings.Cut(w, "=")
		switch name {
		case "service":
			e.Service = v
		case "instance":
			e.Instance = v
		case "handler":
			e.Handler = v
		case "trace":
			e.Trace = v
		default:
			e.Attrs = append(e.Attrs, entry.Attr{Name: name, Value: v})
		}
	}
	return e
}

// counting is a source that counts by itself, the newest lines first.
type counting struct {
	*memory
	counted int
	able    bool
}

func (c *counting) Count(_ context.Context, q Query, by []string, width int64) (iter.Seq2[Count, error], bool) {
	if !c.able {
		return nil, false
	}
	c.counted++
	return func(yield func(Count, error) bool) {
		for _, e := range slices.Backward(c.entries) {
			if !q.Match(e) {
				continue
			}
			n := Count{Bucket: int((e.Time - q.From) / width), Lines: 1}
			for _, name := range by {
				n.Values = append(n.Values, Lookup(e, name))
			}
			if !yield(n, nil) {
				return
			}
		}
		if c.fail != nil {
			yield(Count{}, c.fail)
		}
	}, true
}
