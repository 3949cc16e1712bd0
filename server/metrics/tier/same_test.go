package tier

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
)

// plainly is both tiers without what makes reading them fast.
type plainly struct{ *Store }

func (p plainly) Querier(from, to int64) (storage.Querier, error) {
	raw, err := p.raw.DB.Querier(from, to)
	if err != nil {
		return nil, err
	}
	long, err := newPatient(p.long.DB, from, to, p.rollup.patience())
	return storage.NewMergeQuerier([]storage.Querier{raw, long}, nil, storage.ChainedSeriesMerge), err
}

// difficult is a store whose long tier has three days in blocks, two of which overlap, and another in memory, partly written
// out of order: numbers of all sizes, some that are none, gaps, ends of series, histograms, and a series that becomes one.
func difficult(t *testing.T, o Options) *Store {
	t.Helper()
	dir := t.TempDir()
	from := start.Add(-4 * day)
	for _, hours := range [][2]int{{0, 24}, {24, 48}, {40, 50}, {50, 72}} {
		w, err := tsdb.NewBlockWriter(slog.New(slog.DiscardHandler), filepath.Join(dir, "long"), 10*day.Milliseconds())
		if err != nil {
			t.Fatal(err)
		}
		app := w.Appender(t.Context())
		for at := from.Add(time.Duration(hours[0]) * time.Hour); at.Before(from.Add(time.Duration(hours[1]) * time.Hour)); at = at.Add(5 * time.Minute) {
			for _, s := range difficultSamples(at) {
				if s.FloatHistogram != nil {
					_, err = app.AppendHistogram(0, s.Labels, s.At, nil, s.FloatHistogram)
				} else {
					_, err = app.Append(0, s.Labels, s.At, s.Value)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	o.Now = func() time.Time { return start }
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	var late []Sample
	for at := from.Add(72 * time.Hour); at.Before(start); at = at.Add(5 * time.Minute) {
		batch := difficultSamples(at)
		if at.Hour()%7 == 3 {
			late = append(late, batch...)
			continue
		}
		putLong(t, s, batch)
	}
	putLong(t, s, late)
	return s
}

func putLong(t *testing.T, s *Store, batch []Sample) {
	t.Helper()
	if d, err := s.long.append(t.Context(), "test", window{0, math.MaxInt64}, batch); err != nil || d.Samples > 0 {
		t.Fatal(d, err)
	}
}

// difficultSamples are the same at the same moment: of two samples that differ, the databases themselves would show now the
// one, now the other.
func difficultSamples(at time.Time) []Sample {
	rnd := rand.New(rand.NewPCG(uint64(at.Unix()), 2))
	var all []Sample
	for i := range 4 {
		v := rnd.NormFloat64() * math.Pow(10, float64(rnd.IntN(40)-20))
		switch rnd.IntN(400) {
		case 0:
			v = math.NaN()
		case 1:
			v = math.Inf(1)
		case 2:
			v = math.Inf(-1)
		case 3:
			v = math.Copysign(0, -1)
		case 4:
			v = math.MaxFloat64
		case 5, 6, 7:
			v = math.Float64frombits(value.StaleNaN)
		}
		if rnd.IntN(20) != 0 && (i != 3 || at.Hour()/6 == 1) { // the last one has but a quarter of each day
			all = append(all, sample(at, v, "__name__", "x:sum5m", "i", string(rune('a'+i))))
		}
	}
	for i := range 2 {
		all = append(all, Sample{
			Labels: labels.FromStrings("__name__", "x:dist5m", "i", string(rune('a'+i))), At: at.UnixMilli(),
			FloatHistogram: tsdbutil.GenerateTestFloatHistogram(int64(rnd.IntN(50))),
		})
	}
	if mixed := sample(at, 1, "__name__", "x:mixed5m"); at.Before(start.Add(-60 * time.Hour)) {
		all = append(all, mixed)
	} else {
		mixed.FloatHistogram = tsdbutil.GenerateTestFloatHistogram(int64(rnd.IntN(50)))
		all = append(all, mixed)
	}
	return all
}

// What is read in a faster way is the same, to the last bit.
func TestSameAnswers(t *testing.T) {
	s := difficult(t, Options{})
	for _, expr := range []string{
		`F(x:sum5m[1h])`, `F(x:sum5m[5m])`, `F(x:sum5m[1d])`, `F(x:sum5m[7m13s])`, `F({__name__=~"x:.*"}[1h])`, `F(x:dist5m[1h])`, `F(x:mixed5m[1h])`,
		`F(x:sum5m[1h] offset 35m)`, `F(x:sum5m[1h] offset -35m)`, `F(x:sum5m[1h] @ end())`, `F(x:sum5m[1h] @ start() offset 3h)`,
		`F(x:sum5m[1h]) / F(x:sum5m[30m] offset 1h)`, `F(F(x:sum5m[5m])[1h:5m])`, `F(F(x:sum5m[5m])[20h:17m] @ end())`, `F(nothing[1h])`,
	} {
		for _, f := range []string{"sum_over_time", "min_over_time", "max_over_time"} {
			sameOften(t, s, strings.ReplaceAll(expr, "F(", f+"("))
		}
	}
	for _, expr := range []string{
		`x:sum5m`, `timestamp(x:sum5m)`, `x:sum5m offset 1h`, `x:dist5m`, `avg_over_time(x:sum5m[1h])`, `count_over_time(x:sum5m[1d])`, `rate(x:sum5m[1h])`,
		`rate(x:dist5m[1h])`, `resets(x:dist5m[1d])`, `histogram_quantile(0.9, sum_over_time(x:dist5m[2h]))`, `histogram_count(sum_over_time(x:dist5m[1h]))`,
	} {
		sameOften(t, s, expr)
	}
}

func sameOften(t *testing.T, s *Store, expr string) {
	t.Helper()
	same(t, s, expr, start.Add(-100*time.Hour), start.Add(3*time.Hour), time.Hour)
	same(t, s, expr, start.Add(-60*time.Hour+time.Millisecond), start.Add(-40*time.Hour+time.Millisecond), 17*time.Minute)
	same(t, s, expr, start.Add(-5*day), start, day)
	for _, back := range []time.Duration{0, 47*time.Hour + time.Minute, 9 * day} {
		same(t, s, expr, start.Add(-back), start.Add(-back), 0)
	}
}

func same(t *testing.T, s *Store, expr string, from, to time.Time, step time.Duration) {
	t.Helper()
	ask := func(q storage.Queryable) string {
		a, err := s.ask(t.Context(), Asking{}, func(ctx context.Context, v *view, o promql.QueryOpts) (promql.Query, error) {
			if q == nil {
				q = v
			}
			if step == 0 {
				return s.engine.NewInstantQuery(ctx, q, o, expr, from)
			}
			return s.engine.NewRangeQuery(ctx, q, o, expr, from, to, step)
		})
		if err != nil {
			return err.Error()
		}
		defer a.Close()
		return fmt.Sprintf("%s%v", bits(a.Value), a.Warnings.AsErrors())
	}
	if got, want := ask(nil), ask(plainly{s}); got != want {
		t.Errorf("%s, from %v to %v, every %v: got\n%s\nwant\n%s", expr, from, to, step, got, want)
	}
}

// bits writes down every bit of a value but those of what is no number.
func bits(v any) string {
	var b strings.Builder
	put := func(l labels.Labels, at int64, v float64, h *histogram.FloatHistogram) {
		if h != nil {
			fmt.Fprintf(&b, "%s %d %+v\n", l, at, *h)
		} else {
			fmt.Fprintf(&b, "%s %d %b\n", l, at, v)
		}
	}
	switch v := v.(type) {
	case promql.Vector:
		for _, s := range v {
			put(s.Metric, s.T, s.F, s.H)
		}
	case promql.Matrix:
		for _, s := range v {
			for _, p := range s.Floats {
				put(s.Metric, p.T, p.F, nil)
			}
			for _, p := range s.Histograms {
				put(s.Metric, p.T, 0, p.H)
			}
		}
	}
	return b.String()
}

// A query that may hold no more than a few samples can sum up many, if the sums are made before it sees them.
func TestFewSamplesForManySums(t *testing.T) {
	s := difficult(t, Options{Query: QueryLimits{Samples: 200}})
	for expr, fits := range map[string]bool{
		`sum_over_time(x:sum5m{i="a"}[1d])`:           true,
		`sum_over_time(x:sum5m{i="a"}[1d] offset 1h)`: true,
		`max_over_time(x:sum5m{i="a"}[1d])`:           true,
		`min_over_time(x:sum5m{i="a"}[1d])`:           true,
		`sum_over_time(x:sum5m{i="a"}[25h])`:          false, // ranges overlap
		`sum_over_time(x:sum5m{i="a"}[1d] @ start())`: false,
		`sum_over_time(x:sum5m{i="a"}[1d:1m])`:        false,
		`stddev_over_time(x:sum5m{i="a"}[1d])`:        false,
		`sum_over_time(x:dist5m{i="a"}[1d])`:          false,
	} {
		a, err := s.Range(t.Context(), expr, start.Add(-2*day), start, day, Asking{})
		if err == nil {
			a.Close()
		}
		if fits != (err == nil) {
			t.Errorf("%s: %v", expr, err)
		}
	}
}

// Whoever reads samples themselves sees the same, whichever way he goes through them.
func TestSameSamples(t *testing.T) {
	s := difficult(t, Options{})
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 30 {
		from := start.Add(-time.Duration(rnd.IntN(120)) * time.Hour).UnixMilli()
		to := from + int64(rnd.IntN(5*86_400_000))
		var hints *storage.SelectHints
		if rnd.IntN(2) == 0 {
			hints = &storage.SelectHints{Start: from + int64(rnd.IntN(3_600_000)), End: to - int64(rnd.IntN(3_600_000))}
		}
		seed := rnd.Uint64()
		got, want := walk(t, s.long, from, to, hints, seed), walk(t, s.long.DB, from, to, hints, seed)
		if got != want {
			t.Fatalf("from %d to %d, %+v: got\n%s\nwant\n%s", from, to, hints, got, want)
		}
	}
}

// walk goes through all series, with steps and leaps.
func walk(t *testing.T, d storage.Queryable, from, to int64, hints *storage.SelectHints, seed uint64) string {
	t.Helper()
	q, err := d.Querier(from, to)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	rnd := rand.New(rand.NewPCG(seed, 0))
	var b strings.Builder
	var it chunkenc.Iterator
	set := q.Select(t.Context(), true, hints, labels.MustNewMatcher(labels.MatchRegexp, "__name__", "x:.*"))
	for set.Next() {
		it = set.At().Iterator(it)
		fmt.Fprintln(&b, set.At().Labels())
		at := from
		for {
			var kind chunkenc.ValueType
			if rnd.IntN(10) > 0 {
				kind = it.Next()
			} else {
				kind = it.Seek(at + int64(rnd.IntN(40_000_000)) - 1_000_000)
			}
			if kind == chunkenc.ValNone {
				break
			}
			at = it.AtT()
			if kind == chunkenc.ValFloat {
				t, v := it.At()
				fmt.Fprintf(&b, "%d %d %b\n", t, it.AtST(), v)
			} else {
				t, h := it.AtFloatHistogram(nil)
				fmt.Fprintf(&b, "%d %+v\n", t, h)
			}
		}
		if kind := it.Next(); kind != chunkenc.ValNone || it.Err() != nil {
			t.Fatal(kind, it.Err())
		}
	}
	if set.Err() != nil {
		t.Fatal(set.Err())
	}
	return b.String()
}
