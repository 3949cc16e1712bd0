package admission

import (
	"math"
	"sync/atomic"
	"time"
)

// pressure controls how much optional work is left out, so that no call has to be refused: the level rises while calls are
// lost, in proportion to their share, and falls slowly and steadily while none is. Where leaving out work makes room, it comes
// to rest where nearly everything is served; the share of calls that is lost there is brownoutFall/brownoutRise. A level that
// only followed that share would come to rest where much of it is still lost. (After Klein et al., "Brownout: Building More
// Robust Cloud Applications", ICSE 2014, where the controlled quantity is the response time.)
//
// Calls of the lowest class do not count as lost: they are there to be given up first.
type pressure struct {
	level  atomic.Uint64 // bits of a float64, as of turned
	turned atomic.Int64  // an Instant

	began        Instant // of the present slot: its first call
	served, lost float64 // in it
}

const (
	brownoutRise = 4.0      // per second, when every call is lost
	brownoutFall = 1.0 / 30 // per second
	// A slot is long enough to know a share: so many calls, or as long as it may be.
	slotCalls    = 16
	slotShortest = 50 * time.Millisecond
	slotLongest  = time.Second
)

func (p *pressure) serve(now Instant) {
	p.begin(now)
	p.served++
	p.end(now)
}

func (p *pressure) lose(now Instant, class int) {
	if class == Classes-1 {
		return
	}
	p.begin(now)
	p.lost++
	p.end(now)
}

// begin begins a slot if there is none. One that silence has followed ended before that.
func (p *pressure) begin(now Instant) {
	if p.served+p.lost > 0 && now-p.began > slotLongest {
		p.turn(p.began + slotLongest)
	}
	if p.served+p.lost == 0 {
		p.began = now
	}
}

// end ends the slot if it is long enough.
func (p *pressure) end(now Instant) {
	if lasted := now - p.began; lasted >= slotLongest || lasted >= slotShortest && p.served+p.lost >= slotCalls {
		p.turn(now)
	}
}

// turn ends the slot.
func (p *pressure) turn(now Instant) {
	share := p.lost / max(p.served+p.lost, slotCalls)
	level := p.at(now) + brownoutRise*share*min(now-p.began, slotLongest/4).Seconds()
	p.level.Store(math.Float64bits(min(level, 1)))
	p.turned.Store(int64(now))
	p.served, p.lost = 0, 0
}

// at is the level now.
func (p *pressure) at(now Instant) float64 {
	level := math.Float64frombits(p.level.Load())
	return max(0, level-brownoutFall*max(0, now-Instant(p.turned.Load())).Seconds())
}

// brownout reads the clock only when there is some.
func (p *pressure) brownout(now func() Instant) float64 {
	if p.level.Load() == 0 {
		return 0
	}
	return p.at(now())
}
