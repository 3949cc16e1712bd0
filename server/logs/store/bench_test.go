package store

import (
	"context"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

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

// kept is a store with the first n lines of the day, sealed as they would have been, and the CPU time that this took. Ten
// send at a time. The lines are made piece by piece, so that there is no more in memory than there would be.
func kept(b *testing.B, dir string, n int) (s *Store, used time.Duration) {
	b.Helper()
	const piece, senders, batch, pieces = 50_000, 10, 1000, benchLines / 50_000
	c := &clock{time.Unix(0, lines.Start)}
	s = open(b, dir, Options{Where: "level>=error", Now: c.Now})
	for k := range n / piece {
		all := lines.Generate(uint64(k), piece)
		for i := range all { // the piece is spread over a day
			all[i].Time = lines.Start + (int64(k)*int64(24*time.Hour)+all[i].Time-lines.Start)/pieces
		}
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
	return s, used + cpu(b) - before
}

// BenchmarkAppend is everything that is done for a line: the journal, both tiers; merges apart, see BenchmarkMerge.
func BenchmarkAppend(b *testing.B) {
	const n = benchLines / 5
	var total time.Duration
	var bytes int64
	for b.Loop() {
		s, used := kept(b, b.TempDir(), n)
		total += used
		st := s.Status()
		bytes = st.Short.Bytes + st.Long.Bytes
	}
	b.ReportMetric(n*float64(b.N)/total.Seconds(), "lines/CPU-s")
	b.ReportMetric(float64(bytes)/n, "B/line")
}

// BenchmarkMerge makes a day's segments into fewer.
func BenchmarkMerge(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		s, _ := kept(b, b.TempDir(), benchLines)
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
	s, _ := kept(b, dir, benchLines)
	s.options.Now = func() time.Time { return time.Unix(0, lines.Start).Add(25 * time.Hour) }
	if err := s.tendOnce(b.Context()); err != nil {
		b.Fatal(err)
	}
	engine := logql.New(s, logql.Limits{})
	noon := time.Unix(0, lines.Start).Add(12 * time.Hour)
	ask := func(name, query string, from, to time.Time, step time.Duration) {
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
	ask("hour", `{service="checkout-api", level="error"} |= "imeout"`, noon, noon.Add(time.Hour), 0)
	ask("count", `sum by (handler) (count_over_time({service=~".+"}[24h]))`, noon.Add(12*time.Hour), noon.Add(12*time.Hour), 0)
	ask("count5m", `sum by (level) (count_over_time({service=~".+"}[5m]))`, noon.Add(-12*time.Hour), noon.Add(12*time.Hour), 5*time.Minute)
	ask("newest", `{service="checkout-api"}`, noon.Add(-12*time.Hour), noon.Add(12*time.Hour), 0)
}
