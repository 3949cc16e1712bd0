package segment

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// asked is a query and what it means, told without an index.
type asked struct {
	Query
	wants func(*entry.Entry) bool
}

// randomQuery asks for values that occur, mostly.
func randomQuery(r *rand.Rand, all []*entry.Entry) asked {
	some := all[r.IntN(len(all))]
	from := r.Int64N(1100) - 50
	a := asked{Query: Query{From: from, To: from + r.Int64N(600), Newest: r.IntN(2) == 0, Columns: AllColumns}}
	checks := []func(*entry.Entry) bool{func(e *entry.Entry) bool { return e.Time >= a.From && e.Time < a.To }}
	match := func(value string, of func(*entry.Entry) string) Match {
		switch r.IntN(6) {
		case 0:
			checks = append(checks, func(e *entry.Entry) bool { return of(e) == value })
			return Is(value)
		case 1:
			checks = append(checks, func(e *entry.Entry) bool { return of(e) >= value })
			return Where(func(s string) bool { return s >= value })
		}
		return Match{}
	}
	a.Service = match(some.Service, func(e *entry.Entry) string { return e.Service })
	a.Handler = match(some.Handler, func(e *entry.Entry) string { return e.Handler })
	a.Instance = match(some.Instance, func(e *entry.Entry) string { return e.Instance })
	a.Trace = match(some.Trace, func(e *entry.Entry) string { return e.Trace })
	if r.IntN(3) == 0 {
		a.Levels = LevelSet(some.Level, entry.Level(r.IntN(7)))
		checks = append(checks, func(e *entry.Entry) bool { return a.Levels.has(e.Level) })
	}
	if r.IntN(2) == 0 {
		term := "nowhere"
		if words := wordsOf(some); len(words) > 0 && r.IntN(4) > 0 {
			term = words[r.IntN(len(words))]
		}
		a.Terms = []string{upper(term)}
		a.Keep = func(e *entry.Entry) bool { return slices.Contains(wordsOf(e), term) }
		checks = append(checks, a.Keep)
	}
	a.wants = func(e *entry.Entry) bool {
		return !slices.ContainsFunc(checks, func(c func(*entry.Entry) bool) bool { return !c(e) })
	}
	return a
}

// upper puts ASCII letters into upper case and leaves all else, bytes that are no UTF-8 too.
func upper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] -= 'a' - 'A'
		}
	}
	return string(b)
}

func wordsOf(e *entry.Entry) []string {
	words := slices.Collect(entry.Words(e.Message))
	for _, a := range e.Attrs {
		words = slices.AppendSeq(words, entry.Words(a.Value))
	}
	return words
}

func (a *asked) naive(all []*entry.Entry) (want []*entry.Entry) {
	for _, e := range all {
		if a.wants(e) {
			want = append(want, e)
		}
	}
	slices.SortStableFunc(want, byTimeOnly)
	if a.Newest {
		slices.Reverse(want)
	}
	return want
}

// Nothing that is pruned would have been a hit.
func TestSelectFindsWhatIsThere(t *testing.T) {
	hits := 0
	for seed := range uint64(4) {
		all := wild(100+seed, 1500)
		f := made(t, all, Options{Rows: []int{16, 50, 400, 5000}[seed]})
		r := newRandom(seed)
		for range 500 {
			a := randomQuery(r, all)
			want := a.naive(all)
			same(t, whole(t, f.Select(t.Context(), a.Query)), want)
			hits += len(want)
		}
	}
	if hits < 5_000 {
		t.Errorf("only %d hits", hits)
	}
}

func TestCount(t *testing.T) {
	of := map[Column]func(*entry.Entry) string{
		ByService:  func(e *entry.Entry) string { return e.Service },
		ByHandler:  func(e *entry.Entry) string { return e.Handler },
		ByInstance: func(e *entry.Entry) string { return e.Instance },
		ByLevel:    func(e *entry.Entry) string { return e.Level.String() },
	}
	for seed := range uint64(3) {
		all := wild(200+seed, 1500)
		f := made(t, all, Options{Rows: []int{16, 200, 5000}[seed]})
		r := newRandom(seed)
		for range 250 {
			a := randomQuery(r, all)
			by, step := Column(r.IntN(4)), r.Int64N(3)*77
			want := make(map[string]int64)
			for _, e := range a.naive(all) {
				want[fmt.Sprintf("%d %s", bucket(e.Time, a.From, step), of[by](e))]++
			}
			for c, err := range f.Count(t.Context(), a.Query, by, step) {
				if err != nil {
					t.Fatal(err)
				}
				want[fmt.Sprintf("%d %s", c.Bucket, c.Value)] -= c.Lines
			}
			for key, n := range want {
				if n != 0 {
					t.Fatalf("%s is wrong by %d for %+v", key, n, a.Query)
				}
			}
		}
	}
}

// Filters are worth their bytes: a word or a trace that is nowhere reads hardly any row group.
func TestPruning(t *testing.T) {
	all := wild(300, 4000)
	f := made(t, all, Options{Rows: 40})
	read := func(q Query) (n int) {
		s := scan{file: f, ctx: t.Context(), query: &q}
		for i := range f.head.groups {
			if g := &f.head.groups[i]; s.may(g) && s.filtered(g) {
				n++
			}
		}
		return n
	}
	if n := read(everything); n != len(f.head.groups) {
		t.Errorf("%d of %d without a condition", n, len(f.head.groups))
	}
	for name, change := range map[string]func(*Query){
		"word":    func(q *Query) { q.Terms = []string{"absent"} },
		"words":   func(q *Query) { q.Terms = []string{"timeout absent"} },
		"trace":   func(q *Query) { q.Trace = Is("absent") },
		"service": func(q *Query) { q.Service = Is("zzz") },
		"time":    func(q *Query) { q.From = 1000 },
	} {
		q := everything
		change(&q)
		if n := read(q); n > len(f.head.groups)/20 {
			t.Errorf("%s: %d of %d row groups are read", name, n, len(f.head.groups))
		}
	}
}

func TestCancelled(t *testing.T) {
	f := made(t, wild(301, 500), Options{Rows: 50})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if all, errs := got(f.Select(ctx, everything)); len(all) > 0 || len(errs) != 1 || !errors.Is(errs[0], context.Canceled) {
		t.Errorf("%d lines, %v", len(all), errs)
	}
	if all, errs := got(f.All(ctx)); len(all) > 0 || len(errs) != 1 || !errors.Is(errs[0], context.Canceled) {
		t.Errorf("%d lines, %v", len(all), errs)
	}
	for _, err := range f.Count(ctx, everything, ByLevel, 0) {
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if _, err := f.Verify(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for range f.Select(t.Context(), everything) {
		break // must end without a panic
	}
}

func TestMerge(t *testing.T) {
	var files []*File
	var want []*entry.Entry
	for i := range uint64(5) {
		all := wild(400+i, int(i)*300)
		files = append(files, made(t, all, Options{Rows: 70}))
		want = append(want, all...)
	}
	inOrder(want) // it is stable, so lines of one service and time are in the order of the files
	info, err := Merge(t.Context(), files, t.TempDir(), "merged", Options{})
	if err != nil {
		t.Fatal(err)
	}
	same(t, whole(t, opened(t, info.Path).All(t.Context())), want)
}

// A file is used by many at once.
func TestAtOnce(t *testing.T) {
	all := wild(302, 800)
	f := made(t, all, Options{Rows: 50})
	var wg sync.WaitGroup
	for seed := range uint64(4) {
		wg.Go(func() {
			r := newRandom(seed)
			for range 20 {
				a := randomQuery(r, all)
				found, errs := got(f.Select(t.Context(), a.Query))
				if want := a.naive(all); len(errs) > 0 || !slices.EqualFunc(found, want, equal) {
					t.Errorf("%d lines, want %d, %v", len(found), len(want), errs)
				}
			}
		})
	}
	wg.Wait()
}
