package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gabion-io/gabion/server/logs/segment"
)

// scrubRate is how many bytes of segments are verified in a second: slowly enough that nobody notices.
const scrubRate = 64 << 20

// scrub verifies all segments once, the newest first: damage is to be known before somebody misses a line.
func (s *Store) scrub(ctx context.Context) {
	for _, t := range []*tier{s.short, s.long} {
		held := t.hold(func(*file) bool { return true })
		for _, f := range slices.Backward(held) {
			if ctx.Err() == nil {
				s.examine(ctx, f)
				select {
				case <-ctx.Done():
				case <-time.After(time.Duration(f.info.Bytes) * time.Second / scrubRate):
				}
			}
			s.release(f)
		}
	}
}

// examine verifies a segment and reports what is damaged.
func (s *Store) examine(ctx context.Context, f *file) {
	damaged, err := f.Verify(ctx)
	for _, d := range damaged {
		s.damage(f, d)
	}
	if err != nil && ctx.Err() == nil {
		s.counts.failures.Add(1)
		s.options.Log.Error("a segment of the logs cannot be verified", "segment", f.info.Path, "error", err)
	}
}

// damage reports damage of a segment, once for each part or row group. It is false when the error is none of damage.
func (s *Store) damage(f *file, err error) bool {
	d, ok := errors.AsType[*segment.DamageError](err)
	if !ok {
		return false
	}
	f.bad.Store(true)
	type part struct {
		path, part string
		row        int64
	}
	is := part{path: d.Path, part: d.Part}
	if d.Rows > 0 { // one column that is damaged takes the lines away, and so would the others
		is = part{path: d.Path, row: d.FirstRow}
	}
	if _, known := s.reported.LoadOrStore(is, struct{}{}); known {
		return true
	}
	s.counts.damaged.Add(1)
	s.counts.lostLines.Add(uint64(d.Rows))
	about := []any{"segment", d.Path, "part", d.Part, "cause", d.Err}
	if d.Rows > 0 {
		about = append(about, "first_row", d.FirstRow, "lost_lines", d.Rows, "from", time.Unix(0, d.MinTime).UTC(), "to", time.Unix(0, d.MaxTime).UTC(),
			"first_service", d.FirstService, "last_service", d.LastService)
	}
	s.options.Log.Error("a segment of the logs is damaged; what is whole is still found", about...)
	return true
}

// release lets go of a segment that was held.
func (s *Store) release(f *file) {
	if err := f.release(); err != nil {
		s.options.Log.Warn("closing a segment of the logs", "segment", f.info.Path, "error", err)
	}
}
