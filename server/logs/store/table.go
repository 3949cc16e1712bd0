package store

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/logql"
	"github.com/gabion-io/gabion/server/logs/segment"
)

// table has lines in memory, as they came. What was added is never changed, so who has a copy of the chunks may read them
// while others add.
type table struct {
	chunks [][]entry.Entry
	lines  int
	bytes  int
	since  time.Time // when the first of them came
}

func (t *table) add(lines []entry.Entry, bytes int, now time.Time) {
	if len(lines) == 0 {
		return
	}
	if t.lines == 0 {
		t.since = now
	}
	t.chunks = append(t.chunks, lines)
	t.lines += len(lines)
	t.bytes += bytes
}

// sizeOf is about how much memory lines take.
func sizeOf(lines []entry.Entry) (bytes int) {
	for i := range lines {
		bytes += lines[i].Size()
	}
	return bytes
}

func fill(e *entry.Entry) {
	for _, a := range e.Attrs {
		if n := len(a.Name); n < len("service") || n > len("instance") {
			continue
		}
		var field *string
		switch logql.LabelName(a.Name) {
		case "service":
			field = &e.Service
		case "instance":
			field = &e.Instance
		case "handler":
			field = &e.Handler
		case "trace_id":
			field = &e.Trace
		case "span_id":
			field = &e.Span
		default:
			continue
		}
		if *field == "" {
			*field = a.Value
		}
	}
}

// sorted are all lines in the order of a segment; of a condition, those for which it holds.
func (t *table) sorted(keep func(*entry.Entry) bool) []*entry.Entry {
	all := make([]*entry.Entry, 0, t.lines)
	for _, chunk := range t.chunks {
		for i := range chunk {
			if keep == nil || keep(&chunk[i]) {
				all = append(all, &chunk[i])
			}
		}
	}
	segment.Sort(all)
	return all
}

// matching gives the lines of chunks that a query wants.
func matching(chunks [][]entry.Entry, q *logql.Query) iter.Seq[*entry.Entry] {
	return func(yield func(*entry.Entry) bool) {
		for _, chunk := range chunks {
			for i := range chunk {
				if q.Match(&chunk[i]) && !yield(&chunk[i]) {
					return
				}
			}
		}
	}
}

// selected gives the lines of chunks that a query wants by time.
func selected(ctx context.Context, chunks [][]entry.Entry, q *logql.Query) iter.Seq2[*entry.Entry, error] {
	return func(yield func(*entry.Entry, error) bool) {
		found := slices.Collect(matching(chunks, q))
		slices.SortStableFunc(found, func(a, b *entry.Entry) int { return byTime(a, b, q.Forward) })
		for _, e := range found {
			if err := context.Cause(ctx); err != nil {
				yield(nil, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// byTime orders lines as a query wants them.
func byTime(a, b *entry.Entry, forward bool) int {
	switch {
	case a.Time == b.Time:
		return 0
	case (a.Time < b.Time) == forward:
		return -1
	}
	return 1
}
