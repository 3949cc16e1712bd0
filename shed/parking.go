package shed

import (
	"sync/atomic"

	"github.com/gabion-io/gabion/internal/admission"
)

// parking is where calls leave what they say while somebody else has the lock, so that no call that was not limited waits for
// it: also when whoever has it was descheduled, which happens above all when the machine is overloaded.
type parking struct {
	parked atomic.Int64 // at least this many slots are in use, as soon as those who park are done
	next   atomic.Uint32
	slots  [64]atomic.Uint64 // 0: free
}

// park leaves a sample for whoever takes the lock next. It says false when there is no room.
func (p *parking) park(s admission.Sample) bool {
	slot := &p.slots[p.next.Add(1)%uint32(len(p.slots))]
	if !slot.CompareAndSwap(0, uint64(s)) {
		return false
	}
	p.parked.Add(1)
	return true
}

// collect calls take with every sample that was left. Only one may collect at a time.
func (p *parking) collect(take func(admission.Sample)) {
	for i := range p.slots {
		if p.slots[i].Load() != 0 {
			take(admission.Sample(p.slots[i].Swap(0)))
			p.parked.Add(-1)
		}
	}
}
