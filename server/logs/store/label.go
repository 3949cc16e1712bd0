package store

import (
	"context"
	"maps"
	"slices"

	"github.com/gabion-io/gabion/server/logs/logql"
	"github.com/gabion-io/gabion/server/logs/loki"
)

// Names implements [loki.Labels]: the newest lines are looked at.
func (s *Store) Names(ctx context.Context, q logql.Query) ([]string, error) {
	return loki.Scan{Source: s}.Names(ctx, q)
}

// Values implements [loki.Labels]: all values of the labels of streams; of others, those of the newest lines.
func (s *Store) Values(ctx context.Context, q logql.Query, name string) ([]string, error) {
	counts, ok := s.Count(ctx, q, []string{name}, 0)
	if !ok {
		return loki.Scan{Source: s}.Values(ctx, q, name)
	}
	found := map[string]struct{}{}
	for c, err := range counts {
		if err != nil {
			return nil, err
		}
		if c.Values[0] != "" {
			found[c.Values[0]] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// Series implements [loki.Labels]: the newest lines are looked at.
func (s *Store) Series(ctx context.Context, q logql.Query) ([]logql.Labels, error) {
	return loki.Scan{Source: s}.Series(ctx, q)
}

// Stats implements [loki.Labels]: what is in segments that have lines of the time counts wholly.
func (s *Store) Stats(ctx context.Context, q logql.Query) (loki.Stats, error) {
	v := s.view(q.From, q.To)
	defer s.close(v)
	var stats loki.Stats
	for c, err := range s.counted(ctx, v, &logql.Query{From: q.From, To: q.To, Matchers: q.Matchers, Levels: q.Levels}, columnOf["service"], 0) {
		if err != nil {
			return loki.Stats{}, err
		}
		stats.Entries += c.Lines
	}
	for _, f := range v.files {
		stats.Bytes += f.info.Bytes
	}
	stats.Chunks = int64(len(v.files) + len(v.tables))
	series, err := s.Series(ctx, q)
	stats.Streams = int64(len(series))
	return stats, err
}
