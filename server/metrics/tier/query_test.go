package tier

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

func TestOneViewOfBothTiers(t *testing.T) {
	b := setup(t, nil)
	c := newCounters()
	b.feed(c, start.Add(3*time.Hour), true)
	end := start.Add(2*time.Hour + 30*time.Minute)
	raw := b.one(`sum(gabion_http_requests_total)`, end)
	long := b.one(`sum(gabion_http_requests_total:increase5m)`, end)
	if both := b.one(`sum(gabion_http_requests_total) + sum(gabion_http_requests_total:increase5m)`, end); both != raw+long {
		t.Errorf("%v, want %v", both, raw+long)
	}
	q, err := b.Querier(start.UnixMilli(), b.now.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	names, _, err := q.LabelValues(t.Context(), "__name__", nil)
	want := "gabion_http_requests_total gabion_http_requests_total:increase1h gabion_http_requests_total:increase5m gabion_rollup:samples1h gabion_rollup:samples5m"
	if got := strings.Join(names, " "); err != nil || got != want {
		t.Errorf("names: %s (%v), want %s", got, err, want)
	}
}

// A sample of a roll-up stands for two and a half steps; to the engine's own look-back the series would be full of gaps.
func TestRollUpsHaveNoGaps(t *testing.T) {
	b := setup(t, nil)
	b.now = start.Add(15 * 24 * time.Hour)
	b.feedLong("x:sum1h", time.Hour, 4)
	b.feedLong("x:sum5m", 5*time.Minute, 12)
	minutes := func(query string) int { return b.points(query, start, start.Add(8*time.Hour), time.Minute) }
	if got := minutes(`x:sum1h`); got != 3*60+150 {
		t.Errorf("a series of an hour's step has values at %d minutes, want %d", got, 3*60+150)
	}
	if got, want := minutes(`x:sum5m`), 11*5+13; got != want { // 12.5 minutes: until the twelfth
		t.Errorf("a series of five minutes' step has values at %d minutes, want %d", got, want)
	}
	if got := b.one(`sum_over_time(x:sum1h[4h])`, start.Add(3*time.Hour+time.Minute)); got != 1+2+3+4 {
		t.Errorf("samples of a range were repeated: their sum is %v", got)
	}
	if got := b.one(`count_over_time(x:sum1h[8h])`, start.Add(8*time.Hour-time.Minute)); got != 4 {
		t.Errorf("%v samples", got)
	}
	if got := b.one(`x:sum1h`, start.Add(3*time.Hour-time.Millisecond)); got != 3 {
		t.Errorf("just before the next: %v, want 3", got)
	}
	if got := b.one(`x:sum1h offset 2h`, start.Add(3*time.Hour+30*time.Minute)); got != 2 {
		t.Errorf("with an offset: %v, want 2", got)
	}
	if got := b.one(`max_over_time(x:sum1h[30m:1m])`, start.Add(2*time.Hour+45*time.Minute)); got != 3 {
		t.Errorf("in a subquery: %v, want 3", got)
	}

	// The negative twin: the tier by itself.
	q, err := b.engine.NewRangeQuery(context.Background(), b.long, nil, `x:sum1h`, start, start.Add(8*time.Hour), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	m, err := q.Exec(t.Context()).Matrix()
	if err != nil || count(m) != 4*5 {
		t.Errorf("without repeating there are values at %d minutes (%v): is it needed at all?", count(m), err)
	}
}

// feedLong writes a series of the long tier: 1, 2, 3 …, a sample a step.
func (b *bundle) feedLong(name string, step time.Duration, n int) {
	b.t.Helper()
	for i := range n {
		s := sample(start.Add(time.Duration(i)*step), float64(i+1), "__name__", name)
		if _, err := b.long.append(b.t.Context(), "test", window{0, s.At}, []Sample{s}); err != nil {
			b.t.Fatal(err)
		}
	}
}

func TestStretchOfNames(t *testing.T) {
	for name, want := range map[string]time.Duration{
		"a:increase5m": 12*time.Minute + 30*time.Second, "a:b:sum1h": 150 * time.Minute, "a:sum1d": 60 * time.Hour,
		"a:rate1h30m": 75 * time.Minute, // no step is named so
		"up":          0, "errors5m": 0, "a:increase": 0, "a:": 0, ":": 0, "a:5": 0, "a:increase5": 0, "a:99999999999999999999h": 0, "": 0, "a:5m": 12*time.Minute + 30*time.Second,
	} {
		if got := stretchOf(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestQueryLimits(t *testing.T) {
	b := setup(t, func(o *Options) {
		o.Query = QueryLimits{Samples: 50, Concurrency: 1, Queue: 1, Timeout: 50 * time.Millisecond}
	})
	b.put(many("a", 100, start)...)
	exec := func(query string) error {
		a, err := b.Instant(t.Context(), query, start, Asking{})
		if err == nil {
			a.Close()
		}
		return err
	}
	if err := exec(`orders`); !errors.As(err, new(promql.ErrTooManySamples)) {
		t.Errorf("too many samples: %v", err)
	}
	if err := exec(`orders{id="7"}`); err != nil {
		t.Errorf("a small query: %v", err)
	}

	// While another one runs it waits, and not for ever.
	if _, err := b.turnstile.Insert(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if err := exec(`orders{id="7"}`); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no place: %v", err)
	}
	b.turnstile.Delete(0)
	if err := exec(`orders{id="7"}`); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestTurnstile(t *testing.T) {
	ts := newTurnstile(QueryLimits{Concurrency: 1, Queue: 1})
	if _, err := ts.Insert(t.Context(), "runs"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { _, err := ts.Insert(ctx, "waits"); ended <- err }()
	for len(ts.waiting) < 2 {
		runtime.Gosched()
	}
	if _, err := ts.Insert(t.Context(), "a third"); !errors.Is(err, ErrBusy) {
		t.Errorf("a third: %v", err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the one that gave up: %v", err)
	}
	ts.Delete(0)
	if len(ts.waiting)+len(ts.places) != 0 {
		t.Error("places are lost")
	}
}

func TestClosed(t *testing.T) {
	b := setup(t, nil)
	q, err := b.Querier(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- b.Close() }()
	<-b.done
	if _, err := b.Querier(0, 1); !errors.Is(err, ErrClosed) {
		t.Errorf("query: %v", err)
	}
	if p := b.RollUp(t.Context(), b.now); !errors.Is(p.Err, ErrClosed) {
		t.Errorf("roll-up: %v", p.Err)
	}
	select {
	case <-closed:
		t.Error("closed under a query")
	default:
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := b.Append(ctx, "test", many("a", 1, start)); !errors.Is(err, ErrClosed) {
		t.Errorf("append: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

func TestAppendGivesUpItsTurn(t *testing.T) {
	b := setup(t, nil)
	if err := b.raw.take(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Append(ctx, "test", many("a", 1, start)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	b.raw.give()
	b.put(many("a", 1, start)...)
}

func TestRetention(t *testing.T) {
	b := setup(t, func(o *Options) { o.Raw.For = 6 * time.Hour })
	c := newCounters()
	for range 5 {
		b.feed(c, b.now.Add(4*time.Hour), false)
		if err := b.raw.Compact(t.Context()); err != nil {
			t.Fatal(err)
		}
		for b.roll().Behind > 0 {
		}
	}
	oldest, _ := b.raw.oldest()
	if age := b.now.Sub(time.UnixMilli(oldest)); age < 6*time.Hour || age > 12*time.Hour {
		t.Errorf("raw keeps %v", age)
	}
	b.agreesApart(c)
	if st := b.Status()[1]; st.Oldest.After(start.Add(time.Hour)) {
		t.Errorf("long begins at %v", st.Oldest)
	}
}

// agreesApart looks at a time that raw has forgotten.
func (b *bundle) agreesApart(c *counters) {
	b.t.Helper()
	from := start.Add(time.Hour)
	if found := b.ask(`gabion_http_requests_total`, from.Add(time.Hour)); len(found) != 0 {
		b.t.Errorf("raw still knows %v", found)
	}
	b.agrees(c, "5m", from, from.Add(2*time.Hour))
}

func TestSamplesThemselvesAreNotRepeated(t *testing.T) {
	b := setup(t, nil)
	b.feedLong("x:sum1h", time.Hour, 2)
	q, err := b.Querier(start.UnixMilli(), start.Add(8*time.Hour).UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	set := q.Select(t.Context(), true, nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", "x:sum1h"))
	n := 0
	for set.Next() {
		for it := set.At().Iterator(nil); it.Next() != 0; {
			n++
		}
	}
	if n != 2 || set.Err() != nil {
		t.Errorf("without hints (as for all samples) there are %d samples, %v", n, set.Err())
	}
}
