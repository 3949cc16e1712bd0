// Package recent remembers values of names that were seen last. Logs have few different names, which come again and again: looking here first is
// several times faster than a map.
package recent

import "hash/maphash"

// size is how many names are remembered at most. It is a power of two.
const size = 1 << 9

var seed = maphash.MakeSeed()

// Slot has a name and its value.
type Slot[V any] struct {
	Name  string
	Value V
}

// Table remembers names. The zero value remembers none: its slots are of the name "" with the zero value. It is not safe for concurrent use.
type Table[V any] struct{ slots [size]Slot[V] }

// At returns the slot in which the name is, if it is anywhere. The slot of another name is to be taken for this one.
func (t *Table[V]) At(name string) *Slot[V] {
	return &t.slots[maphash.String(seed, name)%size]
}

// Clear forgets all names.
func (t *Table[V]) Clear() { clear(t.slots[:]) }
