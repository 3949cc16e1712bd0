package packed

import (
	"hash/maphash"

	"github.com/gabion-io/gabion/server/logs/internal/recent"
)

// dictionary numbers names from 0 on, in the order in which they come. It is a hash table with open addressing. The hash is a fast one, until too many
// names have the same: then somebody may have looked for them, and it takes one that nobody can foretell.
type dictionary struct {
	names []string
	place []uint32 // of each name in slots
	slots []uint32 // the number of a name and one more; 0 in free ones
	wary  bool
}

var seed = maphash.MakeSeed()

const (
	// keepSlots bounds the memory that a dictionary keeps after a reset.
	keepSlots = 1 << 13
	// mostProbes is how many places are looked at until the hash is taken for a bad one. With a good one there are two in the mean.
	mostProbes = 64
)

// add returns the number of a name, and whether it is a new one.
func (d *dictionary) add(name string) (number int, added bool) {
	if 2*len(d.names) >= len(d.slots) {
		d.rebuild(max(2*len(d.slots), 1<<8))
	}
	at, ok := d.find(name)
	if !ok {
		d.wary = true
		d.rebuild(len(d.slots))
		at, _ = d.find(name)
	}
	if n := d.slots[at]; n > 0 {
		return int(n) - 1, false
	}
	d.names, d.place = append(d.names, name), append(d.place, at)
	d.slots[at] = uint32(len(d.names))
	return len(d.names) - 1, true
}

// find is where a name is, or the free place for it; false when that takes too long, and another hash is there.
func (d *dictionary) find(name string) (at uint32, ok bool) {
	last := uint32(len(d.slots) - 1)
	if d.wary {
		at = uint32(maphash.String(seed, name)) & last
	} else {
		at = uint32(recent.Hash(name)>>32) & last
	}
	for probes := 1; ; probes++ {
		n := d.slots[at]
		if n == 0 || d.names[n-1] == name {
			return at, true
		}
		if probes >= mostProbes && !d.wary {
			return 0, false
		}
		at = (at + 1) & last
	}
}

// rebuild puts the names into that many slots.
func (d *dictionary) rebuild(slots int) {
	d.slots = make([]uint32, slots)
	for n := 0; n < len(d.names); n++ {
		at, ok := d.find(d.names[n])
		if !ok { // from the beginning
			d.wary = true
			clear(d.slots)
			n = -1
			continue
		}
		d.place[n] = at
		d.slots[at] = uint32(n) + 1
	}
}

// reset forgets all names.
func (d *dictionary) reset() {
	if len(d.slots) > keepSlots {
		*d = dictionary{}
		return
	}
	for _, at := range d.place {
		d.slots[at] = 0
	}
	clear(d.names)
	d.names, d.place, d.wary = d.names[:0], d.place[:0], false
}
