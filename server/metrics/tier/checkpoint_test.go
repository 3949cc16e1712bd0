package tier

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/tsdb"
)

// compacted is a store with a block of raw and a log that begins with a checkpoint, closed, changed, and opened again.
func compacted(t *testing.T, change func(t *testing.T, dir string)) (b *bundle, found *[]Damage) {
	t.Helper()
	found = new([]Damage)
	b = setup(t, func(o *Options) { o.Damaged = func(d Damage) { *found = append(*found, d) } })
	for ; b.now.Before(start.Add(5 * time.Hour)); b.now = b.now.Add(time.Minute) {
		b.put(sample(b.now, 1, "__name__", "x"))
		if b.now.Minute() == 0 {
			b.reopen() // a new file of the log
		}
	}
	if err := b.raw.Compact(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if len(*found) > 0 {
		t.Fatalf("before anything is damaged: %+v", *found)
	}
	change(t, filepath.Join(b.dir, "raw"))
	b.open()
	return b, found
}

// A damaged checkpoint is mended: the database by itself does not open, and throws away the log behind it.
func TestDamagedCheckpoint(t *testing.T) {
	const files = "wal/checkpoint.*/0*"
	for name, test := range map[string]struct {
		how   func(b []byte) []byte
		whole bool // it has all that it had: only padding is damaged
	}{
		"its first record": {how: func(b []byte) []byte { b[8] ^= 1; return b }},
		"its padding":      {how: func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, whole: true},
	} {
		t.Run(name, func(t *testing.T) {
			b, found := compacted(t, func(t *testing.T, dir string) {
				t.Helper()
				change(t, dir, files, test.how)
				copied := t.TempDir()
				if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
					t.Fatal(err)
				}
				if db, err := tsdb.Open(copied, nil, nil, tsdb.DefaultOptions(), nil); err == nil {
					t.Error("the database opens by itself: nothing has to be done", db.Close())
				}
			})
			if len(*found) != 1 || !strings.HasPrefix((*found)[0].File, "raw/wal/checkpoint.") || (*found)[0].Torn {
				t.Fatalf("%+v", *found)
			}
			blocks := b.raw.Blocks()
			end := time.UnixMilli(blocks[len(blocks)-1].MaxTime()).UTC()
			if d := (*found)[0]; !d.From.Equal(end) || d.To.Before(d.From) {
				t.Errorf("%+v, want from %v", d, end)
			}
			for range 2 {
				if n, warnings := b.count(start.Add(-time.Minute), end.Add(-time.Minute)); n != int(end.Sub(start).Minutes()) || len(warnings) > 0 {
					t.Errorf("of what is in blocks: %d samples, %q", n, warnings)
				}
				n, warnings := b.count(end.Add(-time.Second), start.Add(5*time.Hour))
				if test.whole != (n > 0) || len(warnings) != 1 || !strings.Contains(warnings[0], "raw/wal/checkpoint.") {
					t.Errorf("of what is not: %d samples, %q", n, warnings)
				}
				b.reopen()
			}
			b.put(sample(b.now, 3, "__name__", "x"))
			if len(*found) != 1 {
				t.Errorf("it is told again: %+v", *found)
			}
		})
	}
}
