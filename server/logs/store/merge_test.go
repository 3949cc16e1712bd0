package store

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/logql"
	"github.com/gabion-io/gabion/server/store/disk"
)

// sealed appends a line and seals it, as often as there are texts.
func sealed(t testing.TB, s *Store, level entry.Level, texts ...string) {
	t.Helper()
	for _, text := range texts {
		add(t, s, line(s.options.Now(), level, "a", text))
		sealNow(t, s)
	}
}

func tendNow(t testing.TB, s *Store) {
	t.Helper()
	if err := s.tendOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func numbers(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprint("line ", i))
	}
	return list
}

// A flood makes few segments, even before its hour is over.
func TestAFloodIsMergedAtOnce(t *testing.T) {
	c := &clock{start}
	s := open(t, t.TempDir(), Options{Now: c.Now, Where: "level>=error"})
	sealed(t, s, entry.Error, numbers(mergeMost*mergeMost+3)...)
	tendNow(t, s)
	if st := s.Status(); st.Short.Segments != 4 || st.Long.Segments != 4 || st.Short.Lines != 67 {
		t.Errorf("%+v", st)
	}
	c.now = c.now.Add(time.Hour)
	tendNow(t, s)
	if st := s.Status(); st.Short.Segments != 1 || st.Short.Lines != 67 {
		t.Errorf("after the hour: %+v", st)
	}
	if got := texts(t, s, everything()); !sameTexts(got, numbers(67)) {
		t.Errorf("got %q", got)
	}
}

func TestSmallestRun(t *testing.T) {
	for name, test := range map[string]struct {
		megabytes []int64
		over      bool
		from, to  int
	}{
		"one":                           {megabytes: []int64{1}, over: true},
		"few, running":                  {megabytes: []int64{1, 1, 1}},
		"few":                           {megabytes: []int64{1, 2, 3}, over: true, to: 3},
		"eight, running":                {megabytes: []int64{1, 1, 1, 1, 1, 1, 1, 1}, to: 8},
		"the smallest eight":            {megabytes: []int64{9, 9, 9, 1, 1, 1, 1, 1, 1, 1, 1, 9}, over: true, from: 3, to: 11},
		"larger than is allowed":        {megabytes: []int64{200, 200, 200}, over: true},
		"the smallest pair that is not": {megabytes: []int64{200, 50, 200, 40, 200}, over: true, from: 2, to: 4},
	} {
		t.Run(name, func(t *testing.T) {
			var all []*file
			for i, mb := range test.megabytes {
				f := &file{span: span{first: uint64(i + 1), last: uint64(i + 1)}}
				f.info.Bytes = mb << 20
				all = append(all, f)
			}
			choose := alikeRank
			if test.over {
				choose = smallest
			}
			if got := choose(all); !slices.Equal(got, all[test.from:test.to]) {
				t.Errorf("got %d segments", len(got))
			}
		})
	}
}

// While an hour is running, the short tier drops no part of what was merged in the long one: nothing that matters is hidden.
func TestWhatIsDroppedShowsTheLongTier(t *testing.T) {
	c := &clock{start}
	s := open(t, t.TempDir(), Options{Now: c.Now, Where: "level>=error"})
	sealed(t, s, entry.Error, numbers(2*mergeMost)...)
	run := s.mergeable(s.long) // the short one is not merged
	if len(run) != mergeMost {
		t.Fatalf("%d segments", len(run))
	}
	if err := s.merge(t.Context(), s.long, run); err != nil {
		t.Fatal(err)
	}
	s.short.keep.Size = s.short.bytes() - 1
	tendNow(t, s)
	if got := texts(t, s, everything()); !sameTexts(got, numbers(2*mergeMost)) {
		t.Errorf("got %q", got)
	}
	if st := s.Status(); st.Short.Lines != mergeMost {
		t.Errorf("%+v", st)
	}
}

// When the short tier has lost a segment, the long one still has what matters of it.
func TestTheLongTierStandsInForLostSegments(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{Where: "level>=error"})
	sealed(t, s, entry.Error, "one", "two", "three")
	left := copyDir(t, dir)
	lost := names(t, left+"/short", "0000000002-*")
	for _, path := range lost {
		if err := os.WriteFile(path, []byte("nothing"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := open(t, left, Options{Where: "level>=error"})
	if got := texts(t, again, everything()); len(lost) != 2 || !sameTexts(got, []string{"one", "two", "three"}) {
		t.Errorf("%q: got %q", lost, got)
	}
	if st := again.Status(); st.Damaged != 1 {
		t.Errorf("%+v", st)
	}
}

// A disk that is nearly full gets no merges, and less of the short tier.
func TestLowDisk(t *testing.T) {
	dir := t.TempDir()
	free := int64(1 << 40)
	guard, err := disk.New(disk.Config{Dir: dir, Low: 1 << 30, Full: 1, Ballast: disk.NoBallast, Measure: func(string, bool) (disk.Usage, error) {
		return disk.Usage{Total: 1 << 40, Free: free}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{start}
	s := open(t, dir+"/logs", Options{Guard: guard, Now: c.Now, Where: "level>=error", Short: Keep{For: 4 * day}})
	sealed(t, s, entry.Info, "old", "old too")
	sealed(t, s, entry.Error, "old and important")
	c.now = c.now.Add(30 * time.Hour)
	sealed(t, s, entry.Info, "new")
	if free = 1 << 29; guard.Check() != nil || guard.State() != disk.Low {
		t.Fatal(guard.State())
	}
	tendNow(t, s)
	if got := texts(t, s, everything()); !slices.Equal(got, []string{"old and important", "new"}) {
		t.Errorf("got %q", got)
	}
}

// Queries wait for each other, but not for longer than they may.
func TestQueriesAreBounded(t *testing.T) {
	s := open(t, t.TempDir(), Options{Queries: 1})
	sealed(t, s, entry.Info, "one", "two")
	for range s.Select(t.Context(), everything()) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, err := range s.Select(ctx, everything()) {
			if err == nil {
				t.Error("two at a time")
			}
		}
		counts, _ := s.Count(ctx, everything(), nil, 0)
		for _, err := range counts {
			if err == nil {
				t.Error("two at a time")
			}
		}
		break
	}
	if got := texts(t, s, everything()); len(got) != 2 {
		t.Errorf("got %q", got)
	}
}

// Labels are those of the lines that the selector wants, also by level.
func TestLabels(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	add(t, s, line(start, entry.Info, "a", "one"), line(start, entry.Error, "b", "two"))
	sealNow(t, s)
	add(t, s, line(start, entry.Error, "c", "three"))
	q := everything()
	q.Matchers = []*logql.Matcher{must(logql.NewMatcher("level", "=", "error"))}
	values, err := s.Values(t.Context(), q, "service")
	if err != nil || strings.Join(values, " ") != "b c" {
		t.Errorf("%q, %v", values, err)
	}
	stats, err := s.Stats(t.Context(), q)
	if err != nil || stats.Entries != 2 || stats.Streams != 2 || stats.Chunks != 2 || stats.Bytes == 0 {
		t.Errorf("%+v, %v", stats, err)
	}
	names, err := s.Names(t.Context(), q)
	if err != nil || strings.Join(names, " ") != "level service" {
		t.Errorf("%q, %v", names, err)
	}
}
