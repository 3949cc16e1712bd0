package ingest

import "sync/atomic"

// slots counts what is in use. The zero value is ready.
type slots struct{ used atomic.Int64 }

// take takes one of n, if one is free.
func (s *slots) take(n int) bool {
	if s.used.Add(1) > int64(n) {
		s.used.Add(-1)
		return false
	}
	return true
}

func (s *slots) give() { s.used.Add(-1) }
