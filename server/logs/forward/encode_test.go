package forward

import (
	"fmt"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// TestSeverity: the first of the four numbers that a level has.
func TestSeverity(t *testing.T) {
	for level, want := range map[entry.Level]plog.SeverityNumber{
		entry.Unknown: 0, entry.Trace: plog.SeverityNumberTrace, entry.Debug: plog.SeverityNumberDebug, entry.Info: plog.SeverityNumberInfo,
		entry.Warn: plog.SeverityNumberWarn, entry.Error: plog.SeverityNumberError, entry.Fatal: plog.SeverityNumberFatal,
	} {
		r := plog.NewLogRecord()
		record(r, &entry.Entry{Level: level})
		if r.SeverityNumber() != want {
			t.Errorf("%v is %v, want %v", level, r.SeverityNumber(), want)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	lines := make([]entry.Entry, 1000)
	for i := range lines {
		lines[i] = entry.Entry{
			Time: int64(i), Level: entry.Level(i%4) + entry.Debug, Service: fmt.Sprint("service", i%20), Instance: fmt.Sprint("instance", i%80), Handler: "/orders/{id}",
			Trace: "4bf92f3577b34da6a3ce929d0e0e4736", Span: "00f067aa0ba902b7", Message: "dial tcp 10.0.0.1:5432: connect: connection refused",
			Attrs: []entry.Attr{{Name: "user", Value: "u-17"}, {Name: "status", Value: "503"}, {Name: "duration_ms", Value: "12.5"}},
		}
	}
	for name, encode := range map[string]func([][]entry.Entry) (int, error){
		"otlp": func(batch [][]entry.Entry) (int, error) { body, err := otlpLines(batch); return len(body), err },
		"loki": func(batch [][]entry.Entry) (int, error) { return len(lokiPush(batch)), nil },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := encode([][]entry.Entry{lines}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(lines)), "ns/line")
		})
	}
}
