package store

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/journal"
	"github.com/gabion-io/gabion/server/logs/logql"
)

// lossFile remembers what no file tells of any more: damage of the journal, which is cut with the next seal, and segments that
// were set aside. So queries say for as long as lines are kept what they have to do without.
const lossFile = "lost.json"

// leaveOut tells a query of which lines of its time nothing is left.
func (s *Store) leaveOut(ctx context.Context, q *logql.Query) {
	for _, d := range s.losses.All() {
		if d.To.UnixNano() < q.From || !d.From.IsZero() && d.From.UnixNano() >= q.To {
			continue
		}
		is, named := parseSpan(filepath.Base(d.File))
		if named && strings.HasPrefix(d.File, "long") && covered(&file{span: is}, s.short.all()) {
			continue // the short tier still has these lines
		}
		logql.LeaveOut(ctx, d.gap())
	}
}

// lose reports and remembers a loss.
func (s *Store) lose(d Damage) {
	// The journal tells of it again until it is cut.
	same := func(a, b Damage) bool { return a.File == b.File && a.Part == b.Part }
	if err := s.losses.Add(d, same); err != nil {
		s.options.Log.Warn("a loss of lines cannot be remembered: after a restart, queries do not tell of it", "error", err)
	}
	s.options.Damaged(d)
}

// setAside takes a segment out of a tier that cannot be read at all. Its lines came between the seals of the one before and
// its own: that is about their time.
func (s *Store) setAside(t *tier, path string, is span, cause error) error {
	sealed := time.Unix(is.sealed, 0).UTC()
	since := sealed.Add(-day)
	if filepath.Base(t.dir) == "long" {
		since = sealed.Add(-month)
	}
	if n := len(t.files); n > 0 {
		since = time.Unix(t.files[n-1].span.sealed, 0).UTC()
	}
	s.counts.damaged.Add(1)
	s.options.Log.Error("a segment of the logs cannot be read, and is set aside", "segment", path, "error", cause, "from", since, "sealed", sealed)
	s.lose(Damage{File: below(path), Part: "the whole file", From: since, To: sealed, Cause: cause.Error()})
	return os.Rename(path, path+".damaged")
}

// holes are damaged parts of the journal that nothing came behind yet. What is lost is about as old as the records before
// and behind it.
type holes struct {
	store        *Store
	found        []*journal.DamageError
	oldest, last int64 // of the record before
	any          bool  // there is one
}

// newHoles begins with what was sealed before the journal.
func newHoles(s *Store) *holes {
	h := &holes{store: s, last: math.MinInt64}
	if end := s.short.end(); end.last > 0 {
		h.any, h.oldest, h.last = true, end.sealed*1e9, end.sealed*1e9
	}
	return h
}

// damage takes what cannot be read.
func (h *holes) damage(d *journal.DamageError) {
	s := h.store
	s.counts.damaged.Add(1)
	s.counts.lostRecords.Add(d.Records)
	h.found = append(h.found, d)
}

// record takes what can be read, and reports what is missing between it and the record before.
func (h *holes) record(lines []entry.Entry) {
	if len(lines) == 0 {
		return
	}
	oldest, last := int64(math.MaxInt64), int64(math.MinInt64)
	for i := range lines {
		oldest, last = min(oldest, lines[i].Time), max(last, lines[i].Time)
	}
	h.until(oldest, last)
	h.any, h.oldest, h.last = true, oldest, last
}

// end reports what is missing at the end: it was written before the file was written for the last time.
func (h *holes) end() {
	if len(h.found) == 0 {
		return
	}
	at := h.store.options.Now()
	if info, err := os.Stat(h.found[len(h.found)-1].File); err == nil {
		at = info.ModTime()
	}
	h.until(at.UnixNano(), at.UnixNano())
}

// until reports what is missing before lines of these times.
func (h *holes) until(oldest, last int64) {
	from, to := time.Time{}, time.Unix(0, max(h.last, last)).UTC()
	if h.any {
		from = time.Unix(0, min(h.oldest, oldest)).UTC()
	}
	for _, d := range h.found {
		h.store.options.Log.Error("the journal of the logs is damaged", "file", d.File, "from", d.From, "to", d.To, "lost_records", d.Records,
			"cause", d.Cause, "lines_from", from, "lines_to", to)
		h.store.lose(Damage{
			File: below(d.File), Part: fmt.Sprintf("bytes %d to %d", d.From, d.To), Batches: d.Records, From: from, To: to, Cause: d.Cause,
		})
	}
	h.found = nil
}

// torn reports the end of a write that a crash interrupted.
func (s *Store) torn(t journal.Torn) {
	if t.File == "" {
		return
	}
	s.options.Log.Info("a write that a crash interrupted was cut", "file", t.File, "from", t.From, "to", t.To)
	s.options.Damaged(Damage{
		File: below(t.File), Part: fmt.Sprintf("bytes %d to %d", t.From, t.To), Torn: true, Cause: "a write was interrupted, and is cut",
	})
}
