// Package tail follows log files: the lines of all files that match a pattern, JSON or plain text.
//
// A file is known by its beginning, not by its name, so rotation is noticed however it is done: after a rename the old file
// is read to its end before the new one, and after a copy with truncation what was not read yet is looked for in the copy.
// How far each file was read is kept in a position file. After a restart nothing is lost, and nothing repeated but what was
// taken within the last round before a crash.
//
//	glob ──▶ file (handle, beginning, offset) ──▶ lines ──▶ Sink; then the offset is kept
package tail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/gabion-io/gabion/server/ingest"
)

// Config says what to follow.
type Config struct {
	// Patterns are of the form of [filepath.Match], such as /var/log/shop/*.log. Required.
	Patterns []string
	// Positions is the file that remembers how far each was read. Required.
	Positions string
	// Sink gets the entries. When it is full, reading waits: the files are the buffer. Batches become smaller before that, so
	// give it [ingest.Guard.Whole], which drops nothing. Required.
	Sink ingest.Sink
	// Every is how often files are looked at. Default: 1 s.
	Every time.Duration
	// MaxFiles is how many files are followed; those in excess are counted. Default: 256.
	MaxFiles int
	// MaxLine is how many bytes a line may have; what is longer is cut. Default: 256 KiB.
	MaxLine int
}

// Counts are numbers since the start.
type Counts struct {
	// Lines were given to the sink and kept.
	Lines uint64
	// Cut lines were too long, and are kept without their end.
	Cut uint64
	// Dropped lines were refused by the sink.
	Dropped uint64
	// Rotations and truncations that were noticed.
	Rotations uint64
	// Failures of reading a file or of keeping the positions.
	Failures uint64
	// Files is how many are followed now, Excess how many are not, since there are too many.
	Files, Excess int
}

// Tailer follows files. Make it with [New]. It belongs to one goroutine, that of [Tailer.Run].
type Tailer struct {
	config Config
	files  map[string]*file
	counts Counts
	report chan chan Counts
	known  map[string]position
	ended  []ended
}

// New reads the position file. A file that does not exist is no error; one that is damaged is, since starting anew would
// repeat everything.
func New(config Config) (*Tailer, error) {
	c := config
	c.Every, c.MaxFiles, c.MaxLine = cmp.Or(c.Every, time.Second), cmp.Or(c.MaxFiles, 256), cmp.Or(c.MaxLine, 256<<10)
	if len(c.Patterns) == 0 || c.Positions == "" || c.Sink == nil {
		return nil, errors.New("following files needs patterns, a position file and a sink")
	}
	for _, p := range c.Patterns {
		if _, err := filepath.Match(p, ""); err != nil {
			return nil, fmt.Errorf("pattern %q: %w", p, err)
		}
	}
	known, err := load(c.Positions)
	if err != nil {
		return nil, err
	}
	return &Tailer{config: c, files: map[string]*file{}, known: known, report: make(chan chan Counts)}, nil
}

// Run follows the files until the context ends, and closes them.
func (t *Tailer) Run(ctx context.Context) {
	tick := time.NewTicker(t.config.Every)
	defer tick.Stop()
	defer t.close()
	for {
		t.round(ctx)
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				waiting = false
			case answer := <-t.report:
				answer <- t.counts
			}
		}
	}
}

// Counts asks the running tailer for its counts.
func (t *Tailer) Counts(ctx context.Context) (Counts, error) {
	answer := make(chan Counts, 1)
	select {
	case t.report <- answer:
		return <-answer, nil
	case <-ctx.Done():
		return Counts{}, ctx.Err()
	}
}

// round looks at all files once, and keeps how far each was read.
func (t *Tailer) round(ctx context.Context) {
	paths := t.paths()
	moved := false
	for _, path := range paths {
		if ctx.Err() != nil {
			break
		}
		moved = t.follow(ctx, path) || moved
	}
	for path, f := range t.files {
		if !slices.Contains(paths, path) { // removed, or renamed and not followed by another
			moved = t.finish(ctx, f) || moved
			if f.done {
				t.end(f)
				delete(t.files, path)
				delete(t.known, path)
				moved = true
			}
		}
	}
	t.counts.Files = len(t.files)
	if moved {
		if err := t.save(); err != nil {
			t.counts.Failures++
		}
	}
}

// paths are the files that match, in order, as many as are allowed. Those that are followed already stay.
func (t *Tailer) paths() (paths []string) {
	for _, pattern := range t.config.Patterns {
		found, err := filepath.Glob(pattern)
		if err != nil { // it was valid when the tailer was made
			continue
		}
		paths = append(paths, found...)
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	own, _ := filepath.Abs(t.config.Positions)
	paths = slices.DeleteFunc(paths, func(p string) bool { a, err := filepath.Abs(p); return err == nil && a == own })
	t.counts.Excess = max(len(paths)-t.config.MaxFiles, 0)
	slices.SortStableFunc(paths, func(a, b string) int {
		return cmp.Compare(t.rank(a), t.rank(b))
	})
	return paths[:len(paths)-t.counts.Excess]
}

// rank puts files that are followed before others.
func (t *Tailer) rank(path string) int {
	if t.files[path] != nil {
		return 0
	}
	return 1
}

func (t *Tailer) close() {
	for _, f := range t.files {
		f.handle.Close()
	}
}
