package store

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion/server/logs/segment"
)

// tier is a directory of segments.
type tier struct {
	dir  string
	keep Keep
	log  *slog.Logger

	mu    sync.Mutex
	files []*file // by span
}

// file is an open segment. The tier holds it, and so does every query that reads it; who lets go of it last closes it.
type file struct {
	*segment.File
	span span
	info segment.Info
	bad  atomic.Bool // a part of it is damaged

	mu   sync.Mutex
	held int
}

func (f *file) hold() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held++
}

func (f *file) release() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held--; f.held == 0 {
		return f.File.Close()
	}
	return nil
}

// openTier opens the segments of a directory, without those that a merge has made superfluous: these are removed. One that
// cannot be read is set aside, and counted as damage.
func (s *Store) openTier(dir string, keep Keep) (*tier, error) {
	t := &tier{dir: dir, keep: keep, log: s.options.Log}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := s.openFile(t, name.Name()); err != nil {
			return t, err
		}
	}
	slices.SortFunc(t.files, func(a, b *file) int {
		return cmp.Or(cmp.Compare(a.span.first, b.span.first), cmp.Compare(b.span.last, a.span.last))
	})
	for _, f := range t.all() {
		within := func(o *file) bool { return o != f && f.span.within(o.span) }
		if slices.ContainsFunc(t.all(), within) {
			if err := t.drop(f); err != nil {
				return t, err
			}
		}
	}
	return t, nil
}

// openFile opens what has this name in the directory of a tier.
func (s *Store) openFile(t *tier, name string) error {
	path := filepath.Join(t.dir, name)
	if strings.HasSuffix(name, ".tmp") {
		return os.Remove(path)
	}
	span, ok := parseSpan(name)
	if !ok {
		return nil // the sidecar of another one, or nothing of ours
	}
	opened, err := segment.Open(path)
	if errors.Is(err, segment.ErrIncomplete) {
		s.options.Log.Warn("the index of a segment is made anew", "segment", path)
		if _, err = segment.Rebuild(path); err == nil {
			opened, err = segment.Open(path)
		}
	}
	if err != nil {
		return s.setAside(t, path, span, err)
	}
	t.files = append(t.files, &file{File: opened, span: span, info: opened.Info(), held: 1})
	return nil
}

// all are the segments, by span.
func (t *tier) all() []*file {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.files)
}

// end is the span of the newest segment, zero when there is none.
func (t *tier) end() span {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.files) == 0 {
		return span{}
	}
	return t.files[len(t.files)-1].span
}

// hold are the segments that fit, held for who asks.
func (t *tier) hold(fits func(*file) bool) []*file {
	t.mu.Lock()
	defer t.mu.Unlock()
	var held []*file
	for _, f := range t.files {
		if fits(f) {
			f.hold()
			held = append(held, f)
		}
	}
	return held
}

// open opens a segment that was written here.
func (t *tier) open(info segment.Info, is span) (*file, error) {
	opened, err := segment.Open(info.Path)
	if err != nil {
		return nil, err
	}
	return &file{File: opened, span: is, info: opened.Info(), held: 1}, nil
}

// replace puts a segment in the place of others, which are removed; there may be none.
func (t *tier) replace(others []*file, f *file) error {
	t.mu.Lock()
	t.files = slices.DeleteFunc(t.files, func(o *file) bool { return slices.Contains(others, o) })
	if f != nil {
		at, _ := slices.BinarySearchFunc(t.files, f.span.first, func(o *file, first uint64) int { return cmp.Compare(o.span.first, first) })
		t.files = slices.Insert(t.files, at, f)
	}
	t.mu.Unlock()
	var errs []error
	for _, o := range others {
		errs = append(errs, remove(o.info.Path), o.release())
	}
	return errors.Join(errs...)
}

// drop removes a segment.
func (t *tier) drop(f *file) error { return t.replace([]*file{f}, nil) }

// remove removes both files of a segment, first the one without which the other means nothing. A file that is gone is fine.
func remove(path string) error {
	var errs []error
	for _, p := range []string{strings.TrimSuffix(path, segment.Suffix) + segment.SidecarSuffix, path} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// path is that of the Parquet file.
func (t *tier) path(is span) string { return filepath.Join(t.dir, is.name()+segment.Suffix) }

// bytes is how much the segments take.
func (t *tier) bytes() (n int64) {
	for _, f := range t.all() {
		n += f.info.Bytes
	}
	return n
}

// retain drops what is older than is kept, and what is too much: whole hours of seals, the oldest first. Of the hour that is
// running, as little as no segment of the tier above has a part of.
func (t *tier) retain(now time.Time, keep Keep, above []*file) error {
	all, bytes := t.all(), t.bytes()
	for len(all) > 0 {
		old := now.Sub(time.Unix(all[0].span.sealed, 0)) > keep.For
		if !old && bytes <= keep.Size {
			return nil
		}
		n := together(all, span{sealed: now.Unix()}.bucket(time.Hour), above)
		for _, f := range all[:n] {
			bytes -= f.info.Bytes
		}
		if err := t.replace(all[:n], nil); err != nil {
			return fmt.Errorf("dropping old segments: %w", err)
		}
		t.log.Info("old segments were dropped", "tier", filepath.Base(t.dir), "segments", n, "sealed_before", time.Unix(all[n-1].span.sealed, 0).UTC(), "too_old", old)
		all = all[n:]
	}
	return nil
}

// together is how many of the oldest segments must be dropped at a time.
func together(all []*file, running int64, above []*file) int {
	n := 1
	for hour := all[0].span.bucket(time.Hour); hour < running && n < len(all) && all[n].span.bucket(time.Hour) == hour; {
		n++
	}
	for n < len(all) {
		last := all[n-1].span.last
		if !slices.ContainsFunc(above, func(f *file) bool { return f.span.first <= last && last < f.span.last }) {
			break
		}
		n++
	}
	return n
}

func (t *tier) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	for _, f := range t.files {
		errs = append(errs, f.release())
	}
	t.files = nil
	return errors.Join(errs...)
}
