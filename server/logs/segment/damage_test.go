package segment

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// copied makes a copy of a segment in which change has changed one of the files.
func copied(t *testing.T, f *File, suffix string, change func([]byte) []byte) string {
	t.Helper()
	dir := t.TempDir()
	for _, s := range []string{Suffix, SidecarSuffix} {
		b, err := os.ReadFile(strings.TrimSuffix(f.path, Suffix) + s)
		if err != nil {
			t.Fatal(err)
		}
		if s == suffix {
			b = change(b)
		}
		if err := os.WriteFile(filepath.Join(dir, "x"+s), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "x"+Suffix)
}

// lost checks that each line is either given as it was or within a range that is reported, and returns the reports.
func lost(t *testing.T, path string, all []*entry.Entry) []*DamageError {
	t.Helper()
	f := opened(t, path)
	given, errs := got(f.All(t.Context()))
	var ranges []*DamageError
	for _, err := range errs {
		d, ok := errors.AsType[*DamageError](err)
		if !ok {
			t.Fatalf("%v is no damage", err)
		}
		ranges = append(ranges, d)
	}
	for row, e := range all {
		missing := slices.ContainsFunc(ranges, func(d *DamageError) bool {
			in := int64(row) >= d.FirstRow && int64(row) < d.FirstRow+d.Rows
			if in && (e.Time < d.MinTime || e.Time > d.MaxTime || e.Service < d.FirstService || e.Service > d.LastService) {
				t.Errorf("row %d is outside of the range told by %v", row, d)
			}
			return in
		})
		if missing {
			continue
		}
		if len(given) == 0 || !equal(given[0], e) {
			t.Fatalf("row %d is wrong or missing, reported is %v", row, ranges)
		}
		given = given[1:]
	}
	if len(given) > 0 {
		t.Fatalf("%d lines too many", len(given))
	}
	byTime, _ := got(f.Select(t.Context(), everything))
	n := int64(0)
	for _, d := range ranges {
		n += d.Rows
	}
	if int64(len(byTime))+n != int64(len(all)) {
		t.Fatalf("%d lines by time, %d are lost of %d", len(byTime), n, len(all))
	}
	found, err := f.Verify(t.Context())
	if err != nil || len(ranges) > len(found) {
		t.Errorf("%v are found by Verify, %v when read; %v", found, ranges, err)
	}
	return found
}

// A flipped bit anywhere in the Parquet file is found, and costs one row group at most.
func TestFlippedBits(t *testing.T) {
	all := wild(500, 1200)
	f := made(t, all, Options{Rows: 100})
	size := int(f.head.size)
	r := newRandom(500)
	hurt := 0
	for i := range 100 {
		at := r.IntN(size)
		if i < 8 {
			at = []int{0, 3, 4, size - 1, size - 5, size - 8, size - 9, int(f.head.tail.off)}[i]
		}
		path := copied(t, f, Suffix, func(b []byte) []byte {
			b[at] ^= 1 << r.IntN(8)
			return b
		})
		found := lost(t, path, all)
		if len(found) != 1 || found[0].Rows > 100 {
			t.Fatalf("a bit at %d of %d: %v", at, size, found)
		}
		hurt += btoi(found[0].Rows > 0)
	}
	if hurt < 40 {
		t.Errorf("only %d hurt a line", hurt)
	}
}

func TestTruncated(t *testing.T) {
	all := wild(501, 1200)
	f := made(t, all, Options{Rows: 100})
	r := newRandom(501)
	for range 40 {
		n := r.IntN(int(f.head.size))
		path := copied(t, f, Suffix, func(b []byte) []byte { return b[:n] })
		if found := lost(t, path, all); len(found) == 0 {
			t.Fatalf("cut at %d of %d, and nothing is found", n, f.head.size)
		}
	}
	longer := copied(t, f, Suffix, func(b []byte) []byte { return append(b, 'x') })
	if found := lost(t, longer, all); len(found) != 1 || found[0].Rows != 0 {
		t.Errorf("a byte too many: %v", found)
	}
}

// A damaged sidecar either does no harm or is no sidecar, and can be made again.
func TestDamagedSidecar(t *testing.T) {
	all := wild(502, 1200)
	f := made(t, all, Options{Rows: 100})
	r := newRandom(502)
	refused := 0
	for i := range 100 {
		path := copied(t, f, SidecarSuffix, func(b []byte) []byte {
			if i%5 == 0 {
				return b[:r.IntN(len(b))]
			}
			at := r.IntN(len(b))
			if i%2 == 0 { // the head is small
				at = len(b) - 1 - r.IntN(1500)
			}
			b[at] ^= 1 << r.IntN(8)
			return b
		})
		if damaged, err := Open(path); err != nil {
			if !errors.Is(err, ErrIncomplete) {
				t.Fatal(err)
			}
			refused++
			if _, err := Rebuild(path); err != nil {
				t.Fatal(err)
			}
			if found := lost(t, path, all); len(found) > 0 {
				t.Fatal(found)
			}
			continue
		} else {
			damaged.Close()
		}
		if found := lost(t, path, all); len(found) != 1 || found[0].Rows > 0 {
			t.Fatalf("%v", found)
		}
		damaged := opened(t, path)
		for range 5 {
			a := randomQuery(r, all)
			same(t, whole(t, damaged.Select(t.Context(), a.Query)), a.naive(all))
		}
	}
	if refused < 25 || refused > 95 {
		t.Errorf("%d of 100 are refused", refused)
	}
}

// Without its sidecar, nothing vouches for a Parquet file but what it has in itself.
func TestRebuildOfDamaged(t *testing.T) {
	all := wild(503, 1200)
	f := made(t, all, Options{Rows: 100})
	r := newRandom(503)
	refused := 0
	for i := range 80 {
		path := copied(t, f, Suffix, func(b []byte) []byte {
			if i%10 == 0 {
				return b[:r.IntN(len(b))]
			}
			at := r.IntN(len(b))
			if i%3 == 0 { // the footer
				at = len(b) - 1 - r.IntN(int(f.head.footer.size))
			}
			b[at] ^= 1 << r.IntN(8)
			return b
		})
		if err := os.Remove(sidecarPath(path)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); !errors.Is(err, ErrIncomplete) {
			t.Fatal(err)
		}
		if _, err := Rebuild(path); err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			refused++
			continue
		}
		if found := lost(t, path, all); len(found) > 0 {
			t.Fatal(found)
		}
	}
	if refused < 50 {
		t.Errorf("only %d of 80 are refused", refused)
	}
}

// The worst case: the footer and its copy. All lines are reported.
func TestNoFooter(t *testing.T) {
	all := wild(504, 300)
	f := made(t, all, Options{Rows: 100})
	path := copied(t, f, Suffix, func(b []byte) []byte { b[len(b)-20]++; return b })
	b, err := os.ReadFile(sidecarPath(path))
	if err != nil {
		t.Fatal(err)
	}
	b[f.head.footer.off]++
	if err := os.WriteFile(sidecarPath(path), b, 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := opened(t, path)
	given, errs := got(damaged.Select(t.Context(), everything))
	if len(given) > 0 || len(errs) != 1 || !strings.Contains(errs[0].Error(), "300 lines") {
		t.Errorf("%d lines, %v", len(given), errs)
	}
	if found, err := damaged.Verify(t.Context()); err != nil || len(found) != 1 || found[0].Rows != 300 {
		t.Error(found, err)
	}
	dir := t.TempDir()
	if _, err := Merge(t.Context(), []*File{f, damaged}, dir, "x", Options{}); err == nil {
		t.Error("a damaged file was merged")
	}
	if names, _ := filepath.Glob(dir + "/*"); len(names) > 0 {
		t.Errorf("%v are left", names)
	}
}
