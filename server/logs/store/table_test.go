package store

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/internal/packed"
)

// Lines of several who send at the same time, with runs that follow each other, overlap or begin at the same time, come in the order of a segment, and
// those of one service and time as they came.
func TestSorted(t *testing.T) {
	r := &random{Rand: rand.New(rand.NewPCG(9, 1))}
	for range 200 {
		var want []entry.Entry
		var chunks []*packed.Lines
		for range r.IntN(8) {
			at, step := r.Int64N(6)*10, r.Int64N(3)
			var lines []entry.Entry
			for range r.IntN(12) {
				lines = append(lines, entry.Entry{Service: []string{"b", "a", ""}[r.IntN(3)], Time: at, Message: strconv.Itoa(len(want) + len(lines))})
				at += step
			}
			chunks = append(chunks, packed.Pack(lines, func(e *entry.Entry) bool { return e.Time%2 == 0 }))
			want = append(want, lines...)
		}
		slices.SortStableFunc(want, func(a, b entry.Entry) int {
			return cmp.Or(strings.Compare(a.Service, b.Service), cmp.Compare(a.Time, b.Time))
		})
		for _, marked := range []bool{false, true} {
			var got []string
			for e := range read(chunks, sorted(chunks, marked)) {
				got = append(got, e.Message)
			}
			var texts []string
			for i := range want {
				if !marked || want[i].Time%2 == 0 {
					texts = append(texts, want[i].Message)
				}
			}
			if !slices.Equal(got, texts) {
				t.Fatalf("%q, want %q", got, texts)
			}
		}
	}
}

// Times at the ends of their range are in order, too.
func TestSortedFar(t *testing.T) {
	times := []int64{math.MaxInt64, math.MinInt64, 0, -1, math.MinInt64 + 1}
	var chunks []*packed.Lines
	for _, at := range times {
		chunks = append(chunks, packed.Pack([]entry.Entry{{Time: at}}, nil))
	}
	var got []int64
	for e := range read(chunks, sorted(chunks, false)) {
		got = append(got, e.Time)
	}
	if !slices.IsSorted(got) || len(got) != len(times) {
		t.Errorf("%d", got)
	}
}

// Who follows gets copies of the lines in the order in which they came.
func TestFollowedInOrder(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	followed, err := s.Subscribe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var lines []entry.Entry
	for i := range 9 {
		lines = append(lines, line(start, entry.Info, []string{"a", "b", "c"}[i%3], strings.Repeat("x", i)))
		lines[i].Attrs = []entry.Attr{{Name: "handler", Value: "/" + lines[i].Service}}
	}
	want := slices.Clone(lines)
	add(t, s, lines...)
	for i := range want {
		lines[i].Attrs[0].Value = "used again"
		if e := <-followed.Entries(); e.Message != want[i].Message || e.Service != want[i].Service || e.Handler != "/"+e.Service || e.Attrs[0].Value != e.Handler {
			t.Fatalf("line %d is %+v", i, e)
		}
	}
}
