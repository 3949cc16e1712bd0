package store

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// A copy has the same lines, those of a service together and in their order, and shares no memory with what it was made of.
func TestClone(t *testing.T) {
	r := &random{Rand: rand.New(rand.NewPCG(1, 1))}
	for _, n := range []int{0, 1, 2, 500} {
		lines := r.lines(n, start)
		source := strings.Repeat("x", 1<<16)
		for i := range lines {
			e := &lines[i]
			e.Trace, e.Span = source[:r.IntN(33)], source[:r.IntN(17)]
			e.Attrs = append(e.Attrs, entry.Attr{Name: "user", Value: source[:r.IntN(9)]}, entry.Attr{})
			e.Handler = source[:r.IntN(3)]
		}
		want := slices.Clone(lines)
		own, place := clone(lines)
		if len(own) != n || place != nil && len(place) != n {
			t.Fatalf("of %d lines %d", n, len(own))
		}
		last := map[string]int{}
		for i := range want {
			at := i
			if place != nil {
				at = int(place[i])
			}
			got := own[at]
			if !slices.Equal(got.Attrs, want[i].Attrs) {
				t.Fatalf("line %d has %v, want %v", i, got.Attrs, want[i].Attrs)
			}
			if before, ok := last[got.Service]; ok && at != before+1 {
				t.Fatalf("line %d of %s is at %d, the one before at %d", i, got.Service, at, before)
			}
			last[got.Service] = at
			for _, s := range []string{got.Trace, got.Span, got.Handler, got.Attrs[len(got.Attrs)-2].Value} {
				if within(s, source) {
					t.Fatalf("line %d shares memory with what it was made of", i)
				}
			}
			got.Attrs, want[i].Attrs = nil, nil
			if got.Time != want[i].Time || got.Message != want[i].Message || got.Trace != want[i].Trace || got.Span != want[i].Span || got.Handler != want[i].Handler {
				t.Fatalf("line %d is %+v, want %+v", i, got, want[i])
			}
		}
	}
}

func within(s, source string) bool {
	at := uintptr(unsafe.Pointer(unsafe.StringData(s)))
	from := uintptr(unsafe.Pointer(unsafe.StringData(source)))
	return s != "" && at >= from && at < from+uintptr(len(source))
}

// Who follows gets lines in the order in which they came.
func TestFollowedInOrder(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	followed, err := s.Subscribe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var lines []entry.Entry
	for i := range 9 {
		lines = append(lines, line(start, entry.Info, []string{"a", "b", "c"}[i%3], strings.Repeat("x", i)))
	}
	add(t, s, lines...)
	for i := range lines {
		if e := <-followed.Entries(); e.Message != lines[i].Message || e.Service != lines[i].Service {
			t.Fatalf("line %d is %+v", i, e)
		}
	}
}
