package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/store/disk"
)

// spoil changes one byte of a file.
func spoil(t *testing.T, path string, at int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[(at+len(data))%len(data)] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// hours makes a store with one segment for each of three hours, and returns a copy of it and the name of the one in the middle.
func hours(t *testing.T) (dir, middle string) {
	t.Helper()
	c := &clock{start}
	dir = t.TempDir()
	s := open(t, dir, Options{Now: c.Now})
	for hour := range 3 {
		all := make([]entry.Entry, 50)
		for i := range all {
			all[i] = line(c.now.Add(time.Duration(i)*time.Second), entry.Info, "a", fmt.Sprintf("hour %d line %d", hour, i))
		}
		add(t, s, all...)
		sealNow(t, s)
		c.now = c.now.Add(time.Hour)
	}
	dir = copyDir(t, dir)
	return dir, filepath.Join(dir, "short", filepath.Base(s.short.all()[1].info.Path))
}

// Whatever is damaged, the rest is found, nothing that is found is wrong, and the damage is reported.
func TestDamagedSegments(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, path string){
		"a bit of a column":          func(t *testing.T, path string) { spoil(t, path, 600) },
		"the footer":                 func(t *testing.T, path string) { spoil(t, path, -20) },
		"the index":                  func(t *testing.T, path string) { spoil(t, index(path), 9) },
		"the index is gone":          func(t *testing.T, path string) { remove1(t, index(path)) },
		"cut":                        func(t *testing.T, path string) { cut(t, path, 300) },
		"cut, and the index is gone": func(t *testing.T, path string) { cut(t, path, 300); remove1(t, index(path)) },
		"empty":                      func(t *testing.T, path string) { cut(t, path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, middle := hours(t)
			damage(t, middle)
			var log strings.Builder
			c := &clock{start.Add(4 * time.Hour)}
			s := open(t, dir, Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Now: c.Now})
			got := texts(t, s, everything())
			for _, hour := range []int{0, 2} {
				for i := range 50 {
					if want := fmt.Sprintf("hour %d line %d", hour, i); !containsAll(got, []string{want}) {
						t.Fatalf("%q is missing", want)
					}
				}
			}
			for _, text := range got {
				var hour, i int
				if n, err := fmt.Sscanf(text, "hour %d line %d", &hour, &i); n != 2 || err != nil || hour > 2 || i > 49 {
					t.Errorf("%q was never written", text)
				}
			}
			for range 2 { // merging and verifying find nothing new, and lose nothing
				if err := s.tendOnce(t.Context()); err != nil {
					t.Error(err)
				}
				s.scrub(t.Context())
			}
			if again := texts(t, s, everything()); len(again) != len(got) {
				t.Errorf("%d lines, then %d", len(got), len(again))
			}
			whole, told := len(got) == 150, strings.Contains(log.String(), filepath.Base(middle))
			if !whole && (!told || s.Status().Damaged == 0) {
				t.Errorf("%d of 150 lines, and nobody was told:\n%s", len(got), log.String())
			}
			if lost := s.Status().LostLines; int(lost) != 150-len(got) && strings.Contains(log.String(), "lost_lines") {
				t.Errorf("%d lines are counted as lost, of %d", lost, 150-len(got))
			}
			if n := strings.Count(log.String(), "level=ERROR"); n > 3 { // of the lines, the beginning and the end
				t.Errorf("told %d times:\n%s", n, log.String())
			}
		})
	}
}

func index(path string) string { return strings.TrimSuffix(path, ".parquet") + ".index" }

func remove1(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func cut(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

// A damaged journal loses what is damaged, and says so.
func TestDamagedJournal(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for i := range 20 {
		add(t, s, line(start.Add(time.Duration(i)*time.Second), entry.Info, "a", fmt.Sprint("line ", i)))
	}
	left := copyDir(t, dir)
	file := names(t, filepath.Join(left, "journal"), "*")
	var journal string
	for _, path := range file {
		if info, err := os.Stat(path); err == nil && !info.IsDir() && info.Size() > 500 {
			journal = path
		}
	}
	info, err := os.Stat(journal)
	if err != nil {
		t.Fatal(err)
	}
	spoil(t, journal, int(info.Size()/2))
	var log strings.Builder
	again := open(t, left, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	got := texts(t, again, everything())
	if st := again.Status(); len(got) != 19 || st.Damaged != 1 || st.LostRecords != 1 || !strings.Contains(log.String(), "damaged") {
		t.Errorf("%d lines, %+v\n%s", len(got), st, log.String())
	}
	sealNow(t, again)
	add(t, again, line(start, entry.Info, "a", "new"))
	if got := texts(t, again, everything()); len(got) != 20 {
		t.Errorf("%d lines after a seal", len(got))
	}
}

// Without room, Append says so, and nothing is lost of what was taken.
func TestNoRoom(t *testing.T) {
	dir := t.TempDir()
	free := int64(1 << 40)
	guard, err := disk.New(disk.Config{Dir: dir, Ballast: disk.NoBallast, Measure: func(string, bool) (disk.Usage, error) {
		return disk.Usage{Total: 1 << 40, Free: free}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, filepath.Join(dir, "logs"), Options{Guard: guard, SealBytes: 1000})
	one := line(start, entry.Info, "a", strings.Repeat("x", 400))
	add(t, s, one)
	free = 1
	guard.Check()
	if err := s.Append(t.Context(), []entry.Entry{one}); !errors.Is(err, ingest.ErrFull) || !ingest.Retry(err) {
		t.Errorf("got %v", err)
	}
	free = 1 << 40
	guard.Check()
	taken := 1
	for range 20 { // nobody seals
		if err = s.Append(t.Context(), []entry.Entry{one}); err != nil {
			break
		}
		taken++
	}
	if !errors.Is(err, ingest.ErrFull) || taken > 6 {
		t.Errorf("%d lines were taken, then %v", taken, err)
	}
	sealNow(t, s)
	add(t, s, one)
	if got := texts(t, s, everything()); len(got) != taken+1 {
		t.Errorf("%d lines, want %d", len(got), taken+1)
	}
	if st := s.Status(); st.Refused != 2 || st.Taken != uint64(taken+1) {
		t.Errorf("%+v", st)
	}
}

// A seal that fails loses nothing, and is made up for.
func TestSealFails(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{Where: "level>=error"})
	add(t, s, line(start, entry.Error, "a", "one"))
	aside := filepath.Join(dir, "aside")
	if err := os.Rename(s.short.dir, aside); err != nil {
		t.Fatal(err)
	}
	if err := s.seal(); err == nil {
		t.Fatal("sealed without a directory")
	}
	add(t, s, line(start, entry.Error, "a", "two"))
	if got := texts(t, s, everything()); len(got) != 2 {
		t.Errorf("got %q", got)
	}
	if err := os.Rename(aside, s.short.dir); err != nil {
		t.Fatal(err)
	}
	sealNow(t, s)
	sealNow(t, s)
	if st := s.Status(); st.Short.Lines != 2 || st.Long.Lines != 2 || st.MemoryLines != 0 {
		t.Errorf("%+v", st)
	}
	if got := texts(t, open(t, copyDir(t, dir), Options{}), everything()); len(got) != 2 {
		t.Errorf("after a crash: %q", got)
	}
}

func TestBadWhere(t *testing.T) {
	if _, err := Open(t.TempDir(), Options{Where: "level>>error"}); err == nil || !strings.Contains(err.Error(), "where") {
		t.Errorf("got %v", err)
	}
}
