package breaker

import "github.com/gabion-io/gabion"

// grades is in how many steps the age of a call in flight is known.
const grades = 8

// pile knows how many of the calls in flight are older than an age, to an eighth of it. It has no clock and no lock.
type pile struct {
	width  gabion.Instant // of a slot; 0: nothing is counted
	newest int64          // number of the newest slot
	slots  [grades + 1]int
	old    int // calls that began before the slots
}

func newPile(age gabion.Instant) pile { return pile{width: max(age/grades, 1)} }

// roll makes the slot of now the newest.
func (p *pile) roll(now gabion.Instant) {
	number := int64(now / p.width)
	for range min(number-p.newest, int64(len(p.slots))) {
		p.newest++
		oldest := &p.slots[p.newest%int64(len(p.slots))]
		p.old += *oldest
		*oldest = 0
	}
	p.newest = max(p.newest, number)
}

// begin counts a call that begins, and returns its slot.
func (p *pile) begin(now gabion.Instant) (slot int64) {
	p.roll(now)
	p.slots[p.newest%int64(len(p.slots))]++
	return p.newest
}

// end counts it as ended.
func (p *pile) end(slot int64) {
	if slot <= p.newest-int64(len(p.slots)) {
		p.old--
		return
	}
	p.slots[slot%int64(len(p.slots))]--
}

// The stamp of a call that is counted holds its slot as well, without what never matters of it.
const (
	slotShift  = 40
	periodMask = 1<<slotShift - 1
	slotMask   = 1<<(64-slotShift) - 1
)

// stamped is a stamp for a call of a period.
func stamped(period uint64, slot int64) uint64 { return period | uint64(slot)<<slotShift }

// slotOf is the slot of a stamp. The pile knows what the stamp does not hold.
func (p *pile) slotOf(stamp uint64) int64 {
	back := (uint64(p.newest) - stamp>>slotShift) & slotMask
	return p.newest - int64(back)
}
