package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
)

func (j *Journal) path(number uint64) string { return filepath.Join(j.dir, name(number)) }

// open opens a file that exists, to look for its records.
func (j *Journal) open(h header) (File, *scanner, error) {
	f, err := j.options.FS.Open(j.path(h.number), false)
	if err != nil {
		return nil, nil, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, &scanner{file: f, size: size, salt: h.salt}, nil
}

// recover finds the files and the end of the last one, and opens it to be continued.
func (j *Journal) recover() error {
	names, err := j.options.FS.List(j.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if n, ok := number(name); ok {
			j.files = append(j.files, header{number: n})
		}
	}
	slices.SortFunc(j.files, func(a, b header) int { return Position{File: a.number}.Compare(Position{File: b.number}) })
	for i := range j.files {
		if err := j.readHeader(&j.files[i]); err != nil {
			return fmt.Errorf("%s: %w", j.path(j.files[i].number), err)
		}
	}
	if err := j.dropUnborn(); err != nil {
		return err
	}
	if len(j.files) == 0 { // perhaps the directory is new, too
		return j.options.FS.SyncDir(filepath.Dir(j.dir))
	}
	return j.resume()
}

// readHeader reads the header of a file; the version stays 0 when it cannot be read.
func (j *Journal) readHeader(h *header) error {
	f, s, err := j.open(*h)
	if err != nil {
		return err
	}
	defer f.Close()
	s.size = min(s.size, firstOffset) // no more is read
	b, err := s.view(0, firstOffset)
	if err != nil {
		return err
	}
	got, ok := parseHeader(b)
	if !ok || got.number != h.number {
		return nil
	}
	if got.version != version {
		return fmt.Errorf("%w: format %d, known is %d", ErrVersion, got.version, version)
	}
	*h = got
	return nil
}

// dropUnborn removes last files whose making was interrupted by a crash: there is no whole header, and nothing behind it.
func (j *Journal) dropUnborn() error {
	for n := len(j.files); n > 0; n = len(j.files) {
		last := j.files[n-1]
		f, s, err := j.open(last)
		if err != nil {
			return err
		}
		unborn := s.size < firstOffset
		if !unborn && last.version == 0 {
			unborn, err = s.zero(0)
		}
		if err = errors.Join(err, f.Close()); err != nil || !unborn {
			return err
		}
		if err := j.options.FS.Remove(j.path(last.number)); err != nil {
			return err
		}
		j.torn = Torn{File: j.path(last.number), To: s.size}
		j.files = j.files[:n-1]
	}
	return nil
}

// resume finds where the journal ends. It is continued in the last file, unless that is damaged at its end: then what is there
// stays, and a new file will be begun.
func (j *Journal) resume() error {
	for i, h := range slices.Backward(j.files) {
		f, s, err := j.open(h)
		if err != nil {
			return err
		}
		last := i == len(j.files)-1
		if last {
			j.end = Position{h.number, s.size}
		}
		if h.version == 0 { // a record at least was in it: there is no file without
			j.next, j.guessed = j.next+1, true
			if err := f.Close(); err != nil {
				return err
			}
			continue
		}
		end, next, damaged, err := lastRecord(s, h.first)
		j.next += next - 1
		if err != nil || damaged || !last {
			j.guessed = true
			return errors.Join(err, f.Close())
		}
		j.current, j.salt = f, h.salt
		return j.cut(end, s.size)
	}
	return nil
}

// lastRecord returns where the last record ends and what the sequence of the next one is. damaged: there is something behind
// the last record, or it is not whole, and not because a write was interrupted.
func lastRecord(s *scanner, first uint64) (end int64, next uint64, damaged bool, err error) {
	end, next = firstOffset, first
	for f, err := range s.frames(firstOffset) {
		if err != nil {
			return 0, 0, false, err
		}
		end, next, damaged = f.end, f.head.sequence+1, !f.intact
	}
	if end == s.size || damaged {
		return end, next, damaged, nil
	}
	torn, err := s.torn(end)
	if err != nil || torn {
		return end, next, false, err
	}
	return end, next + 1, true, nil
}

// cut ends the last file behind its last record. What is there may be known to the page cache alone when the process before
// was killed, so it is synced, too.
func (j *Journal) cut(end, size int64) error {
	f := j.current
	if end < size {
		j.torn = Torn{File: j.path(j.end.File), From: end, To: size}
		if err := f.Truncate(end); err != nil {
			return err
		}
	}
	j.end.Offset = end
	return f.Sync()
}
