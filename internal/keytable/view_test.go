package keytable

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
)

// So many keys have the same home, or one near it, that most are farther from theirs than a cell can say. Whichever is taken
// out, the others are still found, and cells say how far they are.
func TestUnlinkFarFromHome(t *testing.T) {
	const cells, keys = 800, 600
	random := rand.New(rand.NewPCG(1, 2))
	v := &view[int]{index: make([]atomic.Uint32, cells)}
	hashes := make([]uint64, keys)
	for s := range hashes {
		home := uint64(cells-20+random.IntN(40)) % cells // at the end of the index, or at its beginning
		hashes[s] = (home<<32/cells + 1<<20) << 24
		if v.home(hashes[s]) != int(home) {
			t.Fatalf("home %d, want %d", v.home(hashes[s]), home)
		}
		v.link(hashes[s], Slot(s))
	}
	hashOf := func(s Slot) uint64 { return hashes[s] }
	there := make(map[Slot]bool, keys)
	for s := range hashes {
		there[Slot(s)] = true
	}
	for _, s := range random.Perm(keys) {
		v.unlink(hashes[s], Slot(s), hashOf)
		delete(there, Slot(s))
		for other := range there {
			if i, ok := place(v, hashes[other], other); !ok || v.at(i).distance() != min(far, v.distance(v.home(hashes[other]), i)) {
				t.Fatalf("without %d, %d is found: %v; its cell is %x", s, other, ok, v.at(i))
			}
		}
	}
}

// place is the cell where a search finds a slot.
func place(v *view[int], hash uint64, s Slot) (int, bool) {
	i := v.home(hash)
	for v.at(i) != 0 && v.at(i).slot() != s {
		i = v.next(i)
	}
	return i, v.at(i) != 0
}
