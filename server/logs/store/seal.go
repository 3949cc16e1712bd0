package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/gabion-io/gabion/internal/backoff"
	"github.com/gabion-io/gabion/server/logs/journal"
	"github.com/gabion-io/gabion/server/logs/segment"
)

// Run seals, merges, and drops what is too old, until the context ends.
func (s *Store) Run(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.tend(ctx)
	}()
	s.seals(ctx)
	<-done
}

// The waits after a seal or a merge that failed.
const (
	firstRetry = time.Second
	maxRetry   = time.Minute
)

// seals seals when there is something to seal.
func (s *Store) seals(ctx context.Context) {
	for failed := 0; ; {
		wait := s.options.SealAfter / 4
		if failed > 0 {
			wait = backoff.Bound(failed, firstRetry, maxRetry)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-s.kick:
		case <-timer.C:
		}
		timer.Stop()
		if !s.ripe() {
			continue
		}
		if err := s.seal(); err != nil {
			failed++
			s.counts.failures.Add(1)
			s.options.Log.Error("the lines in memory cannot be sealed; it is tried again", "error", err)
			continue
		}
		failed = 0
	}
}

// ripe says whether there is something to seal now.
func (s *Store) ripe() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.sealing != nil || s.active.bytes >= s.options.SealBytes ||
		s.active.lines > 0 && s.options.Now().Sub(s.active.since) >= s.options.SealAfter
}

// seal writes what is in memory to both tiers, and cuts the journal. When it fails, it can be called again: the lines stay
// in memory and in the journal.
func (s *Store) seal() error {
	cut, err := s.swap()
	if err != nil || s.sealing == nil { // sealing belongs to this goroutine; others only read it
		return err
	}
	is := span{first: s.next, last: s.next, sealed: s.swapped.Unix(), journal: cut.File}
	var important *file
	if s.options.Where != "" {
		if important, err = s.write(s.long, is, true); err != nil {
			return fmt.Errorf("the long tier: %w", err)
		}
	}
	all, err := s.write(s.short, is, false)
	if err != nil {
		if important != nil {
			err = errors.Join(err, important.release())
		}
		return fmt.Errorf("the short tier: %w", err)
	}
	s.sealed(important, all)
	if err := s.journal.Truncate(cut); err != nil { // the next one cuts it as well
		s.counts.failures.Add(1)
		s.options.Log.Error("the journal of the logs cannot be cut", "error", s.report(err))
	}
	return nil
}

// swap takes the table out that is to be sealed, unless there is one already, and says where the journal goes on behind it.
func (s *Store) swap() (cut journal.Position, err error) {
	s.appending.Lock()
	defer s.appending.Unlock()
	if s.sealing != nil {
		return s.cut, nil
	}
	if s.active.lines == 0 {
		return cut, nil
	}
	if s.cut, err = s.journal.Rotate(); err != nil {
		return cut, s.report(fmt.Errorf("the journal: %w", err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.swapped = s.options.Now()
	s.sealing, s.active = s.active, &table{}
	return s.cut, nil
}

// write writes the lines to seal as a segment of a tier, only the important ones if told so; nil when there are none.
func (s *Store) write(t *tier, is span, important bool) (*file, error) {
	lines := sorted(s.sealing.chunks, important)
	if len(lines) == 0 {
		return nil, nil
	}
	info, err := segment.Write(t.dir, is.name(), read(s.sealing.chunks, lines), segment.Options{})
	if errors.Is(err, fs.ErrExist) { // of a try that failed later
		if err = remove(t.path(is)); err == nil {
			info, err = segment.Write(t.dir, is.name(), read(s.sealing.chunks, lines), segment.Options{})
		}
	}
	if err != nil {
		return nil, s.report(err)
	}
	return t.open(info, is)
}

// sealed shows queries the new segments instead of the table, at one moment.
func (s *Store) sealed(important, all *file) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, made := range []struct {
		in *tier
		f  *file
	}{{s.long, important}, {s.short, all}} {
		if made.f != nil {
			_ = made.in.replace(nil, made.f) // nothing is removed, so nothing fails
		}
	}
	s.sealing = nil
	s.next++
}
