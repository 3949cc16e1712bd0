package tier

import (
	"strings"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// The bounds of what is recalled.
const (
	recallProducers = 4096
	recallSeries    = 50_000  // of a producer
	recallTotal     = 500_000 // of all: 12 MB
)

// recall finds series without a look into the index of the database, which costs more than all the rest of an append: a
// producer sends the same series in the same order again and again, so the one that is expected next is mostly the one
// that comes. What is recalled is forgotten when the database lets series go.
type recall struct {
	deaths    *atomic.Uint64 // how often series were let go
	seen      uint64
	producers map[string][]recalled
	total     int // series of all producers
}

type recalled struct {
	labels labels.Labels
	ref    storage.SeriesRef
}

// begin starts a batch. Whoever calls it has the turn of the database.
func (r *recall) begin(producer string) sequence {
	if n := r.deaths.Load(); r.producers == nil || n != r.seen {
		r.producers, r.total, r.seen = map[string][]recalled{}, 0, n
	}
	return sequence{last: r.producers[producer]}
}

// end remembers a batch that was written.
func (r *recall) end(producer string, s *sequence) {
	if s.changed == nil && s.at == len(s.last) {
		return // all was as before
	}
	if s.changed == nil {
		s.changed = s.last[:s.at:s.at]
	}
	r.total -= len(r.producers[producer])
	delete(r.producers, producer)
	for p, all := range r.producers {
		if len(r.producers) < recallProducers && r.total+len(s.changed) <= recallTotal {
			break
		}
		r.total -= len(all)
		delete(r.producers, p) // any: they will be learned again
	}
	r.total += len(s.changed)
	r.producers[strings.Clone(producer)] = s.changed
}

// sequence goes along the series of the last batch.
type sequence struct {
	last    []recalled
	at      int
	changed []recalled // this batch, once it has differed from the last
}

// expected is the series of that name if all was as in the last batch so far, and this one is as well; else nil.
func (s *sequence) expected(l labels.Labels) *recalled {
	if s.changed == nil && s.at < len(s.last) && labels.Equal(s.last[s.at].labels, l) {
		return &s.last[s.at]
	}
	return nil
}

// next is the series of that name, if it is the expected one or the one after it.
func (s *sequence) next(l labels.Labels) (recalled, bool) {
	for ahead := range 2 {
		if i := s.at + ahead; i < len(s.last) && labels.Equal(s.last[i].labels, l) {
			found := s.last[i]
			if ahead > 0 {
				s.differ()
			}
			s.at = i + 1
			if s.changed != nil {
				s.learn(found)
			}
			return found, true
		}
	}
	return recalled{}, false
}

// differ begins to write down this batch.
func (s *sequence) differ() {
	if s.changed == nil {
		s.changed = make([]recalled, s.at, max(len(s.last), 16))
		copy(s.changed, s.last)
	}
}

// learn adds a series that was not expected here.
func (s *sequence) learn(found recalled) {
	s.differ()
	if len(s.changed) < recallSeries {
		s.changed = append(s.changed, found)
	}
}
