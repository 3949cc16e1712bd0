package store

import (
	"cmp"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/logql"
)

// start is when tests begin.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is one that tests set.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func open(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, s) })
	return s
}

func shut(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func add(t testing.TB, s *Store, lines ...entry.Entry) {
	t.Helper()
	if err := s.Append(t.Context(), lines); err != nil {
		t.Fatal(err)
	}
}

func sealNow(t testing.TB, s *Store) {
	t.Helper()
	if err := s.seal(); err != nil {
		t.Fatal(err)
	}
}

// line is a line that a test tells apart by its text.
func line(at time.Time, level entry.Level, service, text string) entry.Entry {
	return entry.Entry{Time: at.UnixNano(), Level: level, Service: service, Message: text}
}

// everything is a query for all.
func everything() logql.Query {
	return logql.Query{From: math.MinInt64, To: math.MaxInt64, Forward: true, Levels: logql.AllLevels, Fields: logql.AllFields}
}

// texts are those of the lines that match a query, in its order.
func texts(t testing.TB, s *Store, q logql.Query) []string {
	t.Helper()
	var all []string
	for e, err := range s.Select(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		if q.Match(e) {
			all = append(all, e.Message)
		}
	}
	return all
}

// copyDir is what a crash leaves: the files as they are now.
func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// names are the files below a directory that fit a pattern.
func names(t testing.TB, dir, pattern string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if ok, _ := filepath.Match(pattern, filepath.Base(path)); ok {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// random makes lines whose texts are all different.
type random struct {
	*rand.Rand
	made int
}

func (r *random) lines(n int, around time.Time) []entry.Entry {
	all := make([]entry.Entry, n)
	for i := range all {
		r.made++
		all[i] = entry.Entry{
			Time: around.Add(time.Duration(r.IntN(2000)-1500) * time.Second).UnixNano(), Level: entry.Level(r.IntN(int(entry.Fatal) + 1)),
			Service: fmt.Sprint("service-", r.IntN(3)), Handler: [...]string{"", "/a", "/b"}[r.IntN(3)], Message: fmt.Sprint("line ", r.made),
		}
		if r.IntN(4) == 0 {
			all[i].Attrs = []entry.Attr{{Name: "tag", Value: [...]string{"audit", "other"}[r.IntN(2)]}}
		}
	}
	return all
}

// model is what a store should answer.
func model(lines []entry.Entry, q logql.Query) []entry.Entry {
	var all []entry.Entry
	for i := range lines {
		if q.Match(&lines[i]) {
			all = append(all, lines[i])
		}
	}
	slices.SortStableFunc(all, func(a, b entry.Entry) int {
		if q.Forward {
			return cmp.Compare(a.Time, b.Time)
		}
		return cmp.Compare(b.Time, a.Time)
	})
	return all
}
