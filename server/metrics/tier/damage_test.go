package tier

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/tsdb"
)

// damaged is a store with a block of raw of the first two hours, and five minutes in its log, that is closed, changed, and
// opened again.
func damaged(t *testing.T, change func(t *testing.T, dir string)) (b *bundle, found []Damage) {
	t.Helper()
	b = setup(t, func(o *Options) { o.Damaged = func(d Damage) { found = append(found, d) } })
	for ; b.now.Before(start.Add(4 * time.Hour)); b.now = b.now.Add(time.Minute) {
		b.put(sample(b.now, 1, "__name__", "x"))
	}
	if err := b.raw.Compact(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	if len(b.raw.Blocks()) != 1 {
		t.Fatalf("%d blocks", len(b.raw.Blocks()))
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b.open() // a new file of the log
	for range 5 {
		b.put(sample(b.now, 2, "__name__", "x"))
		b.now = b.now.Add(time.Minute)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if len(found) > 0 {
		t.Fatalf("before anything is damaged: %+v", found)
	}
	change(t, filepath.Join(b.dir, "raw"))
	b.open()
	return b, found
}

// count is how many samples of x there are in a time, and what is said about it.
func (b *bundle) count(from, to time.Time) (n int, warnings []string) {
	b.t.Helper()
	answer, err := b.Instant(b.t.Context(), fmt.Sprintf("x[%ds]", int(to.Sub(from).Seconds())), to, Asking{})
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Close()
	for _, s := range answer.Value.(promql.Matrix) { //nolint:forcetypeassert // of such an expression
		n += len(s.Floats)
	}
	warnings, _ = answer.Warnings.AsStrings("", 0, 0)
	return n, warnings
}

// change changes the file that comes last of those that fit.
func change(t *testing.T, dir, glob string, how func(text []byte) []byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, glob))
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s: %v", glob, err)
	}
	slices.Sort(files)
	path := files[len(files)-1]
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, how(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// alone makes sure that the database by itself does not open, or opens without a word: else nothing would have to be done.
func alone(t *testing.T, dir string) {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	db, err := tsdb.Open(copied, nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		return
	}
	if n := len(db.Blocks()); n > 0 {
		t.Errorf("it opens %d blocks", n)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// A block that cannot be opened is set aside: the others answer, and say what is missing.
func TestDamagedBlocks(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"a cut index": func(t *testing.T, dir string) {
			change(t, dir, "*/index", func(b []byte) []byte { return b[:len(b)/2] })
		},
		"a flipped bit": func(t *testing.T, dir string) {
			change(t, dir, "*/index", func(b []byte) []byte { b[len(b)-9] ^= 1; return b })
		},
		"nothing of what it is": func(t *testing.T, dir string) { change(t, dir, "*/meta.json", func(b []byte) []byte { return b[:9] }) },
	} {
		t.Run(name, func(t *testing.T) {
			b, found := damaged(t, func(t *testing.T, dir string) {
				t.Helper()
				spoil(t, dir)
				alone(t, dir)
			})
			end := start.Add(2 * time.Hour)
			if len(found) != 1 || found[0].Torn || !strings.HasPrefix(found[0].File, "raw/0") {
				t.Fatalf("%+v", found)
			}
			known := name != "nothing of what it is"
			if d := found[0]; known && (!d.From.Equal(start) || d.To.After(end) || d.To.Before(end.Add(-2*time.Minute))) || !known && !d.From.IsZero() {
				t.Errorf("%+v", d)
			}
			for range 2 {
				if n, warnings := b.count(start.Add(-time.Minute), start.Add(time.Hour)); n != 0 || len(warnings) != 1 || !strings.Contains(warnings[0], "are left out: raw/0") {
					t.Errorf("%d samples, %q", n, warnings)
				}
				if n, warnings := b.count(start.Add(3*time.Hour), start.Add(4*time.Hour)); n != 60 || known && len(warnings) != 0 {
					t.Errorf("of a time that is whole: %d samples, %q", n, warnings)
				}
				b.reopen()
			}
			if len(found) != 1 {
				t.Errorf("it is told again: %+v", found)
			}
		})
	}
}

// logOf are the files of the log that have something.
func logOf(t *testing.T, dir string) (files []string) {
	t.Helper()
	log, err := readLog(dir, "wal")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range log.files {
		files = append(files, filepath.Join(dir, "wal", f.Name()))
	}
	return files
}

// spoil flips a bit of a file; the last byte that is not zero is -1.
func spoil(t *testing.T, path string, at int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if at < 0 {
		at += len(bytes.TrimRight(text, "\x00"))
	}
	text[at] ^= 1
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Behind damage in the log everything is lost: that is told, and no more.
func TestDamagedLog(t *testing.T) {
	b, found := damaged(t, func(t *testing.T, dir string) {
		t.Helper()
		spoil(t, logOf(t, dir)[0], 100)
	})
	if len(found) != 1 || found[0].Torn || !strings.HasPrefix(found[0].File, "raw/wal/0") || time.Since(found[0].To).Abs() > time.Minute {
		t.Fatalf("%+v", found)
	}
	if n, warnings := b.count(start.Add(-time.Minute), start.Add(time.Hour)); n != 61 || len(warnings) != 0 {
		t.Errorf("what is in the block: %d samples, %q", n, warnings)
	}
	if n, warnings := b.count(start.Add(3*time.Hour), b.now); n >= 60 || len(warnings) != 1 || !strings.HasPrefix(warnings[0], "samples from 2026-03-02T1") {
		t.Errorf("what was in the log: %d samples, %q", n, warnings)
	}
}

// What a crash leaves at the end of the log is told, but nothing that can be asked for is missed.
func TestTornLog(t *testing.T) {
	b, found := damaged(t, func(t *testing.T, dir string) {
		t.Helper()
		files := logOf(t, dir)
		change(t, dir, "wal/"+filepath.Base(files[len(files)-1]), func(text []byte) []byte {
			return text[:len(bytes.TrimRight(text, "\x00"))-3]
		})
	})
	if len(found) != 1 || !found[0].Torn {
		t.Fatalf("%+v", found)
	}
	if n, warnings := b.count(start.Add(3*time.Hour), b.now); n < 60 || len(warnings) != 0 {
		t.Errorf("%d samples, %q", n, warnings)
	}
}

// A bit that is flipped at the end of the log is no write that was interrupted.
func TestDamagedEndOfTheLog(t *testing.T) {
	b, found := damaged(t, func(t *testing.T, dir string) {
		t.Helper()
		files := logOf(t, dir)
		spoil(t, files[len(files)-1], -1)
	})
	if len(found) != 1 || found[0].Torn {
		t.Fatalf("%+v", found)
	}
	if n, warnings := b.count(start.Add(3*time.Hour), b.now); n < 60 || n >= 65 || len(warnings) != 0 {
		t.Errorf("%d samples, %q", n, warnings)
	}
	// The times of files are not those of the test.
	if _, warnings := b.count(found[0].To.Add(-time.Minute), found[0].To); len(warnings) != 1 {
		t.Errorf("of what is lost: %q", warnings)
	}
}

// The metrics of the databases are those of the ones that have opened.
func TestMetricsOfADamagedDatabase(t *testing.T) {
	registry := prometheus.NewRegistry()
	b, _ := damaged(t, func(t *testing.T, dir string) {
		t.Helper()
		change(t, dir, "*/index", func(b []byte) []byte { return b[:9] })
	})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b.opt.Registerer = registry
	b.open()
	all, err := registry.Gather()
	if err != nil || len(all) < 50 {
		t.Errorf("%d families, %v", len(all), err)
	}
}
