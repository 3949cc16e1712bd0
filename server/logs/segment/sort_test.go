package segment

import (
	"slices"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// Lines of several who send at the same time, with runs that follow each other, overlap or begin at the same time.
func TestSortRuns(t *testing.T) {
	r := newRandom(9)
	for range 200 {
		var all []*entry.Entry
		for range r.IntN(8) {
			at, step := r.Int64N(6)*10, r.Int64N(3)
			for range r.IntN(12) {
				all = append(all, &entry.Entry{Service: []string{"a", "b"}[r.IntN(2)], Time: at})
				at += step
			}
		}
		want := slices.Clone(all)
		slices.SortStableFunc(want, func(a, b *entry.Entry) int {
			if c := strings.Compare(a.Service, b.Service); c != 0 {
				return c
			}
			return byTimeOnly(a, b)
		})
		if Sort(all); !slices.Equal(all, want) {
			t.Fatal("another order")
		}
	}
}
