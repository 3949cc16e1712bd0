package logql

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// slice gives entries as they are, so that a benchmark sees the language alone.
type slice []*entry.Entry

func (s slice) Select(context.Context, Query) iter.Seq2[*entry.Entry, error] {
	return func(yield func(*entry.Entry, error) bool) {
		for _, e := range s {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// BenchmarkQuery tells the time for one line.
func BenchmarkQuery(b *testing.B) {
	lines := make(slice, 100_000)
	for i := range lines {
		lines[i] = &entry.Entry{
			Time: int64(i) * int64(time.Millisecond), Service: "shop", Handler: fmt.Sprintf("/h%d", i%600), Level: entry.Level(1 + i%6), Trace: "4bf92f3577b34da6",
			Message: fmt.Sprintf(`{"status": %d, "took": "%dms", "user": {"id": %d}}`, 200+i%400, i%1000, i),
			Attrs:   []entry.Attr{{Name: "region", Value: "eu"}, {Name: "user", Value: "7"}},
		}
	}
	for name, query := range map[string]string{
		"count":  `sum by (handler) (count_over_time({service="shop"}[1m]))`,
		"filter": `{service="shop"} |= "absent"`,
		"json":   `sum by (handler) (rate({service="shop"} | json | status >= 500 [1m]))`,
		"format": `sum(count_over_time({service="shop"} | line_format "{{.region}} {{.user}}" |= "x" [1m]))`,
	} {
		b.Run(name, func(b *testing.B) {
			e, err := Parse(query)
			if err != nil {
				b.Fatal(err)
			}
			g := New(lines, Limits{})
			for b.Loop() {
				if _, err := g.Query(b.Context(), e, Params{To: int64(100 * time.Second), Step: time.Second}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(lines)), "ns/line")
		})
	}
}
