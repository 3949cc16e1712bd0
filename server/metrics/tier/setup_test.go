package tier

import (
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// start is where the tests' time begins: a full hour.
var start = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

// bench is a store whose time stands still until a test moves it.
type bundle struct {
	*Store
	t   *testing.T
	dir string
	now time.Time
	opt Options
}

func setup(t *testing.T, change func(*Options)) *bundle {
	t.Helper()
	b := &bundle{t: t, dir: t.TempDir(), now: start}
	b.opt = Options{Now: func() time.Time { return b.now }, Monotonic: func() time.Duration { return b.now.Sub(start) + time.Hour }}
	if change != nil {
		change(&b.opt)
	}
	b.open()
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *bundle) open() {
	b.t.Helper()
	s, err := Open(b.dir, b.opt)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Store = s
}

func (b *bundle) reopen() {
	b.t.Helper()
	if err := b.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.open()
}

// put appends one batch and wants all of it taken.
func (b *bundle) put(batch ...Sample) {
	b.t.Helper()
	dropped, err := b.Append(b.t.Context(), "test", batch)
	if err != nil || dropped.Samples > 0 {
		b.t.Fatalf("append: %v, dropped: %v", err, dropped)
	}
}

// try appends one sample and returns why it was dropped, "" when it was not.
func (b *bundle) try(s Sample) string {
	b.t.Helper()
	dropped, err := b.Append(b.t.Context(), "test", []Sample{s})
	if err != nil {
		b.t.Fatal(err)
	}
	for r, n := range dropped.ByReason {
		if n > 0 {
			return Reason(r).String()
		}
	}
	return ""
}

func sample(at time.Time, value float64, pairs ...string) Sample {
	return Sample{Labels: labels.FromStrings(pairs...), At: at.UnixMilli(), Value: value}
}

func many(service string, n int, at time.Time) []Sample {
	batch := make([]Sample, n)
	for i := range batch {
		batch[i] = sample(at, 1, "__name__", "orders", "id", strconv.Itoa(i), "service", service)
	}
	return batch
}

// ask evaluates at a moment and returns the values by labels.
func (b *bundle) ask(query string, at time.Time) map[string]float64 {
	b.t.Helper()
	a, err := b.Instant(b.t.Context(), query, at, Asking{})
	if err != nil {
		b.t.Fatalf("%s: %v", query, err)
	}
	defer a.Close()
	found := map[string]float64{}
	for _, s := range a.Value.(promql.Vector) {
		found[s.Metric.String()] = s.F
	}
	return found
}

// one is the value of a query that finds one series.
func (b *bundle) one(query string, at time.Time) float64 {
	b.t.Helper()
	found := b.ask(query, at)
	if len(found) != 1 {
		b.t.Fatalf("%s found %v, want one series", query, found)
	}
	for _, v := range found {
		return v
	}
	return 0
}

// points is how many values a range query finds in all.
func (b *bundle) points(query string, from, to time.Time, step time.Duration) int {
	b.t.Helper()
	a, err := b.Range(b.t.Context(), query, from, to, step, Asking{})
	if err != nil {
		b.t.Fatalf("%s: %v", query, err)
	}
	defer a.Close()
	return count(a.Value.(promql.Matrix))
}

func count(m promql.Matrix) int {
	n := 0
	for _, s := range m {
		n += len(s.Floats) + len(s.Histograms)
	}
	return n
}
