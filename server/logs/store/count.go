package store

import (
	"context"
	"iter"
	"slices"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/internal/packed"
	"github.com/gabion-io/gabion/server/logs/logql"
	"github.com/gabion-io/gabion/server/logs/segment"
)

// columnOf are the labels by which segments count.
var columnOf = map[string]segment.Column{
	"service": segment.ByService, "handler": segment.ByHandler, "instance": segment.ByInstance, "level": segment.ByLevel,
}

// counting is how lines are counted: by a column and, when split, by level as well.
type counting struct {
	by     []string
	column segment.Column
	split  bool
}

// countingBy is false when segments cannot count by these labels: they can by one, or by one and the level.
func countingBy(by []string) (c counting, ok bool) {
	c = counting{by: by, column: segment.ByLevel} // a column that is always there
	others := by
	if len(by) == 2 {
		others = slices.DeleteFunc(slices.Clone(by), func(label string) bool { return label == "level" })
		c.split = true
	}
	if len(others) > 1 || len(by) == 2 && len(others) == 0 {
		return c, false
	}
	if len(others) == 1 {
		c.column, ok = columnOf[others[0]]
		return c, ok
	}
	return c, true
}

// values are those of a count, in the order of the labels.
func (c counting) values(value string, level entry.Level) []string {
	var list []string
	for _, label := range c.by {
		if c.split && label == "level" {
			list = append(list, level.String())
		} else {
			list = append(list, value)
		}
	}
	return list
}

// Count implements [logql.Counter]: by at most one label, or one and the level, and when the matchers are about columns alone.
func (s *Store) Count(ctx context.Context, q logql.Query, by []string, width int64) (iter.Seq2[logql.Count, error], bool) {
	c, ok := countingBy(by)
	if !ok || slices.ContainsFunc(q.Matchers, func(m *logql.Matcher) bool { return !inColumn(m.Name) }) {
		return nil, false
	}
	q.Fields = 0
	return func(yield func(logql.Count, error) bool) {
		done, err := s.read(ctx)
		if err != nil {
			yield(logql.Count{}, err)
			return
		}
		defer done()
		v := s.view(q.From, q.To)
		defer s.close(v)
		s.leaveOut(ctx, &q)
		if !c.split {
			s.countInto(ctx, v, q, c, entry.Unknown, width, yield)
			return
		}
		all := q.Levels
		for level := entry.Unknown; level <= entry.Fatal; level++ {
			q.Levels = 1 << level
			if all.Has(level) && !s.countInto(ctx, v, q, c, level, width, yield) {
				return
			}
		}
	}, true
}

// countInto gives the counts of a view; false when no more are wanted.
func (s *Store) countInto(ctx context.Context, v view, q logql.Query, by counting, level entry.Level, width int64, yield func(logql.Count, error) bool) bool {
	for c, err := range s.counted(ctx, v, &q, by.column, width) {
		if !yield(logql.Count{Values: by.values(c.Value, level), Bucket: int(c.Bucket), Lines: c.Lines}, err) {
			return false
		}
	}
	return true
}

// counted counts the lines of a view.
func (s *Store) counted(ctx context.Context, v view, q *logql.Query, by segment.Column, width int64) iter.Seq2[segment.Count, error] {
	return func(yield func(segment.Count, error) bool) {
		for c, n := range countTables(v.tables, q, by, width) {
			c.Lines = n
			if !yield(c, nil) {
				return
			}
		}
		want, possible := translate(q)
		if !possible {
			return
		}
		for _, f := range v.files {
			for c, err := range f.Count(ctx, want, by, width) {
				if err != nil && s.damage(ctx, f, err) {
					continue
				}
				if !yield(c, err) {
					return
				}
			}
		}
	}
}

func countTables(tables [][]*packed.Lines, q *logql.Query, by segment.Column, width int64) map[segment.Count]int64 {
	n := map[segment.Count]int64{}
	for _, chunks := range tables {
		for _, e := range matching(chunks, q) {
			c := segment.Count{Value: valueOf(e, by)}
			if width > 0 {
				c.Bucket = (e.Time - q.From) / width
			}
			n[c]++
		}
	}
	return n
}

func valueOf(e *entry.Entry, by segment.Column) string {
	switch by {
	case segment.ByHandler:
		return e.Handler
	case segment.ByInstance:
		return e.Instance
	case segment.ByLevel:
		return e.Level.String()
	}
	return e.Service
}
