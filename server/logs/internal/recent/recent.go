// Package recent remembers values of names that were seen last. Logs have few different names, which come again and again: looking here first is
// several times faster than a map.
package recent

import (
	"encoding/binary"
	"unsafe"
)

const (
	bits = 9
	// size is how many names are remembered at most.
	size = 1 << bits
)

// Slot has a name and its value.
type Slot[V any] struct {
	Name  string
	Value V
}

// Table remembers names. The zero value remembers none: its slots are of the name "" with the zero value. It is not safe for concurrent use.
type Table[V any] struct{ slots [size]Slot[V] }

// At returns the slot in which the name is, if it is anywhere. The slot of another name is to be taken for this one.
func (t *Table[V]) At(name string) *Slot[V] { return &t.slots[place(name)] }

func place(name string) uint64 { return Hash(name) >> (64 - bits) }

// Hash is made of the length and of eight bytes at the beginning, the middle and the end: names that differ elsewhere only have the same one. It takes
// a few nanoseconds, and is no good against who looks for such names. Its high bits are the best ones.
func Hash(name string) uint64 {
	b := unsafe.Slice(unsafe.StringData(name), len(name)) //nolint:gosec // only read
	n := len(b)
	h := uint64(n)
	if n >= 8 {
		h += binary.LittleEndian.Uint64(b)
		h = h*0x9e3779b97f4a7c15 + binary.LittleEndian.Uint64(b[n/2-4:])
		h = h*0x9e3779b97f4a7c15 + binary.LittleEndian.Uint64(b[n-8:])
	} else {
		for _, c := range b {
			h = h<<8 + uint64(c)
		}
	}
	h *= 0xff51afd7ed558ccd
	return (h ^ h>>32) * 0x9e3779b97f4a7c15
}

// Clear forgets all names.
func (t *Table[V]) Clear() { clear(t.slots[:]) }
