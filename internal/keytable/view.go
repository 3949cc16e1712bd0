package keytable

import (
	"iter"
	"sync/atomic"
)

// view is the index and the entries.
type view[V any] struct {
	// index is cells. They are looked at one after the other, from the one that the hash says up to the first that
	// is vacant. At most 2 of 3 are not: of more, a search would look at too many.
	index []atomic.Uint32
	// chunks hold the entries. Chunks are added, never moved. They are no pointers to arrays, as Go looks at the beginning
	// of an array before it looks into it, and another goroutine may just be writing there.
	chunks [][]Entry[V]
}

const leastIndex = 8

// room is how many keys the index can hold.
func (v *view[V]) room() int { return len(v.index) * 2 / 3 }

// grown is how many cells the next larger index has: few more, because they would be memory for each key.
func (v *view[V]) grown() int { return max(leastIndex, len(v.index)+len(v.index)/4) }

// home is the cell where the search for a hash begins. Neither it nor the tag uses the lowest 24 bits, by which the user of
// several tables may choose one.
func (v *view[V]) home(hash uint64) int {
	return int(uint64(uint32(hash>>24)) * uint64(len(v.index)) >> 32)
}

// cell is 0 when it is vacant. Otherwise it is eight bits of the hash, how far it is from its home and the slot + 1:
//
//	tag (8) │ distance (8) │ slot + 1 (16)
type cell uint32

const (
	slotBits = 16
	tagAt    = slotBits + 8
	far      = 1<<8 - 1 // the distance of this or more
)

func newCell(tag uint32, distance int, s Slot) cell {
	return cell(tag<<tagAt | uint32(min(distance, far))<<slotBits | uint32(s+1))
}

func tag(hash uint64) uint32 { return uint32(hash >> 56) }

func (c cell) tag() uint32   { return uint32(c >> tagAt) }
func (c cell) distance() int { return int(c >> slotBits & far) }
func (c cell) slot() Slot    { return Slot(c&(1<<slotBits-1)) - 1 }

func (v *view[V]) at(i int) cell { return cell(v.index[i].Load()) }

// next is the cell that is looked at after i.
func (v *view[V]) next(i int) int {
	if i++; i < len(v.index) {
		return i
	}
	return 0
}

// distance is how many cells a search goes on from one cell to another.
func (v *view[V]) distance(from, to int) int {
	if to < from {
		to += len(v.index)
	}
	return to - from
}

// entry returns the entry at a slot: nil when the chunk was added after the view was made.
func (v *view[V]) entry(s Slot) *Entry[V] {
	if c := int(s >> chunkBits); c < len(v.chunks) {
		return &v.chunks[c][s%chunkSize]
	}
	return nil
}

// candidates yields the entries that may be that of a hash. It is for the owner.
func (v *view[V]) candidates(hash uint64) iter.Seq2[Slot, *Entry[V]] {
	return func(yield func(Slot, *Entry[V]) bool) {
		for i := v.home(hash); len(v.index) > 0; i = v.next(i) {
			c := v.at(i)
			if c == 0 || c.tag() == tag(hash) && !yield(c.slot(), v.entry(c.slot())) {
				return
			}
		}
	}
}

// link puts a slot into the index.
func (v *view[V]) link(hash uint64, s Slot) {
	home := v.home(hash)
	i := home
	for v.at(i) != 0 {
		i = v.next(i)
	}
	v.index[i].Store(uint32(newCell(tag(hash), v.distance(home, i), s)))
}

// unlink takes a slot out of the index, and moves those behind it to where they are found without it. The distance of one that
// is far is what its hash says.
func (v *view[V]) unlink(hash uint64, s Slot, hashOf func(Slot) uint64) {
	hole := v.home(hash)
	for v.at(hole).slot() != s {
		hole = v.next(hole)
	}
	for i := v.next(hole); v.at(i) != 0; i = v.next(i) {
		c, gap := v.at(i), v.distance(hole, i)
		d := c.distance()
		if d == far {
			d = v.distance(v.home(hashOf(c.slot())), i)
		}
		if d >= gap { // its search passes the hole
			v.index[hole].Store(uint32(newCell(c.tag(), d-gap, c.slot())))
			hole = i
		}
	}
	v.index[hole].Store(0)
}
