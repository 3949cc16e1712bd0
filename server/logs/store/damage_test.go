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
	"github.com/gabion-io/gabion/server/logs/logql"
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
		c.now = c.now.Add(time.Minute)
		sealNow(t, s)
		c.now = c.now.Add(59 * time.Minute)
	}
	dir = copyDir(t, dir)
	return dir, filepath.Join(dir, "short", filepath.Base(s.short.all()[1].info.Path))
}

// warnings are those of a query, and how many lines it found.
func warnings(t *testing.T, s *Store, q logql.Query) (list []string, lines int) {
	t.Helper()
	ctx, gaps := logql.WithGaps(t.Context())
	for _, err := range s.Select(ctx, q) {
		if err != nil {
			t.Fatal(err)
		}
		lines++
	}
	return gaps.Warnings(), lines
}

// during is a query for all lines of an hour, which are those of its first minute.
func during(hour int) logql.Query {
	q := everything()
	q.From = start.Add(time.Duration(hour) * time.Hour).UnixNano()
	q.To = q.From + int64(time.Minute)
	return q
}

// missed makes sure that queries say what they lack: those of the hour in the middle that lack something, and no others.
func missed(t *testing.T, s *Store, lost int) {
	t.Helper()
	for hour := range 3 {
		list, lines := warnings(t, s, during(hour))
		lacks := hour == 1 && lost > 0
		if lacks && (len(list) != 1 || !strings.Contains(list[0], "are left out: short/")) || !lacks && len(list) > 0 || lines < 50 && !lacks {
			t.Errorf("hour %d has %d lines, and warnings %q", hour, lines, list)
		}
	}
	if list, _ := warnings(t, s, everything()); (len(list) > 0) != (lost > 0) {
		t.Errorf("a query for everything has warnings %q", list)
	}
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
			var found []Damage
			o := Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Now: c.Now, Damaged: func(d Damage) { found = append(found, d) }}
			s := open(t, dir, o)
			got := texts(t, s, everything())
			missed(t, s, 150-len(got))
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
			if n := strings.Count(log.String(), "level=ERROR"); n != len(found) {
				t.Errorf("%d are told of in the log, %d to others: %+v", n, len(found), found)
			}
			missed(t, open(t, copyDir(t, dir), Options{Now: c.Now}), 150-len(got))
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
	var found []Damage
	again := open(t, left, Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Damaged: func(d Damage) { found = append(found, d) }})
	got := texts(t, again, everything())
	if st := again.Status(); len(got) != 19 || st.Damaged != 1 || st.LostRecords != 1 || !strings.Contains(log.String(), "damaged") {
		t.Errorf("%d lines, %+v\n%s", len(got), st, log.String())
	}
	if len(found) != 1 || found[0].Batches != 1 || found[0].To.Sub(found[0].From) != 2*time.Second || !strings.HasPrefix(found[0].File, "journal/") {
		t.Errorf("%+v", found)
	}
	sealNow(t, again)
	add(t, again, line(start, entry.Info, "a", "new"))
	if got := texts(t, again, everything()); len(got) != 20 {
		t.Errorf("%d lines after a seal", len(got))
	}
	found = nil
	after := open(t, copyDir(t, left), Options{Now: func() time.Time { return start }, Damaged: func(d Damage) { found = append(found, d) }})
	if list, _ := warnings(t, after, everything()); len(list) != 1 || len(found) != 0 {
		t.Errorf("when the journal is gone: %q, %+v", list, found)
	}
	before := everything()
	before.To = start.UnixNano()
	if list, _ := warnings(t, after, before); len(list) != 0 {
		t.Errorf("of the time before: %q", list)
	}
	late := start.Add(6 * 365 * day)
	if list, _ := warnings(t, open(t, copyDir(t, left), Options{Now: func() time.Time { return late }}), everything()); len(list) != 0 {
		t.Errorf("when it would be gone anyway: %q", list)
	}
}

// What is missing at an end of the journal has only one neighbour.
func TestDamagedEndsOfTheJournal(t *testing.T) {
	for name, c := range map[string]struct {
		sealed   bool
		at       func(size int) int
		from, to time.Duration // after the start; -1: not known, or now
	}{
		"the first record":              {false, func(int) int { return 120 }, -1, time.Second},
		"the first one behind a seal":   {true, func(int) int { return 120 }, -time.Hour, time.Second},
		"the last record":               {false, func(size int) int { return size - 1 }, 18 * time.Second, -1},
		"the only record behind a seal": {true, nil, -time.Hour, -1},
	} {
		t.Run(name, func(t *testing.T) {
			dir, n := t.TempDir(), 20
			s := open(t, dir, Options{Now: func() time.Time { return start.Add(-time.Hour) }})
			if c.sealed {
				add(t, s, line(start.Add(-2*time.Hour), entry.Info, "a", "sealed"))
				sealNow(t, s)
			}
			if c.at == nil {
				n = 1
			}
			for i := range n {
				add(t, s, line(start.Add(time.Duration(i)*time.Second), entry.Info, "a", fmt.Sprint("line ", i)))
			}
			left := copyDir(t, dir)
			files := names(t, filepath.Join(left, "journal"), "*.journal")
			journal := files[len(files)-1]
			info, err := os.Stat(journal)
			if err != nil {
				t.Fatal(err)
			}
			at := int(info.Size()) - 1
			if c.at != nil {
				at = c.at(int(info.Size()))
			}
			spoil(t, journal, at)
			written := time.Now()
			var found []Damage
			open(t, left, Options{Damaged: func(d Damage) { found = append(found, d) }})
			if len(found) != 1 {
				t.Fatalf("%+v", found)
			}
			from, to := found[0].From, found[0].To
			if c.from == -1 && !from.IsZero() || c.from != -1 && !from.Equal(start.Add(c.from)) {
				t.Errorf("from %v", from)
			}
			if c.to == -1 && to.Sub(written).Abs() > time.Minute || c.to != -1 && !to.Equal(start.Add(c.to)) {
				t.Errorf("to %v", to)
			}
		})
	}
}

// A write that was interrupted is told, but nothing is lost by it.
func TestTornJournal(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for i := range 5 {
		add(t, s, line(start.Add(time.Duration(i)*time.Second), entry.Info, "a", fmt.Sprint("line ", i)))
	}
	left := copyDir(t, dir)
	files := names(t, filepath.Join(left, "journal"), "*.journal")
	info, err := os.Stat(files[0])
	if err != nil {
		t.Fatal(err)
	}
	cut(t, files[0], info.Size()-3)
	var found []Damage
	again := open(t, left, Options{Damaged: func(d Damage) { found = append(found, d) }})
	if len(found) != 1 || !found[0].Torn || again.Status().Damaged != 0 {
		t.Errorf("%+v, %+v", found, again.Status())
	}
	if list, lines := warnings(t, again, everything()); len(list) != 0 || lines != 4 {
		t.Errorf("%d lines, %q", lines, list)
	}
}

// What was lost of the long tier alone is missed only when the short one does not have it.
func TestLossOfTheLongTier(t *testing.T) {
	dir := t.TempDir()
	c := &clock{start}
	o := Options{Where: "level>=error", Now: c.Now}
	s := open(t, dir, o)
	add(t, s, line(start, entry.Error, "a", "one"), line(start, entry.Info, "a", "two"))
	sealNow(t, s)
	left := copyDir(t, dir)
	for _, path := range names(t, filepath.Join(left, "long"), "*") {
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			cut(t, path, 0)
		}
	}
	again := open(t, left, o)
	if list, lines := warnings(t, again, everything()); len(list) != 0 || lines != 2 {
		t.Errorf("%d lines, %q", lines, list)
	}
	c.now = start.Add(15 * day) // the short tier has dropped it
	if err := again.tendOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list, lines := warnings(t, again, everything()); len(list) != 1 || lines != 0 {
		t.Errorf("%d lines, %q", lines, list)
	}
}

// A file of losses that cannot be read or written keeps nobody from using the store.
func TestLossesCannotBeKept(t *testing.T) {
	dir, middle := hours(t)
	cut(t, middle, 0)
	remove1(t, index(middle))
	if err := os.MkdirAll(filepath.Join(dir, lossFile, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	s := open(t, dir, Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Now: func() time.Time { return start.Add(4 * time.Hour) }})
	missed(t, s, 50)
	if n := strings.Count(log.String(), "level=WARN"); n != 3 { // the index, and reading and writing
		t.Errorf("%d warnings:\n%s", n, log.String())
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

func TestDamageInWords(t *testing.T) {
	at := start
	for want, d := range map[string]Damage{
		"lines lost: none (footer: bad)": {Part: "footer", Cause: "bad"},
		"lines lost: none that anybody was told are kept, unless the disk has lost them (bytes 1 to 2: bad)": {Part: "bytes 1 to 2", Torn: true, Cause: "bad"},
		"lines lost: 3 (column msg: bad)":                 {Part: "column msg", Lines: 3, To: at, Cause: "bad"},
		"batches of lines lost: 2 (bytes 1 to 2: bad)":    {Part: "bytes 1 to 2", Batches: 2, To: at, Cause: "bad"},
		"lines lost: all (the whole file: there is none)": {Part: "the whole file", To: at, Cause: "there is none"},
	} {
		if got := d.String(); got != want {
			t.Errorf("%q", got)
		}
	}
	harmless := Damage{Part: "footer"}
	harmless.Join(Damage{Lines: 1, From: at, To: at.Add(time.Second)})
	harmless.Join(Damage{Part: "end"})
	if harmless.Lines != 1 || !harmless.From.Equal(at) || !harmless.To.Equal(at.Add(time.Second)) {
		t.Errorf("%+v", harmless)
	}
}
