package logql

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Gap is something that a source has to leave out of an answer, because it cannot be read.
type Gap struct {
	// File is what is damaged, Part which part of it: the parts of a file are told together.
	File, Part string
	// From and To are the times of the oldest and the newest line that is left out; of a file of which nothing can be read,
	// roughly. From is zero when nothing is known of it.
	From, To time.Time
	// Lines is how many are left out; the query may want fewer of them. 0: not known.
	Lines int64
}

// Gaps are what sources have left out of an answer.
type Gaps struct {
	mu  sync.Mutex
	all map[Gap]struct{}
}

type gapsKey struct{}

// WithGaps gives a context in which all gaps are collected.
func WithGaps(ctx context.Context) (context.Context, *Gaps) {
	g := &Gaps{all: map[Gap]struct{}{}}
	return context.WithValue(ctx, gapsKey{}, g), g
}

// LeaveOut is called by a source that leaves something out. Nothing happens when nobody collects the gaps.
func LeaveOut(ctx context.Context, gap Gap) {
	g, ok := ctx.Value(gapsKey{}).(*Gaps)
	if !ok {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all[gap] = struct{}{} // a query may look at it several times
}

// maxWarnings is how many files are named.
const maxWarnings = 10

// Warnings says for people what is left out: a sentence for each file, by time. None when the answer is whole.
func (g *Gaps) Warnings() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	files := map[string]Gap{}
	for part := range g.all {
		f, more := files[part.File]
		if !more {
			files[part.File] = part
			continue
		}
		if part.From.Before(f.From) {
			f.From = part.From
		}
		if part.To.After(f.To) {
			f.To = part.To
		}
		f.Lines += part.Lines
		files[part.File] = f
	}
	sorted := slices.SortedFunc(maps.Values(files), func(a, b Gap) int {
		return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To), strings.Compare(a.File, b.File))
	})
	var texts []string
	for i, f := range sorted {
		if i == maxWarnings {
			return append(texts, fmt.Sprintf("lines of %d more damaged files are left out", len(sorted)-i))
		}
		texts = append(texts, f.String())
	}
	return texts
}

// stamp is RFC 3339 with milliseconds.
const stamp = "2006-01-02T15:04:05.000Z07:00"

// String is a sentence.
func (g Gap) String() string {
	lines := "lines"
	if g.Lines > 1 {
		lines = fmt.Sprintf("up to %d lines", g.Lines)
	}
	to := g.To.UTC().Format(stamp)
	if g.From.IsZero() {
		return fmt.Sprintf("%s before %s are left out: %s is damaged", lines, to, g.File)
	}
	return fmt.Sprintf("%s from %s to %s are left out: %s is damaged", lines, g.From.UTC().Format(stamp), to, g.File)
}
