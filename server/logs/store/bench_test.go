package store

import (
	"context"
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gabion-io/gabion/internal/yardstick"
	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/internal/lines"
	"github.com/gabion-io/gabion/server/logs/logql"
)

// benchLines is how many lines there are in the day of the benchmarks.
const benchLines = 5_000_000

func cpu(b *testing.B) time.Duration {
	b.Helper()
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// kept is a store with the first n lines of the day, sealed as they would have been, with the CPU time that this took and the
// yardstick meanwhile. Ten send at a time. The lines are made piece by piece, so that there is no more in memory than there would be.
func kept(b *testing.B, dir string, n int) (s *Store, used time.Duration, yard float64) {
	b.Helper()
	const piece, senders, batch, pieces = 50_000, 10, 1000, benchLines / 50_000
	c := &clock{time.Unix(0, lines.Start)}
	s = open(b, dir, Options{Where: "level>=error", Now: c.Now})
	for k := range n / piece {
		all := lines.Generate(uint64(k), piece)
		for i := range all { // the piece is spread over a day
			all[i].Time = lines.Start + (int64(k)*int64(24*time.Hour)+all[i].Time-lines.Start)/pieces
		}
		yard += yardstick.Take() / float64(n/piece)
		before := cpu(b)
		for ; len(all) > 0; all = all[senders*batch:] {
			var sending sync.WaitGroup
			for i := range senders {
				sending.Go(func() {
					if err := s.Append(b.Context(), all[i*batch:(i+1)*batch]); err != nil {
						b.Error(err)
					}
				})
			}
			sending.Wait()
			c.now = time.Unix(0, all[0].Time)
			if s.ripe() {
				if err := s.seal(); err != nil {
					b.Fatal(err)
				}
			}
		}
		used += cpu(b) - before
	}
	before := cpu(b)
	if err := s.seal(); err != nil {
		b.Fatal(err)
	}
	return s, used + cpu(b) - before, yard
}

// BenchmarkAppend is everything that is done for a line: the journal, both tiers; merges apart, see BenchmarkMerge.
func BenchmarkAppend(b *testing.B) {
	const n = benchLines / 5
	var total time.Duration
	var bytes int64
	var yards float64
	for b.Loop() {
		s, used, yard := kept(b, b.TempDir(), n)
		total, yards = total+used, yards+yard
		st := s.Status()
		bytes = st.Short.Bytes + st.Long.Bytes
	}
	b.ReportMetric(n*float64(b.N)/total.Seconds(), "lines/CPU-s")
	b.ReportMetric(float64(bytes)/n, "B/line")
	b.ReportMetric(yards/float64(b.N), yardstick.Unit)
}

// BenchmarkMerge makes a day's segments into fewer.
func BenchmarkMerge(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		s, _, _ := kept(b, b.TempDir(), benchLines)
		from := s.Status().Short.Segments
		s.options.Now = func() time.Time { return time.Unix(0, lines.Start).Add(25 * time.Hour) }
		before := cpu(b)
		b.StartTimer()
		if err := s.tendOnce(b.Context()); err != nil {
			b.Fatal(err)
		}
		st := s.Status()
		b.ReportMetric(benchLines/(cpu(b)-before).Seconds(), "lines/CPU-s")
		b.ReportMetric(float64(st.Short.Bytes+st.Long.Bytes)/benchLines, "B/line")
		b.ReportMetric(float64(from), "segments-before")
		b.ReportMetric(float64(st.Short.Segments), "segments")
	}
}

func BenchmarkQuery(b *testing.B) {
	dir := b.TempDir()
	s, _, _ := kept(b, dir, benchLines)
	s.options.Now = func() time.Time { return time.Unix(0, lines.Start).Add(25 * time.Hour) }
	if err := s.tendOnce(b.Context()); err != nil {
		b.Fatal(err)
	}
	engine := logql.New(s, logql.Limits{})
	noon := time.Unix(0, lines.Start).Add(12 * time.Hour)
	ask(b, engine, "hour", `{service="checkout-api", level="error"} |= "imeout"`, noon, noon.Add(time.Hour), 0)
	ask(b, engine, "count", `sum by (handler) (count_over_time({service=~".+"}[24h]))`, noon.Add(12*time.Hour), noon.Add(12*time.Hour), 0)
	ask(b, engine, "count5m", `sum by (level) (count_over_time({service=~".+"}[5m]))`, noon.Add(-12*time.Hour), noon.Add(12*time.Hour), 5*time.Minute)
	ask(b, engine, "newest", `{service="checkout-api"}`, noon.Add(-12*time.Hour), noon.Add(12*time.Hour), 0)
}

// ask measures a query.
func ask(b *testing.B, engine *logql.Engine, name, query string, from, to time.Time, step time.Duration) {
	b.Run(name, func(b *testing.B) {
		expr, err := logql.Parse(query)
		if err != nil {
			b.Fatal(err)
		}
		before := cpu(b)
		for b.Loop() {
			result, err := engine.Query(context.Background(), expr, logql.Params{From: from.UnixNano(), To: to.UnixNano(), Step: step, Limit: 1000})
			if err != nil {
				b.Fatal(err)
			}
			if strings.HasPrefix(query, "{") && len(result.Lines) == 0 {
				b.Fatal("nothing was found")
			}
		}
		b.ReportMetric(float64((cpu(b)-before).Milliseconds())/float64(b.N), "CPU-ms")
	})
}

// BenchmarkYear asks for a year of the long tier: 365 days of 5,000 lines, of which the short one has the last 14.
func BenchmarkYear(b *testing.B) {
	const days, perDay = 365, 5000
	begin := time.Unix(0, lines.Start)
	c := &clock{begin}
	s := open(b, b.TempDir(), Options{Where: "level>=error", Now: c.Now})
	for d := range days {
		all := lines.Generate(uint64(d), perDay)
		for i := range all {
			all[i].Time += int64(d) * int64(day)
			all[i].Level = entry.Error
		}
		c.now = begin.Add(time.Duration(d+1) * day)
		err := errors.Join(s.Append(b.Context(), all), s.seal())
		if d%7 == 0 || d == days-1 {
			err = errors.Join(err, s.tendOnce(b.Context()))
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	st := s.Status()
	if st.Long.Lines != days*perDay || st.Short.Lines > 23*perDay {
		b.Fatalf("%+v", st)
	}
	engine := logql.New(s, logql.Limits{})
	ask(b, engine, "count", `sum by (service) (count_over_time({level="error"}[1d]))`, begin, c.now, day)
	ask(b, engine, "substring", `{service="checkout-api"} |= "4711"`, begin, c.now, 0)
	b.ReportMetric(float64(st.Long.Segments), "segments")
}
