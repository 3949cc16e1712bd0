package store

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/logql"
)

// Whatever is done to a store, and whenever it crashes: queries give what was appended, each line once, by time.
func TestAnswersAreThoseOfAList(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := &random{Rand: rand.New(rand.NewPCG(seed, 1))}
			c := &clock{start}
			dir := t.TempDir()
			o := Options{Where: "level>=error or tag:audit", Now: c.Now}
			s := open(t, dir, o)
			var lines []entry.Entry
			for range 40 {
				switch r.IntN(8) {
				case 0, 1, 2:
					some := r.lines(1+r.IntN(40), c.now)
					add(t, s, some...)
					lines = append(lines, some...)
				case 3, 4:
					sealNow(t, s)
				case 5:
					if err := s.tendOnce(t.Context()); err != nil {
						t.Fatal(err)
					}
				case 6:
					dir = copyDir(t, dir)
					s = open(t, dir, o)
				case 7: // a flood: many segments in one hour
					for range mergeMost {
						some := r.lines(1+r.IntN(3), c.now)
						add(t, s, some...)
						lines = append(lines, some...)
						sealNow(t, s)
					}
				}
				c.now = c.now.Add(time.Duration(r.IntN(3000)) * time.Second)
				compare(t, s, lines, r.query(c.now))
			}
			compare(t, s, lines, everything())
			if damaged := s.Status().Damaged; damaged != 0 {
				t.Errorf("%d damaged parts", damaged)
			}
		})
	}
}

// query asks for something.
func (r *random) query(now time.Time) logql.Query {
	q := everything()
	q.Forward = r.IntN(2) == 0
	if r.IntN(2) == 0 {
		q.From = now.Add(-time.Duration(r.IntN(20000)) * time.Second).UnixNano()
		q.To = q.From + int64(r.IntN(8000))*int64(time.Second)
	}
	for _, m := range [][3]string{
		{"service", "=", "service-1"},
		{"service", "=~", "service-[02]"},
		{"handler", "=", ""},
		{"handler", "!=", "/a"},
		{"tag", "=", "audit"},
		{"service_name", "!=", "service-0"},
		{"instance", "=", ""},
		{"trace_id", "=~", ".+"},
		{"level", "!=", "info"},
		{"detected_level", "=~", "error|debug"},
	} {
		if r.IntN(8) == 0 {
			q.Matchers = append(q.Matchers, must(logql.NewMatcher(m[0], m[1], m[2])))
		}
	}
	if r.IntN(3) == 0 {
		q.Levels = logql.LevelSet(r.IntN(int(logql.AllLevels) + 1))
	}
	return q
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func compare(t *testing.T, s *Store, lines []entry.Entry, q logql.Query) {
	t.Helper()
	want := model(lines, q)
	var got []entry.Entry
	for e, err := range s.Select(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		if q.Match(e) {
			one := *e
			one.Attrs = slices.Clone(e.Attrs)
			got = append(got, one)
		}
	}
	for i := 1; i < len(got); i++ {
		if byTime(&got[i-1], &got[i], q.Forward) > 0 {
			t.Fatalf("%+v: line %d is out of order", q, i)
		}
	}
	text := func(a, b entry.Entry) int { return cmp.Compare(a.Message, b.Message) }
	slices.SortFunc(got, text)
	slices.SortFunc(want, text)
	if !slices.EqualFunc(got, want, func(a, b entry.Entry) bool {
		return a.Time == b.Time && a.Level == b.Level && a.Service == b.Service && a.Handler == b.Handler && a.Message == b.Message && slices.Equal(a.Attrs, b.Attrs)
	}) {
		t.Fatalf("%+v: %d lines, want %d", q, len(got), len(want))
	}
	compareCounts(t, s, want, q)
}

func compareCounts(t *testing.T, s *Store, want []entry.Entry, q logql.Query) {
	t.Helper()
	const width = int64(10 * time.Minute)
	if q.From < 0 {
		q.From = start.Add(-24 * time.Hour).UnixNano()
	}
	for _, labels := range [][]string{{"service"}, {"handler"}, {"level"}, {"level", "service"}, {"handler", "level"}, nil} {
		by := strings.Join(labels, ",")
		counts, ok := s.Count(t.Context(), q, labels, width)
		if !ok {
			if !slices.ContainsFunc(q.Matchers, func(m *logql.Matcher) bool { return !inColumn(m.Name) }) {
				t.Fatalf("%+v: cannot count by %q", q, by)
			}
			continue
		}
		got, model := map[string]int64{}, map[string]int64{}
		for c, err := range counts {
			if err != nil {
				t.Fatal(err)
			}
			got[fmt.Sprint(c.Bucket, c.Values)] += c.Lines
		}
		for i := range want {
			e := &want[i]
			var values []string
			for _, label := range labels {
				values = append(values, logql.Lookup(e, label))
			}
			model[fmt.Sprint((e.Time-q.From)/width, values)]++
		}
		if !maps.Equal(got, model) {
			t.Fatalf("%+v: counted by %q\n%v, want\n%v", q, by, got, model)
		}
	}
}
