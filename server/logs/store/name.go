package store

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/logs/journal"
	"github.com/gabion-io/gabion/server/logs/segment"
)

// span is what the name of a segment says.
type span struct {
	first, last uint64 // seals, both included
	sealed      int64  // when the last one was, in seconds since 1970
	journal     uint64 // the file of the journal with what comes after
}

// name is that of the segment, without a suffix.
func (s span) name() string {
	return fmt.Sprintf("%010d-%010d-%d-%d", s.first, s.last, s.sealed, s.journal)
}

// parseSpan reads the name of a Parquet file. It is false for names that are not of ours.
func parseSpan(file string) (s span, ok bool) {
	name, ok := strings.CutSuffix(file, segment.Suffix)
	parts := strings.Split(name, "-")
	if !ok || len(parts) != 4 {
		return s, false
	}
	var n [4]uint64
	for i, part := range parts {
		var err error
		if n[i], err = strconv.ParseUint(part, 10, 62); err != nil {
			return s, false
		}
	}
	s = span{n[0], n[1], int64(n[2]), n[3]}
	return s, s.first > 0 && s.first <= s.last && s.name() == name
}

// within says whether all seals of s are in o as well.
func (s span) within(o span) bool { return o.first <= s.first && s.last <= o.last }

// position is where the journal goes on behind the segment.
func (s span) position() journal.Position { return journal.Position{File: s.journal} }

// rank is how often segments were merged for it, in steps of eight.
func (s span) rank() int { return bits.Len64(s.last-s.first+1) / 3 }

// bucket says in which hour, or day, it was sealed.
func (s span) bucket(width time.Duration) int64 { return s.sealed / int64(width/time.Second) }
