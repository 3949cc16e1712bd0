package tier

import (
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkAppend is what a sample costs all-in: the guards, the log, the head and the blocks that are written on the way,
// with 10,000 series of seven labels, a sample every 15 s. The figure that counts is samples/CPU-s.
func BenchmarkAppend(b *testing.B) {
	now := start
	s, err := Open(b.TempDir(), Options{Now: func() time.Time { return now }, Monotonic: func() time.Duration { return now.Sub(start) + time.Hour }})
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
		if d, err := s.Append(b.Context(), "bench", batch); err != nil || d.Samples > 0 {
			b.Fatal(d, err)
		}
	}
	round()
	before := cpu(b)
	b.ResetTimer()
	for range b.N {
		round()
	}
	if err := s.raw.Compact(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N*len(batch))/(cpu(b)-before).Seconds(), "samples/CPU-s")
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
