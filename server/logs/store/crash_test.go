package store

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// A crash can end a seal or a merge after each of its steps. What is on the disk then is what is made here by hand.
func TestCrashes(t *testing.T) {
	o := Options{Where: "level>=error", Now: func() time.Time { return start }}
	for name, crash := range map[string]func(t *testing.T, s *Store, dir string) (left string){
		"between append and seal": func(t *testing.T, _ *Store, dir string) string { return copyDir(t, dir) },
		"between the tiers": func(t *testing.T, s *Store, dir string) string {
			if _, err := s.swap(); err != nil {
				t.Fatal(err)
			}
			before := copyDir(t, dir)
			sealNow(t, s)
			move(t, names(t, filepath.Join(dir, "long"), "*"), filepath.Join(before, "long"))
			return before
		},
		"before the journal is cut": func(t *testing.T, s *Store, dir string) string {
			if _, err := s.swap(); err != nil {
				t.Fatal(err)
			}
			before := copyDir(t, dir)
			sealNow(t, s)
			for _, tier := range []string{"short", "long"} {
				move(t, names(t, filepath.Join(dir, tier), "*"), filepath.Join(before, tier))
			}
			return before
		},
		"while a segment is written": func(t *testing.T, _ *Store, dir string) string {
			left := copyDir(t, dir)
			if err := os.WriteFile(filepath.Join(left, "short", "0000000001-0000000001-1-2.parquet.tmp"), []byte("PAR1"), 0o600); err != nil {
				t.Fatal(err)
			}
			return left
		},
		"without the index of a segment": func(t *testing.T, s *Store, dir string) string {
			sealNow(t, s)
			left := copyDir(t, dir)
			for _, index := range names(t, left, "*.index") {
				if err := os.Remove(index); err != nil {
					t.Fatal(err)
				}
			}
			return left
		},
		"before a merge has removed the old ones": func(t *testing.T, s *Store, dir string) string {
			sealNow(t, s)
			add(t, s, line(start, entry.Error, "b", "third"))
			sealNow(t, s)
			left := copyDir(t, dir)
			s.options.Now = func() time.Time { return start.Add(2 * time.Hour) }
			if err := s.tendOnce(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, tier := range []string{"short", "long"} {
				move(t, names(t, filepath.Join(dir, tier), "*"), filepath.Join(left, tier))
			}
			return left
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, o)
			add(t, s, line(start, entry.Info, "a", "first"), line(start.Add(1), entry.Error, "a", "second"))
			want := []string{"first", "second"}
			left := crash(t, s, dir)
			if s.active.lines == 0 && s.next > 2 {
				want = []string{"third", "first", "second"}
			}
			again := open(t, left, o)
			if got := texts(t, again, everything()); !sameTexts(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			sealNow(t, again)
			if got := texts(t, again, everything()); !sameTexts(got, want) {
				t.Errorf("after a seal: %q, want %q", got, want)
			}
			if rest := names(t, left, "*.tmp"); len(rest) != 0 {
				t.Errorf("left over: %q", rest)
			}
			important := 0
			for _, f := range again.long.all() {
				important += int(f.info.Lines)
			}
			if important != len(want)-1 {
				t.Errorf("the long tier has %d lines, want %d", important, len(want)-1)
			}
		})
	}
}

func sameTexts(got, want []string) bool {
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	return slices.Equal(got, want)
}

// move copies files, without those that are there already.
func move(t *testing.T, files []string, dir string) {
	t.Helper()
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// The short tier drops what is old; what matters stays, once.
func TestTheLongTierStays(t *testing.T) {
	c := &clock{start}
	s := open(t, t.TempDir(), Options{Short: Keep{For: 3 * time.Hour}, Where: "level>=error", Now: c.Now})
	var want []string
	for i := range 12 {
		text := start.Add(time.Duration(i) * 20 * time.Minute).Format(time.Kitchen)
		add(t, s, line(c.now, entry.Info, "a", text), line(c.now, entry.Error, "a", text+" error"))
		sealNow(t, s)
		if err := s.tendOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		want = append(want, text+" error")
		if got := texts(t, s, everything()); len(slices.Compact(slices.Clone(got))) != len(got) || !containsAll(got, want) {
			t.Fatalf("got %q, want each of %q once", got, want)
		}
		c.now = c.now.Add(20 * time.Minute)
	}
	c.now = c.now.Add(24 * time.Hour)
	if err := s.tendOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, s, everything()); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if st := s.Status(); st.Short.Segments != 0 || st.Long.Lines != 12 || st.Long.Segments != 1 || !st.Long.Oldest.Equal(start) {
		t.Errorf("%+v", st)
	}
}

func containsAll(all, some []string) bool {
	return !slices.ContainsFunc(some, func(text string) bool { return !slices.Contains(all, text) })
}

// A tier that has more than it may have drops the oldest.
func TestATierHasAQuota(t *testing.T) {
	c := &clock{start}
	s := open(t, t.TempDir(), Options{Short: Keep{Size: 1}, Now: c.Now})
	add(t, s, line(start, entry.Info, "a", "one"))
	sealNow(t, s)
	if got := texts(t, s, everything()); len(got) != 1 {
		t.Fatalf("got %q", got)
	}
	if err := s.tendOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, left := texts(t, s, everything()), names(t, s.short.dir, "*.*"); len(got) != 0 || len(left) != 0 {
		t.Errorf("got %q, and there is %q", got, left)
	}
	add(t, s, line(start, entry.Info, "a", "two"))
	if got := texts(t, s, everything()); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}
