package window

import (
	"math/rand/v2"
	"testing"
)

func TestLastCountsTheLast(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	type call struct{ failed, slow bool }
	var all []call
	l := NewLast(7)
	for i := range 500 {
		if i%100 == 99 {
			n := 1 + random.IntN(12)
			l = l.Resized(n)
			all = all[max(0, len(all)-min(n, l.Counts().Calls)):] // what did not fit is forgotten
		}
		c := call{random.IntN(2) == 0, random.IntN(3) == 0}
		all = append(all, c)
		l.Add(c.failed, c.slow)
		var want Counts
		for _, c := range all[max(0, len(all)-cap(l.calls)):] {
			want.Calls++
			if c.failed {
				want.Failures++
			}
			if c.slow {
				want.Slow++
			}
		}
		if got := l.Counts(); got != want {
			t.Fatalf("after %d calls, of %d: %+v, want %+v", i+1, cap(l.calls), got, want)
		}
	}
	if l.Resized(cap(l.calls)) != l {
		t.Error("it is another one")
	}
}
