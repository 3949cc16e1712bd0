package tier

import (
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/storage"
	"golang.org/x/sys/unix"

	"github.com/gabion-io/gabion/internal/yardstick"
)

// BenchmarkAppend is what a sample costs all-in: the guards, the log, the head and the blocks that are written on the way,
// with 10,000 series of seven labels, a sample every 15 s. The figure that counts is samples/CPU-s, and how near it comes
// to that of the database alone, whose caller knows every series already.
func BenchmarkAppend(b *testing.B) {
	b.Run("store", func(b *testing.B) {
		benchmark(b, func(b *testing.B, s *Store, batch []Sample) {
			if d, err := s.Append(b.Context(), "bench", batch); err != nil || d.Samples > 0 {
				b.Fatal(d, err)
			}
		})
	})
	b.Run("database alone", func(b *testing.B) {
		refs := make([]storage.SeriesRef, 10_000)
		benchmark(b, func(b *testing.B, s *Store, batch []Sample) {
			app := s.raw.AppenderV2(b.Context())
			for i, m := range batch {
				var err error
				if refs[i], err = app.Append(refs[i], m.Labels, 0, m.At, m.Value, nil, nil, storage.AppendV2Options{}); err != nil {
					b.Fatal(err)
				}
			}
			if err := app.Commit(); err != nil {
				b.Fatal(err)
			}
		})
	})
}

func benchmark(b *testing.B, put func(*testing.B, *Store, []Sample)) {
	b.Helper()
	now := start
	s, err := Open(b.TempDir(), Options{Now: func() time.Time { return now }})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	batch := make([]Sample, 10_000)
	for i := range batch {
		batch[i] = sample(now, 0, "__name__", "gabion_http_requests_total", "code", "200", "instance", "10.0.0."+strconv.Itoa(i%20),
			"job", "gateway", "method", "GET", "route", "route-"+strconv.Itoa(i/20), "service", "service-"+strconv.Itoa(i%10))
	}
	round := func() {
		now = now.Add(15 * time.Second)
		for i := range batch {
			batch[i].At = now.UnixMilli()
			batch[i].Value += float64(i & 15)
		}
		put(b, s, batch)
	}
	round()
	before, yard := cpu(b), 0.
	b.ResetTimer()
	for range b.N {
		yard += yardstick.Take() / float64(b.N)
		round()
	}
	if err := s.raw.Compact(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N*len(batch))/(cpu(b)-before).Seconds(), "samples/CPU-s")
	b.ReportMetric(yard, yardstick.Unit)
}

// cpu is the processor time of this process.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
