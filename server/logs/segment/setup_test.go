package segment

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/logs/entry"
)

func removeAll(t testing.TB, dir string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

func newRandom(seed uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // reproducible on purpose
}

var pieces = []string{
	"timeout", "Timeout", "order", "4711", "order-4711", "größe", "漢字", " ", "-", "\"", "\\", "\n", "\x00", "\x7f", "\xff", "\xf4\x8f\xbf\xbf", "\U0010ff80", "\U0010ff7f",
	"\U0001f600", "{", "}", ",", ":", "\u2028", "a", "ERROR", "\xed\xa0\x80", "%", strings.Repeat("long", 30),
}

func phrase(r *rand.Rand, most int) string {
	var b strings.Builder
	for range r.IntN(most + 1) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

// wild makes lines with everything that a text can have, in the order of a segment.
func wild(seed uint64, n int) []*entry.Entry {
	r := newRandom(seed)
	some := func(kind string, n int) string {
		if k := r.IntN(n + 1); k < n {
			return fmt.Sprintf("%s-%d", kind, k)
		}
		return phrase(r, 2)
	}
	all := make([]*entry.Entry, n)
	for i := range all {
		e := &entry.Entry{
			Time: r.Int64N(1000), Level: entry.Level(r.IntN(int(entry.Fatal) + 1)),
			Service: some("service", 4), Handler: some("handler", 6), Instance: some("instance", 3), Message: phrase(r, 6),
		}
		if r.IntN(3) > 0 {
			e.Trace, e.Span = some("trace", 40), some("span", 40)
		}
		for range r.IntN(4) {
			e.Attrs = append(e.Attrs, entry.Attr{Name: phrase(r, 1), Value: phrase(r, 3)})
		}
		all[i] = e
	}
	inOrder(all)
	return all
}

// made writes a segment of the lines, which are sorted, and opens it.
func made(t testing.TB, all []*entry.Entry, opt Options) *File {
	t.Helper()
	info, err := Write(t.TempDir(), "lines", slices.Values(all), opt)
	if err != nil {
		t.Fatal(err)
	}
	return opened(t, info.Path)
}

func opened(t testing.TB, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// got collects copies of lines, and errors.
func got(seq iter.Seq2[*entry.Entry, error]) (all []*entry.Entry, errs []error) {
	for e, err := range seq {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		c := *e
		c.Attrs = slices.Clone(e.Attrs)
		all = append(all, &c)
	}
	return all, errs
}

func whole(t testing.TB, seq iter.Seq2[*entry.Entry, error]) []*entry.Entry {
	t.Helper()
	all, errs := got(seq)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return all
}

// same compares lines; no attributes and none are the same.
func same(t testing.TB, got, want []*entry.Entry) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d", len(got), len(want))
	}
	for i := range got {
		if !equal(got[i], want[i]) {
			t.Fatalf("line %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

func equal(a, b *entry.Entry) bool {
	x, y := *a, *b
	x.Attrs, y.Attrs = nil, nil
	return reflect.DeepEqual(x, y) && slices.Equal(a.Attrs, b.Attrs)
}

// inOrder puts lines into the order of a segment; those of one service and time stay as they are.
func inOrder(all []*entry.Entry) {
	slices.SortStableFunc(all, func(a, b *entry.Entry) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), cmp.Compare(a.Time, b.Time))
	})
}

var everything = Query{From: math.MinInt64, To: math.MaxInt64, Columns: AllColumns}
