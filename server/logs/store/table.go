package store

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/internal/packed"
	"github.com/gabion-io/gabion/server/logs/logql"
)

// table has lines in memory, as they came. What was added is never changed, so who has a copy of the chunks may read them
// while others add.
type table struct {
	chunks []*packed.Lines
	lines  int
	bytes  int
	since  time.Time // when the first of them came
}

func (t *table) add(lines *packed.Lines, now time.Time) {
	if lines.Len() == 0 {
		return
	}
	if t.lines == 0 {
		t.since = now
	}
	t.chunks = append(t.chunks, lines)
	t.lines += lines.Len()
	t.bytes += lines.Size()
}

// pack copies lines. Those that the long tier keeps are marked.
func (s *Store) pack(lines []entry.Entry) *packed.Lines {
	return packed.Pack(lines, func(e *entry.Entry) bool {
		fill(e)
		return s.where.Holds(e)
	})
}

// fill gives a line with an attribute of the name of a field that is empty that attribute in the field as well: queries take it for the label, and the
// columns of segments must know it.
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

// read gives the lines at these places. A line is not kept after the next one.
func read(chunks []*packed.Lines, places []place) iter.Seq[*entry.Entry] {
	return func(yield func(*entry.Entry) bool) {
		var r packed.Reader
		var e entry.Entry
		for _, p := range places {
			r.Read(chunks[p.chunk], int(p.line), &e)
			if !yield(&e) {
				return
			}
		}
	}
}

// matching gives the lines of chunks that a query wants, and where they are. A line is not kept after the next one.
func matching(chunks []*packed.Lines, q *logql.Query) iter.Seq2[place, *entry.Entry] {
	return func(yield func(place, *entry.Entry) bool) {
		var r packed.Reader
		var e entry.Entry
		for c, chunk := range chunks {
			for i := range chunk.Len() {
				at := chunk.Time(i)
				if at < q.From || at >= q.To || !q.Levels.Has(chunk.Level(i)) {
					continue
				}
				r.Read(chunk, i, &e)
				if q.Match(&e) && !yield(place{at, uint32(c), uint32(i)}, &e) {
					return
				}
			}
		}
	}
}

// selected gives the lines of chunks that a query wants by time.
func selected(ctx context.Context, chunks []*packed.Lines, q *logql.Query) iter.Seq2[*entry.Entry, error] {
	return func(yield func(*entry.Entry, error) bool) {
		var found []place
		for at := range matching(chunks, q) {
			found = append(found, at)
		}
		slices.SortStableFunc(found, func(a, b place) int {
			if q.Forward {
				return earlier(a, b)
			}
			return earlier(b, a)
		})
		for e := range read(chunks, found) {
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
