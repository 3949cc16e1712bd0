package segment

import (
	"context"
	"fmt"
	"iter"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// Column is one that lines can be counted by.
type Column uint8

// The columns that have few different values.
const (
	ByService Column = iota
	ByHandler
	ByInstance
	ByLevel
)

func (c Column) of(e *entry.Entry) string {
	switch c {
	case ByHandler:
		return e.Handler
	case ByInstance:
		return e.Instance
	case ByLevel:
		return e.Level.String()
	}
	return e.Service
}

// Count is a number of lines. There may be several with the same value and bucket; they add up.
type Count struct {
	// Value is that of the column.
	Value string
	// Bucket is the place of the time in the query: 0 for the first step from Query.From on.
	Bucket int64
	Lines  int64
}

// Count counts the lines that a query wants by the value of a column and by time in steps of nanoseconds from q.From on; 0 is one step for all. It reads only the columns
// that it needs, so it is much faster than [File.Select], unless there is a Keep. Errors are as those of Select. The order means nothing.
func (f *File) Count(ctx context.Context, q Query, by Column, step int64) iter.Seq2[Count, error] {
	if q.Keep != nil {
		return f.countEach(ctx, q, by, step)
	}
	q.Columns, q.Terms = 0, nil // terms do not decide about a line
	return func(yield func(Count, error) bool) {
		s := scan{file: f, ctx: ctx, query: &q}
		for i := range f.head.groups {
			g := &f.head.groups[i]
			if !s.may(g) || !s.filtered(g) {
				continue
			}
			t, err := s.tally(g, by, step)
			if err != nil {
				if !yield(Count{}, err) || s.over() {
					return
				}
				continue
			}
			if !t.give(yield) {
				return
			}
		}
	}
}

// countEach looks at each line.
func (f *File) countEach(ctx context.Context, q Query, by Column, step int64) iter.Seq2[Count, error] {
	return func(yield func(Count, error) bool) {
		n := make(map[Count]int64)
		for e, err := range f.Select(ctx, q) {
			if err == nil {
				n[Count{Value: by.of(e), Bucket: bucket(e.Time, q.From, step)}]++
			} else if !yield(Count{}, err) {
				return
			}
		}
		for c, lines := range n {
			c.Lines = lines
			if !yield(c, nil) {
				return
			}
		}
	}
}

// bucket is the step in which a time lies. The difference may need all 64 bits.
func bucket(t, from, step int64) int64 {
	if step <= 0 {
		return 0
	}
	return int64((uint64(t) - uint64(from)) / uint64(step))
}

// tally are the counts of a row group: for each bucket, one for each of the values.
type tally struct {
	values []string
	counts map[int64][]int64
}

func (t *tally) bucket(n int64) []int64 {
	c := t.counts[n]
	if c == nil {
		c = make([]int64, len(t.values))
		t.counts[n] = c
	}
	return c
}

func (t *tally) give(yield func(Count, error) bool) bool {
	for at, counts := range t.counts {
		for i, n := range counts {
			if n > 0 && !yield(Count{Value: t.values[i], Bucket: at, Lines: n}, nil) {
				return false
			}
		}
	}
	return true
}

// tally counts the lines of a row group, from the sidecar when that knows it.
func (s *scan) tally(g *group, by Column, step int64) (*tally, error) {
	if err := s.ctx.Err(); err != nil {
		return nil, fmt.Errorf("segment: %w", err)
	}
	if t := s.tallied(g, by, step); t != nil {
		return t, nil
	}
	r, err := s.reader(g)
	if err != nil {
		return nil, err
	}
	q := s.query
	need := [...]need{ByService: needService, ByHandler: needHandler, ByInstance: needInstance, ByLevel: needLevel}[by]
	whole := g.minT >= q.From && !q.past(g.maxT)
	if !whole || bucket(g.minT, q.From, step) != bucket(g.maxT, q.From, step) {
		need |= needTime
	}
	b, err := newBlock(r, q, need)
	if b == nil {
		return &tally{}, s.damaged(g, err)
	}
	w := [...]*words{ByService: &b.service, ByHandler: &b.handler, ByInstance: &b.instance, ByLevel: &b.level}[by]
	t := &tally{values: w.values, counts: make(map[int64][]int64)}
	if need&needTime == 0 {
		t.count(b.rows, w, bucket(g.minT, q.From, step))
	} else {
		t.split(b, w, q.From, step)
	}
	return t, nil
}

// count counts rows of one bucket.
func (t *tally) count(rows []int32, w *words, at int64) {
	counts := t.bucket(at)
	for _, row := range rows {
		counts[w.index[row]]++
	}
}

// split counts rows by their time. Mostly the next one is in the same bucket.
func (t *tally) split(b *block, w *words, from, step int64) {
	for rows := b.rows; len(rows) > 0; {
		at, n := bucket(b.time[rows[0]], from, step), 1
		if step <= 0 {
			n = len(rows)
		} else {
			start := uint64(from) + uint64(at)*uint64(step)
			for n < len(rows) && uint64(b.time[rows[n]])-start < uint64(step) {
				n++
			}
		}
		t.count(rows[:n], w, at)
		rows = rows[n:]
	}
}
