package store

import (
	"time"

	"github.com/gabion-io/gabion/server/logs/segment"
)

// Status is how a store is. Counts are since it was opened.
type Status struct {
	Short, Long TierStatus
	// MemoryLines and MemoryBytes are what is not sealed yet.
	MemoryLines, MemoryBytes int
	// Taken lines are durable, Refused ones were not taken, which their sender knows.
	Taken, Refused uint64
	// Failures counts what could not be written, merged or removed, and was tried again.
	Failures uint64
	// Damaged counts damaged parts of the journal and of segments; LostRecords are batches of the journal, LostLines lines of
	// segments that cannot be read because of them.
	Damaged, LostRecords, LostLines uint64
}

// TierStatus is how a tier is.
type TierStatus struct {
	Segments int
	Lines    int64
	Bytes    int64
	// Oldest is the time of the oldest line, zero when there is none.
	Oldest time.Time
}

// Status is how the store is now.
func (s *Store) Status() Status {
	st := Status{
		Short: s.short.status(), Long: s.long.status(),
		Taken: s.counts.lines.Load(), Refused: s.counts.refused.Load(), Failures: s.counts.failures.Load(),
		Damaged: s.counts.damaged.Load(), LostRecords: s.counts.lostRecords.Load(), LostLines: s.counts.lostLines.Load(),
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, t := range []*table{s.sealing, s.active} {
		if t != nil {
			st.MemoryLines += t.lines
			st.MemoryBytes += t.bytes
		}
	}
	return st
}

func (t *tier) status() TierStatus {
	var st TierStatus
	var oldest segment.Info
	for _, f := range t.all() {
		if st.Segments == 0 || f.info.MinTime < oldest.MinTime {
			oldest = f.info
		}
		st.Segments++
		st.Lines += f.info.Lines
		st.Bytes += f.info.Bytes
	}
	if st.Segments > 0 {
		st.Oldest = time.Unix(0, oldest.MinTime).UTC()
	}
	return st
}
