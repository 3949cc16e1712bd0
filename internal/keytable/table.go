// Package keytable remembers a value for each of very many keys in little memory: beside the text of a key and its value it
// takes 8 bytes and at most 11 for the index. It holds no pointers when the values hold none, so the garbage
// collector does not look at it.
//
//	index (open addressing)      entries (in chunks, never moved)      texts (in blocks)
//	[tag │ slot] ─────────────▶  value │ where its text is ─────────▶  …alice bob carol…
//
// A table is not safe for concurrent use.
package keytable

import (
	"hash/maphash"
	"iter"
)

// Slot is the place of a key. It stays the same until the key is removed; then another key may get it.
type Slot uint32

const (
	// MaxKeys is how many keys a table can hold.
	MaxKeys = 1<<slotBits - 2
	// MaxLength is how many bytes a key may have.
	MaxLength = 512

	slotBits   = 24
	chunkBits  = 6
	chunkSize  = 1 << chunkBits
	vacant     = 1<<16 - 1 // the length of no key
	leastIndex = 8
)

// Table is a value for each key. Make it with [New].
type Table[V any] struct {
	seed maphash.Seed
	// index is a power of two of cells: 0, or eight bits of the hash and the slot + 1. Cells are looked at one after the
	// other, from the one that the hash says up to the first that is 0.
	index []uint32
	// chunks hold the entries. Chunks are added, never moved.
	chunks []*[chunkSize]entry[V]
	slots  Slot // so many were ever used at once
	free   Slot // + 1, the first of those without a key
	keys   int
	texts  texts
}

type entry[V any] struct {
	value  V
	at     uint32 // of the text; of a vacant entry: the next one + 1
	length uint16
}

// New makes an empty table for keys that are hashed with the seed.
func New[V any](seed maphash.Seed) Table[V] { return Table[V]{seed: seed} }

// Len is how many keys there are.
func (t *Table[V]) Len() int { return t.keys }

// Slots bounds the slots: all are below it.
func (t *Table[V]) Slots() Slot { return t.slots }

// home is the cell where the search for a hash begins, tag what a cell holds of it. Neither uses the lowest eight bits, by
// which the user of several tables may choose one.
func (t *Table[V]) home(hash uint64) uint64 { return hash >> 8 & uint64(len(t.index)-1) }

func tag(hash uint64) uint32 { return uint32(hash >> 56 << slotBits) }

func (t *Table[V]) entry(s Slot) *entry[V] { return &t.chunks[s>>chunkBits][s%chunkSize] }

func (t *Table[V]) text(e *entry[V]) []byte { return t.texts.get(e.at, e.length) }

// Find returns the value of a key and its slot, nil when there is none. The hash is maphash.String of the key and the seed.
func (t *Table[V]) Find(hash uint64, key string) (Slot, *V) {
	if len(t.index) == 0 {
		return 0, nil
	}
	mask := uint64(len(t.index) - 1)
	for i := t.home(hash); t.index[i] != 0; i = (i + 1) & mask {
		if cell := t.index[i]; cell>>slotBits<<slotBits == tag(hash) {
			s := slotOf(cell)
			if e := t.entry(s); string(t.text(e)) == key {
				return s, &e.value
			}
		}
	}
	return 0, nil
}

// FindHash is [Table.Find] by the hash alone, which is that of some other key once in 2^64 times.
func (t *Table[V]) FindHash(hash uint64) (Slot, *V) {
	if len(t.index) == 0 {
		return 0, nil
	}
	mask := uint64(len(t.index) - 1)
	for i := t.home(hash); t.index[i] != 0; i = (i + 1) & mask {
		if cell := t.index[i]; cell>>slotBits<<slotBits == tag(hash) {
			s := slotOf(cell)
			if e := t.entry(s); maphash.Bytes(t.seed, t.text(e)) == hash {
				return s, &e.value
			}
		}
	}
	return 0, nil
}

func slotOf(cell uint32) Slot { return Slot(cell&(1<<slotBits-1)) - 1 }

// Add adds a key that is not there, and returns its zero value, nil when the table is full or the key too long. The text
// of the key is copied.
func (t *Table[V]) Add(hash uint64, key string) (Slot, *V) {
	if t.keys >= MaxKeys || len(key) > MaxLength || len(t.texts.blocks) >= maxBlocks {
		return 0, nil
	}
	if 4*(t.keys+1) > 3*len(t.index) {
		t.reindex()
	}
	s := t.vacate()
	e := t.entry(s)
	*e = entry[V]{at: t.texts.add(key), length: uint16(len(key))}
	t.link(hash, s)
	t.keys++
	return s, &e.value
}

// vacate returns a slot without a key.
func (t *Table[V]) vacate() Slot {
	if t.free != 0 {
		s := t.free - 1
		t.free = Slot(t.entry(s).at)
		return s
	}
	if int(t.slots) == len(t.chunks)*chunkSize {
		t.chunks = append(t.chunks, new([chunkSize]entry[V]))
	}
	t.slots++
	return t.slots - 1
}

// link puts a slot into the index.
func (t *Table[V]) link(hash uint64, s Slot) {
	mask := uint64(len(t.index) - 1)
	i := t.home(hash)
	for t.index[i] != 0 {
		i = (i + 1) & mask
	}
	t.index[i] = tag(hash) | uint32(s+1)
}

// reindex doubles the index.
func (t *Table[V]) reindex() {
	t.index = make([]uint32, max(leastIndex, 2*len(t.index)))
	for s := range t.All() {
		t.link(t.hash(s), s)
	}
}

func (t *Table[V]) hash(s Slot) uint64 { return maphash.Bytes(t.seed, t.text(t.entry(s))) }

// Remove forgets the key at the slot.
func (t *Table[V]) Remove(s Slot) {
	t.unlink(s)
	e := t.entry(s)
	t.texts.drop(e.length)
	*e = entry[V]{at: uint32(t.free), length: vacant}
	t.free = s + 1
	t.keys--
	if t.texts.wasteful() {
		t.compact()
	}
}

// unlink takes a slot out of the index, and moves those behind it to where they are found without it.
func (t *Table[V]) unlink(s Slot) {
	mask := uint64(len(t.index) - 1)
	hole := t.home(t.hash(s))
	for slotOf(t.index[hole]) != s {
		hole = (hole + 1) & mask
	}
	for i := (hole + 1) & mask; t.index[i] != 0; i = (i + 1) & mask {
		home := t.home(t.hash(slotOf(t.index[i])))
		if (i-home)&mask >= (i-hole)&mask { // its search passes the hole
			t.index[hole] = t.index[i]
			hole = i
		}
	}
	t.index[hole] = 0
}

// compact writes all texts anew, without those that were dropped.
func (t *Table[V]) compact() {
	var next texts
	for s := range t.All() {
		e := t.entry(s)
		e.at = next.add(string(t.text(e)))
	}
	t.texts = next
}

// At returns the value at a slot, nil when no key has it.
func (t *Table[V]) At(s Slot) *V {
	if s >= t.slots {
		return nil
	}
	if e := t.entry(s); e.length != vacant {
		return &e.value
	}
	return nil
}

// Key returns the key at a slot that one has.
func (t *Table[V]) Key(s Slot) string { return string(t.text(t.entry(s))) }

// All yields every slot that a key has, with its value. Keys may be removed meanwhile, not added.
func (t *Table[V]) All() iter.Seq2[Slot, *V] {
	return func(yield func(Slot, *V) bool) {
		for s := range t.slots {
			if v := t.At(s); v != nil && !yield(s, v) {
				return
			}
		}
	}
}
