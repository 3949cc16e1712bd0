package store

import (
	"context"
	"errors"
	"time"

	"github.com/gabion-io/gabion/internal/backoff"
	"github.com/gabion-io/gabion/server/logs/segment"
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

func (s *Store) tendOnce(ctx context.Context) error {
	for _, t := range []*tier{s.short, s.long} {
		if err := t.retain(s.options.Now()); err != nil {
			return err
		}
	}
	for _, t := range []*tier{s.short, s.long} {
		for {
			run := s.mergeable(t)
			if len(run) == 0 {
				break
			}
			if err := s.merge(ctx, t, run); err != nil {
				return err
			}
		}
	}
	return nil
}

// mergeable are neighbours that are to become one segment: first those of one hour that is over, then those of one day.
func (s *Store) mergeable(t *tier) []*file {
	all, now, floor := t.all(), s.options.Now(), s.floor()
	for _, width := range []time.Duration{time.Hour, day} {
		running := span{sealed: now.Unix()}.bucket(width)
		for from := range all {
			run := all[from : from+1]
			bytes := all[from].info.Bytes
			for next := from + 1; next < len(all) && len(run) < mergeMost; next++ {
				a, b := all[next-1], all[next]
				bytes += b.info.Bytes
				if b.span.bucket(width) != a.span.bucket(width) || b.span.bucket(width) >= running || bytes > mergedBytes || a.bad.Load() || b.bad.Load() {
					break
				}
				if t == s.long && !alike(a, b, floor, width) {
					break
				}
				run = all[from : next+1]
			}
			if len(run) > 1 {
				return run
			}
		}
	}
	return nil
}

// alike says whether two segments of the long tier may become one, although queries use only those whose lines the short tier
// has not: within an hour they are dropped there together.
func alike(a, b *file, floor uint64, width time.Duration) bool {
	if width > time.Hour {
		return b.span.last < floor
	}
	return b.span.last < floor || a.span.first >= floor
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
