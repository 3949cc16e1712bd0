package tier

import (
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// Whatever is sent in whatever order, every value lands in its own series.
func TestRecallNeverMixesSeries(t *testing.T) {
	b := setup(t, nil)
	r := rand.New(rand.NewPCG(3, 5))
	want := map[string]float64{}
	order := r.Perm(40)
	for round := range 120 {
		b.now = b.now.Add(time.Second)
		switch r.IntN(4) { // mostly the same as before
		case 0:
			order = r.Perm(40)[:r.IntN(40)]
		case 1:
			if len(order) > 0 {
				i := r.IntN(len(order))
				order = append(order[:i:i], order[i+1:]...)
			}
		}
		var batch []Sample
		for _, i := range order {
			s := sample(b.now, float64(round*100+i), "__name__", "v", "id", strconv.Itoa(i))
			want[s.Labels.String()] = s.Value
			batch = append(batch, s)
		}
		if _, err := b.Append(t.Context(), "p"+strconv.Itoa(r.IntN(2)), batch); err != nil {
			t.Fatal(err)
		}
	}
	got := b.ask(`v`, b.now)
	for series, v := range want {
		if got[series] != v {
			t.Errorf("%s = %v, want %v", series, got[series], v)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d series, want %d", len(got), len(want))
	}
}

func TestRecallIsBounded(t *testing.T) {
	b := setup(t, nil)
	for i := range recallProducers + 20 {
		b.now = b.now.Add(time.Second)
		if _, err := b.Append(t.Context(), strconv.Itoa(i), many("a", 3, b.now)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(b.raw.recall.producers); n != recallProducers {
		t.Errorf("%d producers are recalled", n)
	}
}

func TestRecallIsBoundedInAll(t *testing.T) {
	r := recall{deaths: new(atomic.Uint64)}
	for i := range 40 {
		s := r.begin(strconv.Itoa(i % 20))
		for range recallSeries + i - 10 {
			s.learn(recalled{})
		}
		r.end(strconv.Itoa(i%20), &s)
		sum := 0
		for _, all := range r.producers {
			sum += len(all)
		}
		if sum != r.total || sum > recallTotal || len(r.producers[strconv.Itoa(i%20)]) == 0 {
			t.Fatalf("%d: %d series are recalled, counted as %d", i, sum, r.total)
		}
	}
}

// What is refused of a new series is refused of one that was there in the batch before.
func TestSeriesThatAreRecalledAreGuarded(t *testing.T) {
	b := setup(t, nil)
	up := func(at time.Time, v float64) Sample { return sample(at, v, "__name__", "up") }
	b.put(up(start, 1))
	for _, c := range []struct {
		sample Sample
		want   string
	}{
		{up(start.Add(2*time.Minute+time.Millisecond), 1), "future"},
		{up(start.Add(-time.Hour-time.Millisecond), 1), "too_old"},
		{up(start.Add(-11*time.Minute), 1), "too_old"},
		{up(start, 2), "duplicate"},
		{up(start, 1), ""},
		{up(start.Add(2*time.Minute), 1), ""},
	} {
		if got := b.try(c.sample); got != c.want {
			t.Errorf("%v at %v: %q, want %q", c.sample.Value, time.UnixMilli(c.sample.At).Sub(start), got, c.want)
		}
		if n := len(b.raw.recall.producers["test"]); n > 1 {
			t.Fatalf("%d series are recalled", n)
		}
		b.put(up(start, 1)) // it is expected again
	}
}

// A series that comes in between does not make those behind it be forgotten.
func TestRecallOfAllOfABatch(t *testing.T) {
	b := setup(t, nil)
	for round, ids := range []string{"abc", "axbc", "axbc", "xbc", "xabc", "xabc"} {
		b.now = b.now.Add(time.Second)
		var batch []Sample
		for _, id := range ids {
			batch = append(batch, sample(b.now, 1, "__name__", "v", "id", string(id)))
		}
		b.put(batch...)
		got := ""
		for _, r := range b.raw.recall.producers["test"] {
			got += r.labels.Get("id")
		}
		if got != ids {
			t.Errorf("batch %d: %q is recalled, want %q", round, got, ids)
		}
	}
}
