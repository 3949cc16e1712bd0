package spool

import (
	"cmp"
	"time"
)

// Bounds are those that people set, as they set them: zero means the default.
type Bounds struct {
	Buffer, Batch  int
	Every, Timeout time.Duration
}

// Check tells refuse of every bound that is impossible, by its key. usual is the default of Batch, most the most that it can be.
func (b Bounds) Check(usual, most int, refuse func(field, format string, args ...any)) {
	positive := func(field string, value int64, text any) {
		if value < 0 {
			refuse(field, "is %v, must be positive", text)
		}
	}
	positive("buffer", int64(b.Buffer), b.Buffer)
	positive("batch", int64(b.Batch), b.Batch)
	positive("every", int64(b.Every), b.Every)
	positive("timeout", int64(b.Timeout), b.Timeout)
	if b.Batch > most {
		refuse("batch", "is %d, must be at most %d", b.Batch, most)
	}
	if batch := cmp.Or(b.Batch, usual); b.Buffer > 0 && b.Buffer < 4*batch {
		refuse("buffer", "is %d, must be at least four batches: %d", b.Buffer, 4*batch)
	}
}
