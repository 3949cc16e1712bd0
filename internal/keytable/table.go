// Package keytable remembers a value for each of very many keys in little memory: beside the text of a key and its value it
// takes 32 bytes less the first 18 of the text, and about 5 for the index. It holds no pointers when the values hold
// none, so the garbage collector does not look at it.
//
//	index (groups of 8 cells)    entries (in chunks, never moved)                 texts (in blocks)
//	tags │ slots ─────────────▶  lock │ value │ how its text begins │ the rest ─▶  …ice-long-name ob-long-name…
//
// With a value of 32 bytes, an entry is one cache line, which is all that is read of a key with a short text, and all
// that is written.
//
// Goroutines that look for keys need not wait for each other, nor for whoever adds and removes keys: an entry has a lock of
// its own. Only one goroutine at a time may add and remove keys; who does that is called the owner here.
package keytable

import (
	"hash/maphash"
	"iter"
	"sync"
	"sync/atomic"
)

// Slot is the place of a key. It stays the same until the key is removed; then another key may get it.
type Slot uint32

const (
	// MaxKeys is how many keys a table can hold.
	MaxKeys = 1 << slotBits
	// MaxLength is how many bytes a key may have.
	MaxLength = 512

	chunkBits = 5
	chunkSize = 1 << chunkBits
	// headSize is how much of a text is in the entry: what is left of 64 bytes beside a value of 32.
	headSize = 18
)

// Table is a value for each key. Make it with [Table.Init].
type Table[V any] struct {
	seed maphash.Seed
	// view is what has to be known to find a key. It is replaced whenever the index or the number of chunks grows.
	view  atomic.Pointer[view[V]]
	slots Slot // so many were ever used at once
	free  Slot // + 1, the first of those without a key
	keys  int
	// texts are the ends of long texts: in one of the two, but for the time when compact takes them to the other.
	texts   [2]texts
	current uint16 // which of them
}

// Entry is the value of a key. Its lock guards the value.
type Entry[V any] struct {
	sync.Mutex
	Value V

	// What follows is read under the lock, or by the owner, and written by the owner under the lock.

	at     uint32 // of the end of the text; of a vacant entry: the next one + 1
	length uint16 // of the text; its highest bit says which texts its end is in
	head   [headSize]byte
}

const (
	second     = 1 << 15 // the bit of an entry's length for the second texts
	lengthMask = second - 1
	vacant     = lengthMask // the length of no key
)

// size is the length of the text.
func (e *Entry[V]) size() int { return int(e.length & lengthMask) }

// Init makes the table an empty one, for keys that are hashed with the seed.
func (t *Table[V]) Init(seed maphash.Seed) {
	t.seed = seed
	t.view.Store(&view[V]{})
}

// Len is how many keys there are. It is for the owner.
func (t *Table[V]) Len() int { return t.keys }

// Slots bounds the slots: all are below it. It is for the owner.
func (t *Table[V]) Slots() Slot { return t.slots }

// Guess returns the entry that most probably is that of a key: nil when there is none. The hash is maphash.String of the key and the
// seed. Guess reads nothing of the entry, and does not lock it: that is for [Table.Claim]. Between the two there is time for
// something else, while the processor fetches the entry.
//
// Guess and Claim are for everybody at any time; but for whoever is not the owner they may find nothing while the owner is
// changing something.
func (t *Table[V]) Guess(hash uint64) *Entry[V] {
	v := t.view.Load()
	i := v.home(hash)
	for range v.index {
		g := &v.index[i]
		tags := g.tags.Load()
		if m := equal(tags, tag(hash)); m != 0 {
			return v.entry(g.slot(first(m)))
		}
		if equal(tags, 0) != 0 {
			break
		}
		if i++; i == len(v.index) {
			i = 0
		}
	}
	return nil
}

// Claim returns the entry of a key, which it has locked: nil when there is none. It needs the guess at the entry.
func (t *Table[V]) Claim(guess *Entry[V], hash uint64, key string) *Entry[V] {
	if guess == nil || t.claim(guess, key) {
		return guess
	}
	for _, e := range t.view.Load().candidates(hash) {
		if e != nil && t.claim(e, key) {
			return e
		}
	}
	return nil
}

// claim locks the entry if it is that of a key.
func (t *Table[V]) claim(e *Entry[V], key string) bool {
	e.Lock()
	if t.has(e, key) {
		return true
	}
	e.Unlock()
	return false
}

// Lookup returns the slot and the entry of a key, which it does not lock: nil when there is none. It is for the owner.
func (t *Table[V]) Lookup(hash uint64, key string) (Slot, *Entry[V]) {
	for s, e := range t.view.Load().candidates(hash) {
		if t.has(e, key) {
			return s, e
		}
	}
	return 0, nil
}

// LookupHash is [Table.Lookup] by the hash alone, which is that of some other key once in 2^64 times.
func (t *Table[V]) LookupHash(hash uint64) (Slot, *Entry[V]) {
	for s, e := range t.view.Load().candidates(hash) {
		if t.hash(e) == hash {
			return s, e
		}
	}
	return 0, nil
}

// has says whether the entry is that of a key.
func (t *Table[V]) has(e *Entry[V], key string) bool {
	return e.begins(key) && (len(key) <= headSize || t.ends(e, key))
}

// begins says whether the entry is that of a key as long and with the same beginning.
func (e *Entry[V]) begins(key string) bool {
	n := min(len(key), headSize)
	return e.size() == len(key) && string(e.head[:n]) == key[:n]
}

// ends says whether a key that begins as that of the entry also ends like it.
func (t *Table[V]) ends(e *Entry[V], key string) bool { return string(t.end(e)) == key[headSize:] }

// end is what of a text is not in the entry.
func (t *Table[V]) end(e *Entry[V]) []byte {
	return t.texts[e.length/second].get(e.at, e.size()-headSize)
}

// text appends the text of an entry.
func (t *Table[V]) text(to []byte, e *Entry[V]) []byte {
	n := e.size()
	to = append(to, e.head[:min(n, headSize)]...)
	if n > headSize {
		to = append(to, t.end(e)...)
	}
	return to
}

func (t *Table[V]) hash(e *Entry[V]) uint64 {
	if n := e.size(); n <= headSize {
		return maphash.Bytes(t.seed, e.head[:n])
	}
	var text [MaxLength]byte
	return maphash.Bytes(t.seed, t.text(text[:0], e))
}

// Add adds a key that is not there. It returns its slot and its entry, which it has locked: nil when the table is full
// or the key too long. The text of the key is copied. It is for the owner.
func (t *Table[V]) Add(hash uint64, key string) (Slot, *Entry[V]) {
	if t.keys >= MaxKeys || len(key) > MaxLength || t.texts[t.current].full() {
		return 0, nil
	}
	if v := t.view.Load(); t.keys+1 > v.room() {
		t.reindex(v.grown())
	}
	s := t.vacate()
	e := t.entry(s)
	e.Lock()
	var none V
	e.Value, e.length = none, uint16(len(key))|t.current*second
	if copy(e.head[:], key) < len(key) {
		e.at = t.texts[t.current].add(key[headSize:])
	}
	t.view.Load().link(hash, s)
	t.keys++
	return s, e
}

// vacate returns a slot without a key.
func (t *Table[V]) vacate() Slot {
	if t.free != 0 {
		s := t.free - 1
		t.free = Slot(t.entry(s).at)
		return s
	}
	if v := t.view.Load(); int(t.slots) == len(v.chunks)*chunkSize {
		c := make([]Entry[V], chunkSize)
		for i := range c {
			c[i].length = vacant
		}
		t.view.Store(&view[V]{v.index, append(v.chunks, c)})
	}
	t.slots++
	return t.slots - 1
}

// reindex writes the index anew, with so many groups.
func (t *Table[V]) reindex(groups int) {
	next := &view[V]{make([]group, groups), t.view.Load().chunks}
	for s, e := range t.All() {
		next.link(t.hash(e), s)
	}
	t.view.Store(next)
}

// Remove forgets the key at the slot, whose entry is locked. It is for the owner.
func (t *Table[V]) Remove(s Slot) {
	e := t.entry(s)
	t.view.Load().unlink(t.hash(e), s, func(s Slot) uint64 { return t.hash(t.entry(s)) })
	texts := &t.texts[t.current]
	if n := e.size(); n > headSize {
		texts.drop(n - headSize)
	}
	e.at, e.length = uint32(t.free), vacant
	t.free = s + 1
	t.keys--
	if texts.wasteful() {
		t.compact()
	}
}

// compact writes the ends of all texts anew, without those that were dropped. Whoever looks for a key meanwhile finds each
// either in the old or in the new ones.
func (t *Table[V]) compact() {
	from, to := &t.texts[t.current], &t.texts[1-t.current]
	for _, e := range t.All() {
		if e.size() <= headSize {
			continue
		}
		e.Lock()
		e.at = to.add(string(t.end(e)))
		e.length ^= second
		e.Unlock()
	}
	from.reset()
	t.current = 1 - t.current
}

func (t *Table[V]) entry(s Slot) *Entry[V] { return t.view.Load().entry(s) }

// At returns the entry at a slot, nil when no key has it. It is for the owner.
func (t *Table[V]) At(s Slot) *Entry[V] {
	if s >= t.slots {
		return nil
	}
	if e := t.entry(s); e.size() != vacant {
		return e
	}
	return nil
}

// Key returns the key at a slot that one has. It is for the owner.
func (t *Table[V]) Key(s Slot) string { return string(t.text(nil, t.entry(s))) }

// All yields every slot that a key has, with its entry. Keys may be removed meanwhile, not added. It is for the owner.
func (t *Table[V]) All() iter.Seq2[Slot, *Entry[V]] {
	return func(yield func(Slot, *Entry[V]) bool) {
		for s := range t.slots {
			if e := t.At(s); e != nil && !yield(s, e) {
				return
			}
		}
	}
}
