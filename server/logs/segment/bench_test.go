package segment

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/internal/lines"
)

// benchLines is how many lines there are in a day of the benchmarks; with five times as many the goals of the store are measured.
const benchLines = 1_000_000

// day is a segment that is made once for all benchmarks that read.
var day = sync.OnceValues(func() ([]*entry.Entry, error) {
	return pointers(lines.Generate(1, benchLines)), nil
})

func pointers(all []entry.Entry) []*entry.Entry {
	p := make([]*entry.Entry, len(all))
	for i := range all {
		p[i] = &all[i]
	}
	return p
}

func BenchmarkWrite(b *testing.B) {
	unsorted, _ := day()
	dir := b.TempDir()
	var bytes int64
	for b.Loop() {
		all := slices.Clone(unsorted)
		inOrder(all)
		info, err := Write(dir, "day", slices.Values(all), Options{})
		if err != nil {
			b.Fatal(err)
		}
		bytes = info.Bytes
		b.StopTimer()
		removeAll(b, dir)
		b.StartTimer()
	}
	b.ReportMetric(float64(bytes)/benchLines, "B/line")
	b.ReportMetric(float64(b.N)*benchLines/b.Elapsed().Seconds(), "lines/s")
}

func BenchmarkRead(b *testing.B) {
	all, _ := day()
	all = slices.Clone(all)
	inOrder(all)
	info, err := Write(b.TempDir(), "day", slices.Values(all), Options{})
	if err != nil {
		b.Fatal(err)
	}
	f, err := Open(info.Path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	const noon = lines.Start + int64(12*time.Hour)
	always := Query{From: lines.Start, To: lines.Start + int64(24*time.Hour)}
	hour := Query{
		From: noon, To: noon + int64(time.Hour), Service: Is("checkout-api"), Levels: LevelSet(entry.Error), Columns: Message,
		Keep: func(e *entry.Entry) bool { return strings.Contains(e.Message, "imeout") },
	}
	trace := always
	trace.Trace, trace.Columns = Is(all[len(all)/2].Trace), AllColumns
	newest := always
	newest.Newest, newest.Columns = true, AllColumns
	everything := always
	everything.Columns = Message
	everything.Keep = func(e *entry.Entry) bool { return strings.Contains(e.Message, "99999") }
	for name, q := range map[string]struct {
		Query
		limit int
	}{"hour": {hour, 1 << 30}, "trace": {trace, 1 << 30}, "newest100": {newest, 100}, "scan": {everything, 1 << 30}} {
		b.Run(name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				n = 0
				for _, err := range f.Select(context.Background(), q.Query) {
					if err != nil {
						b.Fatal(err)
					}
					if n++; n == q.limit {
						break
					}
				}
			}
			b.ReportMetric(float64(n), "hits")
		})
	}
	for name, step := range map[string]int64{"count": 0, "count5m": int64(5 * time.Minute)} {
		b.Run(name, func(b *testing.B) {
			n := int64(0)
			for b.Loop() {
				n = 0
				for c, err := range f.Count(context.Background(), always, ByHandler, step) {
					if err != nil {
						b.Fatal(err)
					}
					n += c.Lines
				}
			}
			if n != benchLines {
				b.Fatal(n)
			}
		})
	}
}
