package spool

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestBounds(t *testing.T) {
	for name, test := range map[string]struct {
		bounds Bounds
		want   []string
	}{
		"the defaults":            {},
		"all set":                 {Bounds{Buffer: 400, Batch: 100, Every: time.Second, Timeout: time.Second}, nil},
		"negative":                {Bounds{Buffer: -1, Batch: -2, Every: -time.Second, Timeout: -1}, []string{"buffer is -1, must be positive", "batch is -2, must be positive", "every is -1s, must be positive", "timeout is -1ns, must be positive"}},
		"too large a batch":       {Bounds{Batch: 1001}, []string{"batch is 1001, must be at most 1000"}},
		"a buffer of few batches": {Bounds{Buffer: 399, Batch: 100}, []string{"buffer is 399, must be at least four batches: 400"}},
		"of the default":          {Bounds{Buffer: 39}, []string{"buffer is 39, must be at least four batches: 40"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			test.bounds.Check(10, 1000, func(field, format string, args ...any) {
				got = append(got, field+" "+fmt.Sprintf(format, args...))
			})
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
