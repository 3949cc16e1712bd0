package tier

import (
	"log/slog"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/tsdb"
)

// fillYear writes roll-ups of so many days before start into the long tier of a store that is not open: of each series one
// for each hour and one for each five minutes, each of them 1.
func fillYear(t testing.TB, dir string, days, series int) {
	t.Helper()
	steps := []struct {
		name string
		step time.Duration
	}{{"gabion_http_requests_total:increase1h", time.Hour}, {"gabion_http_requests_total:increase5m", 5 * time.Minute}}
	const block = 30 * day
	for from := start.Add(-time.Duration(days) * day); from.Before(start); from = from.Add(block) {
		to := from.Add(min(block, start.Sub(from)))
		w, err := tsdb.NewBlockWriter(slog.New(slog.DiscardHandler), filepath.Join(dir, "long"), 3*block.Milliseconds()) // it takes what is up to half of that old
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range steps {
			all := make([]labels.Labels, series)
			for i := range all {
				all[i] = labels.FromStrings("__name__", s.name, "route", "route-"+strconv.Itoa(i), "service", "service-"+strconv.Itoa(i%10), "code", "200")
			}
			app := w.Appender(t.Context())
			for at := from.Add(s.step); !at.After(to); at = at.Add(s.step) {
				for _, one := range all {
					if _, err := app.Append(0, one, at.UnixMilli(), 1); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := app.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A year is summed up by day, from the hours of 200 series and from their five minutes.
func BenchmarkYear(b *testing.B) {
	dir := b.TempDir()
	const days, series = 365, 200
	fillYear(b, dir, days, series)
	s, err := Open(dir, Options{Now: func() time.Time { return start }, Raw: Keep{For: 15 * day}})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for name, expr := range map[string]string{
		"hours":        "sum by (service) (sum_over_time(gabion_http_requests_total:increase1h[1d]))",
		"five minutes": "sum by (service) (sum_over_time(gabion_http_requests_total:increase5m[1d]))",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				a, err := s.Range(b.Context(), expr, start.Add(-(days-2)*day), start.Add(-day), day, Asking{Timeout: time.Minute})
				if err != nil {
					b.Fatal(err)
				}
				if m := a.Value.(promql.Matrix); len(m) != 10 || len(m[0].Floats) != days-2 {
					b.Fatalf("%d series, %d points", len(m), len(m[0].Floats))
				}
				a.Close()
			}
		})
	}
}
