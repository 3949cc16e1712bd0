package segment

import (
	"math/bits"
	"unsafe"
)

const (
	bloomHashes = 6
	// bloomBits is per different word: with 6 hashes about 1 % of the questions about absent words are answered "perhaps".
	bloomBits = 9
	// maxDistinct bounds the memory for the words of a row group; one that has more gets no filter, so it is always read.
	maxDistinct = 1 << 19
)

// set collects different hashes by open addressing. 0 marks a free place, so the hash 0 is counted as 1.
type set struct {
	table  []uint64
	n      int
	recent [1 << 9]uint64 // most words come again soon; this is looked at first, since it stays in the processor's cache
	later  []uint64       // not mixed and not inserted yet
}

// together is how many hashes are inserted together: then the processor need not wait for the memory of each.
const together = 1 << 9

func (s *set) reset() {
	if s.table == nil {
		s.table = make([]uint64, 1<<15)
	}
	clear(s.table)
	clear(s.recent[:])
	s.later = s.later[:0]
	s.n = 0
}

func (s *set) full() bool { return s.n > maxDistinct }

// slack is how many bytes more than a text has can be read when its words are looked for.
const slack = 8

// addWords adds the words of the first n bytes of b, as [eachWord] gives them. It finds those of 64 bytes at a time and most of them in the table of recent
// ones, because this takes much of the time. b has a slack.
func (s *set) addWords(b []byte, n int) {
	for n > 0 {
		next := min(n, maskSize)
		for mask := wordMask(b, next); mask != 0; {
			rest := mask & (mask + mask&-mask) // without the lowest word
			at, end := bits.TrailingZeros64(mask), maskSize-bits.LeadingZeros64(mask^rest)
			if end == maskSize && n > maskSize { // it may go on
				next = at
				break
			}
			h := wordAt(b[at:], end-at)
			if seen := &s.recent[h>>55]; *seen != h || h == 0 {
				*seen = h
				if s.later = append(s.later, h); len(s.later) == together {
					s.flush()
				}
			}
			mask = rest
		}
		if next == 0 { // it takes all of them
			var h uint64
			h, _, next = nextWord(unsafe.String(&b[0], n), 0) //nolint:gosec // it is not kept
			next = min(next, n)
			s.insert(max(h, 1))
		}
		b, n = b[next:], n-next
	}
}

// flush inserts what is still to be inserted.
func (s *set) flush() {
	for _, h := range s.later {
		s.insert(max(mix(h), 1))
	}
	s.later = s.later[:0]
}

func (s *set) insert(h uint64) {
	for i := h; ; i++ {
		switch s.table[i&uint64(len(s.table)-1)] {
		case h:
			return
		case 0:
			if s.full() {
				return
			}
			s.table[i&uint64(len(s.table)-1)] = h
			if s.n++; s.n > len(s.table)/2 {
				s.grow()
			}
			return
		}
	}
}

func (s *set) grow() {
	old := s.table
	s.table, s.n = make([]uint64, 2*len(old)), 0
	for _, h := range old {
		if h != 0 {
			s.insert(h)
		}
	}
}

// bloom makes a filter of the set; nil when the set is full, which stands for "perhaps".
func (s *set) bloom() bloom {
	s.flush()
	if s.full() {
		return nil
	}
	b := newBloom(s.n)
	for _, h := range s.table {
		if h != 0 {
			b.add(h)
		}
	}
	return b
}

// bloom is a Bloom filter (Bloom, 1970) with double hashing (Kirsch and Mitzenmacher, 2006).
type bloom []byte

func newBloom(n int) bloom { return make(bloom, 8*((n*bloomBits+63)/64+1)) }

func (b bloom) add(h uint64) {
	n, step := uint64(len(b))*8, bits.RotateLeft64(h, 32)|1
	for range bloomHashes {
		at, _ := bits.Mul64(h, n)
		b[at/8] |= 1 << (at % 8)
		h += step
	}
}

// has reports whether h may be in the filter; one without bits does not know.
func (b bloom) has(h uint64) bool {
	n, step := uint64(len(b))*8, bits.RotateLeft64(h, 32)|1
	if n == 0 {
		return true
	}
	for range bloomHashes {
		if at, _ := bits.Mul64(h, n); b[at/8]&(1<<(at%8)) == 0 {
			return false
		}
		h += step
	}
	return true
}

// hasWords reports whether all words of the terms may be in the filter.
func (b bloom) hasWords(terms []string) bool {
	ok := true
	for _, term := range terms {
		eachWord(term, func(h uint64) { ok = ok && b.has(h) })
	}
	return ok
}
