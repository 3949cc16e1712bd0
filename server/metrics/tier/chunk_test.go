package tier

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
)

// Chunks that cannot be read are found out by a query, which fails. The next ones go without them, and say so.
func TestDamagedChunks(t *testing.T) {
	for name, how := range map[string]func(b []byte) []byte{
		"a flipped bit": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"a cut file":    func(b []byte) []byte { return b[:len(b)/2] },
	} {
		t.Run(name, func(t *testing.T) {
			b, found := compacted(t, func(t *testing.T, dir string) { t.Helper(); change(t, dir, "0*/chunks/0*", how) })
			blocks := b.raw.Blocks()
			block := blocks[len(blocks)-1]
			file := "raw/" + block.Meta().ULID.String() + "/chunks"
			all := func() (int, []string, error) {
				answer, err := b.Instant(t.Context(), "x[5h]", start.Add(5*time.Hour), Asking{})
				if err != nil {
					return 0, nil, err
				}
				defer answer.Close()
				n := 0
				for _, s := range answer.Value.(promql.Matrix) { //nolint:forcetypeassert // of such an expression
					n += len(s.Floats)
				}
				warnings, _ := answer.Warnings.AsStrings("", 0, 0)
				return n, warnings, nil
			}
			if n, _, err := all(); err == nil || !strings.Contains(err.Error(), file+" is damaged") {
				t.Fatalf("the first query: %d samples, %v", n, err)
			}
			if len(*found) != 1 || (*found)[0].File != file || (*found)[0].From.UnixMilli() != block.MinTime() || (*found)[0].To.UnixMilli() != block.MaxTime() {
				t.Errorf("%+v", *found)
			}
			for range 2 {
				if n, warnings, err := all(); err != nil || n < 60 || n >= 300 || len(warnings) != 1 || !strings.Contains(warnings[0], file+" is damaged") {
					t.Errorf("then: %d samples, %q, %v", n, warnings, err)
				}
				if n, warnings := b.count(start.Add(3*time.Hour), start.Add(4*time.Hour)); n != 60 || len(warnings) != 0 {
					t.Errorf("of what is elsewhere: %d samples, %q", n, warnings)
				}
				b.reopen()
			}
			if len(*found) != 1 {
				t.Errorf("it is told again: %+v", *found)
			}
		})
	}
}

// A sum that is made below the engine fails as one that the engine makes.
func TestSumOverDamagedChunks(t *testing.T) {
	b, _ := compacted(t, func(t *testing.T, dir string) {
		t.Helper()
		change(t, dir, "0*/chunks/0*", func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	})
	a, err := b.Range(t.Context(), "sum_over_time(x[1h])", start, start.Add(5*time.Hour), time.Hour, Asking{})
	if err == nil {
		t.Fatalf("the answer is %v", a.Value)
	}
	if !strings.Contains(err.Error(), "is damaged") {
		t.Error(err)
	}
}
