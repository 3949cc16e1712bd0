package quantile

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBuckets(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 16, 17, 31, 32, 33, time.Microsecond, time.Millisecond, time.Second, 10 * time.Minute} {
		i := bucket(d)
		if end := upper(i); end < d || i > 0 && upper(i-1) > d {
			t.Errorf("%v is in bucket %d, up to %v", d, i, end)
		}
	}
	if bucket(100*time.Hour) != octaves*fine-1 || bucket(-1) != 0 {
		t.Error("what is outside")
	}
}

func TestQuantiles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var e Estimate
	var all []time.Duration
	for range 20_000 {
		d := time.Duration(random.ExpFloat64() * float64(20*time.Millisecond))
		all = append(all, d)
		e.Observe(d)
	}
	slices.Sort(all)
	now := time.Hour
	for _, q := range []float64{0.1, 0.5, 0.9, 0.95, 0.99} {
		now += time.Second
		got, known := e.Of(q, now)
		want := all[int(q*float64(len(all)))]
		if ratio := float64(got) / float64(want); ratio < 1-1./fine || ratio > 1+1.5/fine || known != 20_000 {
			t.Errorf("%v: %v of %d, want %v", q, got, known, want)
		}
	}
}

func TestItForgets(t *testing.T) {
	var e Estimate
	now := time.Hour
	if d, known := e.Of(0.5, now); d != 0 || known != 0 {
		t.Errorf("nothing was observed: %v of %d", d, known)
	}
	for range 1000 {
		e.Observe(time.Second)
	}
	now += time.Second
	e.Of(0.5, now)
	for range 100 {
		now += halfLife
		for range 100 {
			e.Observe(time.Millisecond)
		}
		e.Of(0.5, now)
	}
	if d, known := e.Of(0.95, now+time.Second); d > 2*time.Millisecond || known > 300 {
		t.Errorf("%v of %d", d, known)
	}
	if d, known := e.Of(0.95, now+24*time.Hour); known != 0 {
		t.Errorf("after a day: %v of %d", d, known)
	}
}

func TestAnswersAreKept(t *testing.T) {
	var e Estimate
	e.Observe(time.Millisecond)
	first, _ := e.Of(0.5, time.Hour)
	for range 100 {
		e.Observe(time.Second)
	}
	if again, _ := e.Of(0.5, time.Hour+refresh/2); again != first {
		t.Errorf("%v, then %v", first, again)
	}
	if later, _ := e.Of(0.5, time.Hour+refresh); later == first {
		t.Error("it stays for ever")
	}
}
