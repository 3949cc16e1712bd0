package keytable

import (
	"math/rand/v2"
	"testing"
)

// So many keys have the same home, or one near it, that most are many groups from theirs, beyond the end of the index too.
// Whichever is taken out, a search still finds the others.
func TestUnlinkFarFromHome(t *testing.T) {
	const groups, keys = 100, 100 * usable
	random := rand.New(rand.NewPCG(1, 2))
	v := &view[int]{index: make([]group, groups)}
	hashes := make([]uint64, keys)
	for s := range hashes {
		home := uint64(groups-3+random.IntN(5)) % groups
		tag := random.Uint64N(4)
		hashes[s] = (home<<32/groups+1<<20)<<24 | tag<<56
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
			if !finds(v, hashes[other], other) {
				t.Fatalf("without %d, %d is not found", s, other)
			}
		}
	}
	for i := range v.index {
		if tags := v.index[i].tags.Load(); tags != 0 {
			t.Errorf("group %d is not empty at the end: %x", i, tags)
		}
	}
}

// finds says whether a search for a hash, which ends at the first group with a vacant cell, comes by a slot.
func finds(v *view[int], hash uint64, s Slot) bool {
	for i := v.home(hash); ; i = v.next(i) {
		if v.index[i].cell(tag(hash), s) >= 0 {
			return true
		}
		if !v.index[i].full() {
			return false
		}
	}
}

func TestEqualFindsTheFirst(t *testing.T) {
	for _, c := range []struct {
		bytes, b uint64
		want     int // 8: none
	}{
		{0, 0, 0},
		{0x0102030405060708, 0, 8},
		{0x0102030405060708, 8, 0},
		{0x0102030405060708, 1, 7},
		{0x0102030405060008, 0, 1},
		{0x0808080808090808, 9, 2},
		{0xff80ff80ff80ff80, 0xff, 1},
		{0xff80ff80ff80ff80, 0x7f, 8},
	} {
		if got := first(equal(c.bytes, c.b)); got != c.want {
			t.Errorf("%#x in %#x: %d, want %d", c.b, c.bytes, got, c.want)
		}
	}
}
