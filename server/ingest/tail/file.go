package tail

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/ingest/object"
	"github.com/gabion-io/gabion/server/logs/entry"
)

// file is one that is followed.
type file struct {
	path   string
	handle *os.File
	at     position
	skip   bool // the rest of the line at the offset was too long
	done   bool // it is read to its end, and nothing will be added
}

const (
	maxLines = 1000    // that are given to the sink at once
	maxRound = 4 << 20 // bytes of a file in a round, so that others have their turn
)

// follow reads what a file has more, after what is left of the one that had its name before. It reports whether
// anything was read.
func (t *Tailer) follow(ctx context.Context, path string) (moved bool) {
	f := t.files[path]
	if f != nil && t.same(f) {
		return t.read(ctx, f, false)
	}
	if f != nil { // rotated by rename, or truncated
		truncated := !f.at.matches(f.handle)
		if truncated {
			f = t.swap(f, t.remains(path, f.at))
		}
		if f != nil {
			moved = t.finish(ctx, f)
			if !f.done {
				return moved
			}
			t.end(f)
		}
		t.counts.Rotations++
		delete(t.files, path)
		delete(t.known, path)
	}
	if f = t.open(path); f == nil {
		return moved
	}
	t.files[path] = f
	if !t.same(f) { // what is left of the one that was rotated while nobody looked: the next round takes the new one
		return t.finish(ctx, f) || moved
	}
	return t.read(ctx, f, false) || moved
}

// swap replaces the handle of a truncated file by that of its copy. Without a copy there is nothing left to read.
func (t *Tailer) swap(f *file, remains *os.File) *file {
	f.handle.Close()
	if remains == nil {
		return nil
	}
	f.handle = remains
	return f
}

// same says whether the file of that name is still the one that is followed.
func (t *Tailer) same(f *file) bool {
	named, err := os.Stat(f.path)
	if err != nil {
		return false
	}
	open, err := f.handle.Stat()
	return err == nil && os.SameFile(named, open) && f.at.matches(f.handle)
}

// open opens a file where the last run has left it. When it is another one by now, what was left of the old one comes
// first.
func (t *Tailer) open(path string) *file {
	handle, err := os.Open(path)
	if err != nil {
		t.counts.Failures++
		return nil
	}
	info, err := handle.Stat()
	if err != nil || !info.Mode().IsRegular() || t.isOpen(info) {
		handle.Close()
		return nil
	}
	f := &file{path: path, handle: handle}
	at, known := t.known[path]
	if known && at.matches(handle) && (at.ID == "" || at.ID == idOf(info)) {
		f.at = at
		return f
	}
	if adopted, ok := t.adopt(info, handle); ok || !known {
		f.at = adopted
		return f
	}
	f.at = at
	if old := t.remains(path, at); old != nil {
		handle.Close()
		f.handle = old
		return f
	}
	t.counts.Rotations++
	f.at = position{}
	return f
}

// remains finds the file that had this name before: a neighbour whose name begins alike, which begins and is as long as
// the position says. Of several the youngest counts. One that was hardly begun cannot be told from others.
func (t *Tailer) remains(path string, at position) (found *os.File) {
	if at.Head == 0 {
		return nil
	}
	base := filepath.Base(path)
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.counts.Failures++
		return nil
	}
	var youngest time.Time
	for _, d := range list {
		if d.Name() == base || !d.Type().IsRegular() || !strings.HasPrefix(d.Name(), strings.TrimSuffix(base, filepath.Ext(base))) {
			continue
		}
		f, err := os.Open(filepath.Join(filepath.Dir(path), d.Name()))
		if err != nil {
			continue // removed meanwhile, or of somebody else
		}
		info, err := f.Stat()
		if err != nil || t.isOpen(info) || !at.matches(f) || !info.ModTime().After(youngest) {
			f.Close()
			continue
		}
		if found != nil {
			found.Close()
		}
		found, youngest = f, info.ModTime()
	}
	return found
}

// finish reads a file to which nothing will be added, its last line included although it has no end.
func (t *Tailer) finish(ctx context.Context, f *file) (moved bool) {
	moved = t.read(ctx, f, true)
	info, err := f.handle.Stat()
	f.done = err != nil || f.at.Offset >= info.Size()
	return moved
}

// read gives lines to the sink until there are no more, the sink is full, or it is the turn of another file.
func (t *Tailer) read(ctx context.Context, f *file, last bool) (moved bool) {
	for start := f.at.Offset; f.at.Offset-start < maxRound && ctx.Err() == nil; {
		chunk := make([]byte, t.config.MaxLine+64<<10)
		n, err := f.handle.ReadAt(chunk, f.at.Offset)
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			t.counts.Failures++
			return moved
		}
		most := maxLines
		lines, used, skip, cut := t.split(f, chunk[:n], end && last, most)
		for used > 0 && !t.give(ctx, f, lines) {
			if most = min(most, len(lines)) / 2; most == 0 {
				return moved
			}
			lines, used, skip, cut = t.split(f, chunk[:n], end && last, most)
		}
		if used == 0 {
			return moved
		}
		t.counts.Cut += uint64(cut)
		f.at.Offset, f.skip, moved = f.at.Offset+int64(used), skip, true
		if f.at.Head < maxHead {
			head, err := headOf(f.handle, int(min(f.at.Offset, maxHead)))
			if err != nil {
				t.counts.Failures++
				return moved
			}
			f.at.Head, f.at.Hash = head.Head, head.Hash
			if info, err := f.handle.Stat(); err == nil {
				f.at.ID = idOf(info)
			}
		}
	}
	return moved
}

// split cuts a chunk into lines, so many at most. It returns how many bytes they are, and whether the next ones belong to a line of which
// enough was taken.
func (t *Tailer) split(f *file, chunk []byte, last bool, most int) (lines []entry.Entry, used int, skip bool, cut int) {
	skip = f.skip
	now := time.Now()
	for len(lines) < most && used < len(chunk) {
		rest := chunk[used:]
		n := bytes.IndexByte(rest, '\n')
		text := rest[:max(n, 0)]
		switch {
		case n >= 0:
			used += n + 1
		case skip || last || len(rest) > t.config.MaxLine:
			text, used = rest, len(chunk)
		default:
			return lines, used, skip, cut
		}
		if !skip {
			if len(text) > t.config.MaxLine {
				text = text[:t.config.MaxLine]
				cut++
			}
			if text = bytes.TrimSpace(text); len(text) > 0 {
				lines = append(lines, line(f.path, text, now))
			}
		}
		skip = n < 0 && !last
	}
	return lines, used, skip, cut
}

// line makes an entry: of a JSON object, or of a text. The service of a line that does not name it is the name of its file.
func line(path string, text []byte, now time.Time) entry.Entry {
	e, err := entry.Entry{}, error(nil)
	if text[0] == '{' {
		e, err = object.Parse(text)
	}
	if text[0] != '{' || err != nil { // half an object is a text as well
		e = entry.Entry{Message: string(text)}
		e.Level = ingest.GuessLevel(e.Message)
	}
	if e.Time == 0 {
		e.Time = now.UnixNano()
	}
	if e.Service == "" {
		base := filepath.Base(path)
		e.Service = strings.TrimSuffix(base, filepath.Ext(base))
	}
	e.Attrs = append(e.Attrs, entry.Attr{Name: "file", Value: path})
	return e
}

// give gives lines to the sink. It reports whether they are done with.
func (t *Tailer) give(ctx context.Context, f *file, lines []entry.Entry) bool {
	if len(lines) == 0 {
		return true
	}
	some, err := ingest.Partial(t.config.Sink.Append(ctx, "file "+f.path, lines))
	dropped := 0
	switch {
	case ingest.Retry(err):
		return false
	case err != nil:
		dropped = len(lines)
	case some != nil:
		dropped = len(some.Dropped)
	}
	t.counts.Dropped += uint64(dropped)
	t.counts.Lines += uint64(len(lines) - dropped)
	return true
}
