package segment

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// counted are the lines by the values of a column.
func counted(t *testing.T, f *File, q Query, by Column) map[string]int64 {
	t.Helper()
	n := make(map[string]int64)
	for c, err := range f.Count(t.Context(), q, by, 0) {
		if err != nil {
			t.Fatal(err)
		}
		n[c.Value] += c.Lines
	}
	return n
}

// What the sidecar knows is what the columns say, and it is worth having: the Parquet file is not read.
func TestTalliesAreTheColumns(t *testing.T) {
	all := wild(400, 3000)
	f := made(t, all, Options{Rows: 100})
	bare := copied(t, f, Suffix, func(b []byte) []byte {
		clear(b[magicSize : len(b)-1000]) // no column can be read
		return b
	})
	for by := ByService; by <= ByLevel; by++ {
		want := make(map[string]int64)
		for _, e := range all {
			want[by.of(e)]++
		}
		if got := counted(t, opened(t, bare), everything, by); !maps.Equal(got, want) {
			t.Errorf("by %d: %v, want %v", by, got, want)
		}
	}
	q := everything
	q.Handler = Is(all[7].Handler)
	if got := counted(t, opened(t, bare), q, ByHandler); len(got) != 1 || got[all[7].Handler] == 0 {
		t.Errorf("by the handler %q: %v", all[7].Handler, got)
	}
	for _, err := range opened(t, bare).Count(t.Context(), q, ByLevel, 0) {
		if err == nil {
			t.Fatal("what the sidecar cannot know was answered by it")
		}
	}
}

// Damaged counts are not used, and reported by Verify.
func TestDamagedTallies(t *testing.T) {
	all := wild(401, 300)
	f := made(t, all, Options{Rows: 50})
	want := counted(t, f, everything, ByHandler)
	g := f.head.groups[2]
	path := copied(t, f, SidecarSuffix, func(b []byte) []byte {
		b[g.tallies.off+g.tallies.size-1] ^= 1
		return b
	})
	damaged := opened(t, path)
	if got := counted(t, damaged, everything, ByHandler); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	found, err := damaged.Verify(t.Context())
	if err != nil || len(found) != 1 || found[0].Part != "counts of row group 2" || found[0].Rows != 0 {
		t.Errorf("%v, %v", found, err)
	}
}

// A column of very many values is not counted in the sidecar, and still right.
func TestManyValuesAreNotTallied(t *testing.T) {
	var all []*entry.Entry
	for i := range maxTallied + 10 {
		all = append(all, &entry.Entry{Time: int64(i), Service: "a", Handler: fmt.Sprintf("%08d", i), Instance: fmt.Sprint(i % maxTallied)})
	}
	f := made(t, all, Options{})
	b, err := f.head.groups[0].tallies.read(f.sidecar)
	if err != nil {
		t.Fatal(err)
	}
	for by, want := range map[Column]bool{ByService: true, ByHandler: false, ByInstance: true, ByLevel: true} {
		if _, _, ok := readTallied(b, by); ok != want {
			t.Errorf("by %d: %v", by, ok)
		}
		if got := counted(t, f, everything, by); len(got) != map[Column]int{ByService: 1, ByHandler: len(all), ByInstance: maxTallied, ByLevel: 1}[by] {
			t.Errorf("by %d: %d values", by, len(got))
		}
	}
}

func FuzzTallies(f *testing.F) {
	var t tallies
	for _, e := range wild(402, 20) {
		t.add(e)
	}
	f.Add(t.append(nil))
	f.Add([]byte{0, 1, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		for by := ByService; by <= ByLevel; by++ {
			values, counts, ok := readTallied(b, by)
			if len(values) != len(counts) || len(values) > maxTallied {
				t.Errorf("%d values, %d counts", len(values), len(counts))
			}
			if ok && slices.ContainsFunc(counts, func(n int64) bool { return n < 0 || n > maxRows }) {
				t.Errorf("%v", counts)
			}
		}
	})
}

// Of one service, the counts by level tell how many lines there are of some levels.
func TestTalliesOfOneService(t *testing.T) {
	var all []*entry.Entry
	for i := range 700 {
		all = append(all, &entry.Entry{Time: int64(i), Service: "a", Level: entry.Level(i % 7)})
	}
	f := made(t, all, Options{Rows: 70})
	bare := copied(t, f, Suffix, func(b []byte) []byte {
		clear(b[magicSize : len(b)-1000])
		return b
	})
	q := everything
	q.Levels, q.Service = LevelSet(entry.Error, entry.Fatal), Is("a")
	if got := counted(t, opened(t, bare), q, ByService); !maps.Equal(got, map[string]int64{"a": 200}) {
		t.Errorf("%v", got)
	}
}
