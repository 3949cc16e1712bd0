package store

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/gabion-io/gabion/internal/backoff"
	"github.com/gabion-io/gabion/server/logs/segment"
	"github.com/gabion-io/gabion/server/store/disk"
)

const (
	// tendEvery is how often the tiers are looked at.
	tendEvery = 10 * time.Second
	// mergeMost is how many segments are merged at once: of each, one row group is in memory.
	mergeMost = 8
	// mergedBytes is how large a merged segment gets at most. Larger ones would make no query faster, and each merge costs as
	// much as the lines did when they came.
	mergedBytes = 256 << 20
)

// tend drops what is too old and merges what is small.
func (s *Store) tend(ctx context.Context) {
	s.scrub(ctx)
	ticker := time.NewTicker(tendEvery)
	defer ticker.Stop()
	for failed := 0; ; {
		err := s.tendOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			failed++
			s.counts.failures.Add(1)
			s.options.Log.Error("the segments of the logs cannot be tended; it is tried again", "error", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(backoff.Bound(failed, firstRetry, maxRetry)):
			}
			continue
		}
		failed = 0
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// tendOnce goes on until there is nothing to merge. What is too old, or too much, is dropped between any two merges.
func (s *Store) tendOnce(ctx context.Context) error {
	for {
		low := s.options.Guard != nil && s.options.Guard.State() != disk.OK
		if err := s.retain(low); err != nil || low {
			return err
		}
		merged := false
		for _, t := range []*tier{s.short, s.long} {
			if run := s.mergeable(t); len(run) > 0 {
				if err := s.merge(ctx, t, run); err != nil {
					return err
				}
				merged = true
			}
		}
		if !merged {
			return nil
		}
	}
}

// retain drops what the tiers are not to keep any more.
func (s *Store) retain(low bool) error {
	now, short := s.options.Now(), s.short.keep
	if low {
		short.For /= 4
	}
	if err := s.short.retain(now, short, s.long.all()); err != nil {
		return err
	}
	return s.long.retain(now, s.long.keep, nil)
}

// month is the widest time whose segments become one.
const month = 30 * day

// mergeable are neighbours that are to become one segment: those of one hour that is over, then those of one day, then, in the long
// tier, of a month. Of the hour that is running, eight that have about as many seals each: so a flood makes no thousands of segments.
func (s *Store) mergeable(t *tier) []*file {
	all, now := t.all(), s.options.Now()
	var short []*file
	widths := []time.Duration{time.Hour, day}
	if t == s.long {
		short = s.short.all()
		widths = append(widths, month)
	}
	for _, width := range widths {
		running := span{sealed: now.Unix()}.bucket(width)
		for from := 0; from < len(all); {
			to := from + 1
			for to < len(all) && all[to].span.bucket(width) == all[from].span.bucket(width) && alike(all[to-1], all[to], short, width) {
				to++
			}
			var run []*file
			if all[from].span.bucket(width) < running {
				run = smallest(all[from:to])
			} else if width == time.Hour {
				run = alikeRank(all[from:to])
			}
			if run != nil {
				return run
			}
			from = to
		}
	}
	return nil
}

// alike says whether two neighbours may become one. Damaged ones may not. Of the long tier, queries use only segments of which the short tier
// has nothing, so those that are used and those that are not stay apart: within an hour both tiers drop them together.
func alike(a, b *file, short []*file, width time.Duration) bool {
	if a.bad.Load() || b.bad.Load() {
		return false
	}
	if in := covered(a, short); in != covered(b, short) || in && width > time.Hour {
		return false
	}
	return true
}

// smallest is the run of neighbours that is best merged first: the longest one, and of these the one with the fewest bytes, so each line is
// written again only once for each factor of eight. It is nil when there is none.
func smallest(all []*file) (best []*file) {
	var least int64
	for from := range all {
		run, bytes := upTo(mergeMost, all[from:])
		if len(run) > 1 && cmp.Or(cmp.Compare(len(best), len(run)), cmp.Compare(bytes, least)) < 0 {
			best, least = run, bytes
		}
	}
	return best
}

// alikeRank is the first run of eight that were merged as often as each other.
func alikeRank(all []*file) []*file {
	for len(all) >= mergeMost {
		n := 1
		for n < mergeMost && all[n].span.rank() == all[0].span.rank() {
			n++
		}
		if run, _ := upTo(n, all); len(run) == mergeMost {
			return run
		}
		all = all[n:]
	}
	return nil
}

// upTo is as many as may be merged, from the first on, and their bytes.
func upTo(n int, all []*file) (run []*file, bytes int64) {
	for i, f := range all[:min(n, len(all))] {
		if bytes+f.info.Bytes > mergedBytes {
			return all[:i], bytes
		}
		bytes += f.info.Bytes
	}
	return all[:min(n, len(all))], bytes
}

// merge makes one segment of neighbours.
func (s *Store) merge(ctx context.Context, t *tier, run []*file) error {
	last := run[len(run)-1].span
	is := span{first: run[0].span.first, last: last.last, sealed: last.sealed, journal: last.journal}
	files := make([]*segment.File, len(run))
	for i, f := range run {
		files[i] = f.File
	}
	if err := remove(t.path(is)); err != nil { // of a merge that failed
		return err
	}
	info, err := segment.Merge(ctx, files, t.dir, is.name(), segment.Options{})
	if err != nil {
		if _, ok := errors.AsType[*segment.DamageError](err); !ok {
			return s.report(err)
		}
		for _, f := range run { // those that are whole are merged without the others
			s.examine(ctx, f)
		}
		return nil
	}
	f, err := t.open(info, is)
	if err != nil {
		return err
	}
	return t.replace(run, f)
}
