package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/gabion-io/gabion/server/logs/logql"
	"github.com/gabion-io/gabion/server/logs/segment"
)

// Damage is a part of the journal or of a segment that cannot be read, or was not written to its end.
type Damage struct {
	// File is its path below the directory of the store, which begins with short, long or journal. Part is what of it, such as
	// "column msg" or "bytes 120 to 340".
	File string `json:"file"`
	Part string `json:"part"`
	// Lines is how many lines are lost, or Batches how many batches of them at least; of a whole file, and of what a crash
	// left, neither is known.
	Lines   int64  `json:"lines,omitempty"`
	Batches uint64 `json:"batches,omitempty"`
	// From and To are the times of the oldest and the newest of these lines. Where lines themselves cannot tell, they are
	// those of what came before and after. Both are zero when no line is lost, From when nothing came before.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// Torn says that it is the end of a write that was interrupted, as a crash does it: nobody was told that these lines are
	// kept. But a disk that has lost what came last looks the same.
	Torn bool `json:"torn,omitempty"`
	// Cause is why it cannot be read.
	Cause string `json:"cause"`
}

// Join adds damage of the same file.
func (d *Damage) Join(other Damage) {
	d.Lines += other.Lines
	d.Batches += other.Batches
	if d.To.IsZero() || !other.To.IsZero() && other.From.Before(d.From) {
		d.From = other.From
	}
	if other.To.After(d.To) {
		d.To = other.To
	}
}

// String says what is lost, and why.
func (d Damage) String() string {
	lost := "lines lost: none"
	switch {
	case d.Torn:
		lost = "lines lost: none that anybody was told are kept, unless the disk has lost them"
	case d.Lines > 0:
		lost = fmt.Sprintf("lines lost: %d", d.Lines)
	case d.Batches > 0:
		lost = fmt.Sprintf("batches of lines lost: %d", d.Batches)
	case !d.To.IsZero():
		lost = "lines lost: all"
	}
	return fmt.Sprintf("%s (%s: %s)", lost, d.Part, d.Cause)
}

// gap is the damage as queries tell it.
func (d *Damage) gap() logql.Gap {
	return logql.Gap{File: d.File, Part: d.Part, From: d.From, To: d.To, Lines: d.Lines}
}

// below is the path of a file of a tier or of the journal, below the directory of the store.
func below(path string) string {
	return filepath.Join(filepath.Base(filepath.Dir(path)), filepath.Base(path))
}

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
		s.damage(ctx, f, d)
	}
	if err != nil && ctx.Err() == nil {
		s.counts.failures.Add(1)
		s.options.Log.Error("a segment of the logs cannot be verified", "segment", f.info.Path, "error", err)
	}
}

// damage tells a query what it has to do without, and reports damage of a segment, once for each part or row group. It is
// false when the error is none of damage.
func (s *Store) damage(ctx context.Context, f *file, err error) bool {
	d, ok := errors.AsType[*segment.DamageError](err)
	if !ok {
		return false
	}
	f.bad.Store(true)
	is := Damage{File: below(d.Path), Part: d.Part, Lines: d.Rows, Cause: fmt.Sprint(d.Err)}
	key := [2]string{is.File, is.Part}
	about := []any{"segment", d.Path, "part", d.Part, "cause", d.Err}
	if d.Rows > 0 {
		is.From, is.To = time.Unix(0, d.MinTime).UTC(), time.Unix(0, d.MaxTime).UTC()
		about = append(about, "first_row", d.FirstRow, "lost_lines", d.Rows, "from", is.From, "to", is.To,
			"first_service", d.FirstService, "last_service", d.LastService)
		// One column that is damaged takes the lines away, and so would the others.
		key[1] = "row " + strconv.FormatInt(d.FirstRow, 10)
		gap := is.gap()
		gap.Part = key[1]
		logql.LeaveOut(ctx, gap)
	}
	if _, known := s.reported.LoadOrStore(key, struct{}{}); known {
		return true
	}
	s.counts.damaged.Add(1)
	s.counts.lostLines.Add(uint64(d.Rows))
	s.options.Log.Error("a segment of the logs is damaged; what is whole is still found", about...)
	s.options.Damaged(is)
	return true
}

// release lets go of a segment that was held.
func (s *Store) release(f *file) {
	if err := f.release(); err != nil {
		s.options.Log.Warn("closing a segment of the logs", "segment", f.info.Path, "error", err)
	}
}
