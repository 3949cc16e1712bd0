package store

import (
	"cmp"
	"context"
	"iter"
	"math"
	"slices"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/internal/packed"
	"github.com/gabion-io/gabion/server/logs/logql"
	"github.com/gabion-io/gabion/server/logs/segment"
)

// view is what a query looks at: the store as it is at one moment.
type view struct {
	tables [][]*packed.Lines // chunks, the older ones first
	files  []*file           // held
}

// covered says whether one of the segments, which are those of the short tier, has lines of the same seals.
func covered(f *file, short []*file) bool {
	at, _ := slices.BinarySearchFunc(short, f.span.first, func(o *file, first uint64) int { return cmp.Compare(o.span.last, first) })
	return at < len(short) && short[at].span.first <= f.span.last
}

// read waits until there are not too many who read; false when the context ended first. done is called at the end.
func (s *Store) read(ctx context.Context) (done func(), err error) {
	select {
	case s.slots <- struct{}{}:
		return func() { <-s.slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// view holds what has lines of this time.
func (s *Store) view(from, to int64) view {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var v view
	for _, t := range []*table{s.sealing, s.active} {
		if t != nil && t.lines > 0 {
			v.tables = append(v.tables, slices.Clip(t.chunks))
		}
	}
	inTime := func(f *file) bool { return f.info.MaxTime >= from && (f.info.MinTime < to || to == math.MaxInt64) }
	var all []*file
	v.files = s.short.hold(func(f *file) bool { all = append(all, f); return inTime(f) })
	v.files = append(v.files, s.long.hold(func(f *file) bool { return inTime(f) && !covered(f, all) })...)
	return v
}

func (s *Store) close(v view) {
	for _, f := range v.files {
		s.release(f)
	}
}

// Select implements [logql.Source]. What is damaged is left out, and reported; see
// [logql.LeaveOut].
func (s *Store) Select(ctx context.Context, q logql.Query) iter.Seq2[*entry.Entry, error] {
	return func(yield func(*entry.Entry, error) bool) {
		done, err := s.read(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		defer done()
		v := s.view(q.From, q.To)
		defer s.close(v)
		s.leaveOut(ctx, &q)
		want, possible := translate(&q)
		var sources []source
		for _, chunks := range v.tables {
			sources = append(sources, source{start: math.MinInt64, lines: selected(ctx, chunks, &q)})
		}
		for _, f := range v.files {
			if !possible {
				continue
			}
			start := f.info.MinTime
			if !q.Forward {
				start = -f.info.MaxTime
			}
			sources = append(sources, source{start: start, lines: s.whole(ctx, f, f.Select(ctx, want))})
		}
		inTurn(sources, q.Forward)(yield)
	}
}

// whole leaves damage out, and reports it.
func (s *Store) whole(ctx context.Context, f *file, lines iter.Seq2[*entry.Entry, error]) iter.Seq2[*entry.Entry, error] {
	return func(yield func(*entry.Entry, error) bool) {
		for e, err := range lines {
			if err != nil && s.damage(ctx, f, err) {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// translate makes the query of a segment. It is false when no line of a segment can match.
func translate(q *logql.Query) (segment.Query, bool) {
	want := segment.Query{From: q.From, To: q.To, Newest: !q.Forward, Levels: segment.Levels(q.Levels), Terms: q.Terms, Columns: columns(q.Fields)}
	others := false
	for _, m := range q.Matchers {
		if m.Name == "level" || m.Name == "detected_level" {
			want.Levels &= levels(m)
		}
	}
	if want.Levels == 0 {
		return want, false
	}
	for name, column := range map[string]*segment.Match{
		"service": &want.Service, "instance": &want.Instance, "handler": &want.Handler, "trace_id": &want.Trace,
	} {
		*column = match(q.Matchers, name)
	}
	for _, m := range q.Matchers {
		others = others || !inColumn(m.Name)
	}
	if others {
		want.Keep = q.Match
	}
	return want, true
}

// levels are those that a matcher wants.
func levels(m *logql.Matcher) (set segment.Levels) {
	for l := entry.Unknown; l <= entry.Fatal; l++ {
		if m.Match(l.String()) {
			set |= segment.LevelSet(l)
		}
	}
	return set
}

func columns(fields logql.Fields) (c segment.Columns) {
	for field, column := range map[logql.Fields]segment.Columns{logql.Message: segment.Message, logql.IDs: segment.IDs, logql.Attrs: segment.Attrs} {
		if fields&field != 0 {
			c |= column
		}
	}
	return c
}

// inColumn says whether a segment can answer for a label without giving lines.
func inColumn(label string) bool {
	switch label {
	case "service", "service_name", "instance", "handler", "level", "detected_level":
		return true
	}
	return false
}

// match is what the matchers of a label want of its column.
func match(all []*logql.Matcher, label string) segment.Match {
	var of []*logql.Matcher
	for _, m := range all {
		if m.Name == label || label == "service" && m.Name == "service_name" {
			of = append(of, m)
		}
	}
	if len(of) == 0 {
		return segment.Match{}
	}
	if len(of) == 1 && of[0].Op == "=" {
		return segment.Is(of[0].Value)
	}
	return segment.Where(func(value string) bool {
		return !slices.ContainsFunc(of, func(m *logql.Matcher) bool { return !m.Match(value) })
	})
}

// source gives lines by time.
type source struct {
	start int64 // not after the first of them, in the order of the query
	lines iter.Seq2[*entry.Entry, error]
}

// running is a source that has begun, and its next line.
type running struct {
	head *entry.Entry
	next func() (*entry.Entry, error, bool)
	stop func()
}

// inTurn gives the lines of all sources by time. A source is begun when its time comes, so who stops early has read little.
func inTurn(sources []source, forward bool) iter.Seq2[*entry.Entry, error] {
	slices.SortStableFunc(sources, func(a, b source) int { return cmp.Compare(a.start, b.start) })
	return func(yield func(*entry.Entry, error) bool) {
		if len(sources) == 1 {
			sources[0].lines(yield)
			return
		}
		var open []*running
		defer func() {
			for _, r := range open {
				r.stop()
			}
		}()
		for {
			for len(sources) > 0 && (len(open) == 0 || sources[0].start <= key(first(open, forward).head, forward)) {
				next, stop := iter.Pull2(sources[0].lines)
				sources = sources[1:]
				r := &running{next: next, stop: stop}
				open = append(open, r)
				var err error
				if open, err = advance(open, r); err != nil {
					yield(nil, err)
					return
				}
			}
			if len(open) == 0 {
				if len(sources) == 0 {
					return
				}
				continue
			}
			r := first(open, forward)
			if !yield(r.head, nil) {
				return
			}
			var err error
			if open, err = advance(open, r); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// key orders lines: what comes earlier in the answer is smaller.
func key(e *entry.Entry, forward bool) int64 {
	if forward {
		return e.Time
	}
	return -e.Time
}

// first is the one whose line comes next; of those of one time the one that began first.
func first(open []*running, forward bool) *running {
	return slices.MinFunc(open, func(a, b *running) int { return byTime(a.head, b.head, forward) })
}

// advance gets the next line of one of them, or takes it out when it has none.
func advance(open []*running, r *running) ([]*running, error) {
	e, err, more := r.next()
	if more && err == nil {
		r.head = e
		return open, nil
	}
	r.stop()
	return slices.DeleteFunc(open, func(o *running) bool { return o == r }), err
}
