package store

import (
	"context"
	"iter"
	"slices"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/logql"
	"github.com/gabion-io/gabion/server/logs/segment"
)

// columnOf are the labels by which segments count.
var columnOf = map[string]segment.Column{
	"service": segment.ByService, "handler": segment.ByHandler, "instance": segment.ByInstance, "level": segment.ByLevel,
}

// Count implements [logql.Counter]: by at most one label, and when the matchers are about columns alone.
func (s *Store) Count(ctx context.Context, q logql.Query, by []string, width int64) (iter.Seq2[logql.Count, error], bool) {
	column := segment.ByLevel // one that is always there
	if len(by) == 1 {
		var ok bool
		if column, ok = columnOf[by[0]]; !ok {
			return nil, false
		}
	}
	if len(by) > 1 || slices.ContainsFunc(q.Matchers, func(m *logql.Matcher) bool { return !inColumn(m.Name) }) {
		return nil, false
	}
	q.Fields = 0
	return func(yield func(logql.Count, error) bool) {
		v := s.view(q.From, q.To)
		defer s.close(v)
		for c, err := range s.counted(ctx, v, &q, column, width) {
			count := logql.Count{Bucket: int(c.Bucket), Lines: c.Lines}
			if len(by) == 1 {
				count.Values = []string{c.Value}
			}
			if !yield(count, err) {
				return
			}
		}
	}, true
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
				if err != nil && s.damage(f, err) {
					continue
				}
				if !yield(c, err) {
					return
				}
			}
		}
	}
}

func countTables(tables [][][]entry.Entry, q *logql.Query, by segment.Column, width int64) map[segment.Count]int64 {
	n := map[segment.Count]int64{}
	for _, chunks := range tables {
		for e := range matching(chunks, q) {
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
