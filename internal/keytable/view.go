package keytable

import (
	"iter"
	"math/bits"
	"sync/atomic"
)

// view is the index and the entries.
type view[V any] struct {
	// index is groups of cells. They are looked at one after the other, from the one that the hash says up to the first
	// with a vacant cell.
	index []group
	// chunks hold the entries. Chunks are added, never moved. They are no pointers to arrays, as Go looks at the beginning
	// of an array before it looks into it, and another goroutine may just be writing there.
	chunks [][]Entry[V]
}

// group is eight cells. The cell of a key says eight bits of its hash, by which it is told from most others, and its slot. The
// tags are compared all at once, so that nothing depends on where in its group a key is: a processor cannot guess that.
type group struct {
	tags  atomic.Uint64    // a byte for each cell, 0 when it is vacant
	slots [2]atomic.Uint64 // 16 bits for each cell
}

const (
	groupSize = 8
	// usable is how many cells of a group are in use on average, at most: of more, many keys would not be in the group where
	// the search for them begins.
	usable = 6

	slotBits = 16
	perWord  = 64 / slotBits

	lows, highs = 0x0101010101010101, 0x8080808080808080
)

// tag is the bits of a hash that are in the index, never 0.
func tag(hash uint64) uint64 { return max(hash>>56, 1) }

// equal has the highest bit of each byte set that is b: maybe that of others too, but then that of a lower one is.
func equal(bytes, b uint64) uint64 {
	x := bytes ^ b*lows
	return (x - lows) &^ x & highs
}

// first is the cell of the lowest bit that is set.
func first(matches uint64) int { return bits.TrailingZeros64(matches) / 8 }

func (g *group) full() bool { return equal(g.tags.Load(), 0) == 0 }

func (g *group) slot(cell int) Slot {
	return Slot(uint16(g.slots[cell/perWord].Load() >> (cell % perWord * slotBits)))
}

// set makes a cell that of a key.
func (g *group) set(cell int, tag uint64, s Slot) {
	word, at := &g.slots[cell/perWord], cell%perWord*slotBits
	word.Store(word.Load()&^((1<<slotBits-1)<<at) | uint64(s)<<at)
	g.tags.Store(g.tags.Load() | tag<<(cell*8))
}

// clear makes a cell vacant.
func (g *group) clear(cell int) { g.tags.Store(g.tags.Load() &^ (0xff << (cell * 8))) }

// room is how many keys the index can hold.
func (v *view[V]) room() int { return len(v.index) * usable }

// grown is how many groups the next larger index has: few more, because they would be memory for each key.
func (v *view[V]) grown() int { return len(v.index) + len(v.index)/4 + 1 }

// home is the group where the search for a hash begins. Neither it nor the tag uses the lowest 24 bits, by which the user of
// several tables may choose one.
func (v *view[V]) home(hash uint64) int {
	return int(uint64(uint32(hash>>24)) * uint64(len(v.index)) >> 32)
}

// next is the group that is looked at after i.
func (v *view[V]) next(i int) int {
	if i++; i < len(v.index) {
		return i
	}
	return 0
}

// distance is how many groups a search goes on from one group to another.
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

// candidates yields the entries that may be that of a hash, nil for one that was added after the view was made.
func (v *view[V]) candidates(hash uint64) iter.Seq2[Slot, *Entry[V]] {
	return func(yield func(Slot, *Entry[V]) bool) {
		i := v.home(hash)
		for range v.index { // while the owner is changing something, no group may seem to have a vacant cell
			g := &v.index[i]
			for m := equal(g.tags.Load(), tag(hash)); m != 0; m &= m - 1 {
				if s := g.slot(first(m)); !yield(s, v.entry(s)) {
					return
				}
			}
			if !g.full() {
				return
			}
			i = v.next(i)
		}
	}
}

// link puts a slot into the index, where a search for the hash finds it.
func (v *view[V]) link(hash uint64, s Slot) {
	i := v.home(hash)
	for v.index[i].full() {
		i = v.next(i)
	}
	g := &v.index[i]
	g.set(first(equal(g.tags.Load(), 0)), tag(hash), s)
}

// unlink takes a slot out of the index. Keys that are not in the group where the search for them begins, because it was full, are
// moved nearer to it, so that they are found without the slot.
func (v *view[V]) unlink(hash uint64, s Slot, hashOf func(Slot) uint64) {
	i := v.home(hash)
	cell := v.index[i].cell(tag(hash), s)
	for cell < 0 {
		i = v.next(i)
		cell = v.index[i].cell(tag(hash), s)
	}
	hole := &v.index[i]
	passed := hole.full() // by the search for keys behind it
	hole.clear(cell)
	for j := v.next(i); passed; j = v.next(j) {
		g := &v.index[j]
		passed = g.full()
		for c := range groupSize {
			if g.tag(c) == 0 {
				continue
			}
			s := g.slot(c)
			if h := hashOf(s); v.distance(v.home(h), j) >= v.distance(i, j) {
				hole.set(cell, tag(h), s)
				g.clear(c)
				hole, i, cell = g, j, c
				break
			}
		}
	}
}

func (g *group) tag(cell int) uint64 { return g.tags.Load() >> (cell * 8) & 0xff }

// cell is where the group has a slot, negative when it has not.
func (g *group) cell(tag uint64, s Slot) int {
	for c := range groupSize {
		if g.tag(c) == tag && g.slot(c) == s {
			return c
		}
	}
	return -1
}
