//go:build unix

package journal

import (
	"syscall"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/logs/internal/lines"
	"github.com/gabion-io/gabion/server/logs/internal/packed"
)

// cpu is the CPU time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const benchBatch = 1000

// BenchmarkAppend appends batches of 1000 lines, one after the other; fsyncs on a real disk are part of it.
func BenchmarkAppend(b *testing.B) {
	all := lines.Generate(1, 100*benchBatch)
	j, err := Open(b.TempDir(), Options{Every: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	began := cpu(b)
	for i := range b.N {
		if err := j.Append(b.Context(), packed.Pack(all[i%100*benchBatch:][:benchBatch], nil)); err != nil {
			b.Fatal(err)
		}
		if i%100 == 99 { // so that the disk does not fill
			if err := j.Truncate(j.End()); err != nil {
				b.Fatal(err)
			}
		}
	}
	report(b, cpu(b)-began)
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkReplay reads 100 batches of 1000 lines.
func BenchmarkReplay(b *testing.B) {
	all := lines.Generate(1, 100*benchBatch)
	j, err := Open(b.TempDir(), Options{Every: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	for i := range 100 {
		if err := j.Append(b.Context(), packed.Pack(all[i*benchBatch:][:benchBatch], nil)); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	began, left := cpu(b), b.N
	for left > 0 {
		for _, err := range j.Replay(Position{}) {
			if err != nil {
				b.Fatal(err)
			}
			if left--; left == 0 {
				break
			}
		}
	}
	report(b, cpu(b)-began)
}

func report(b *testing.B, used time.Duration) {
	b.ReportMetric(float64(b.N)*benchBatch/used.Seconds(), "lines/CPU-s")
}
