package balance

import (
	"math/rand/v2"
	"testing"
)

func BenchmarkPick(b *testing.B) {
	for _, kind := range kinds {
		b.Run(kind, func(b *testing.B) {
			c := newCrew(kind, 1, 1, 1)
			s := New(kind, c.members, []int{1, 1, 1}, 0, rand.Uint64)
			b.ReportAllocs()
			for i := range b.N {
				s.Pick(start, uint64(i), nil)
			}
		})
	}
}
