package balance

import (
	"hash/fnv"
	"math"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
)

const (
	// rampFrom is the share of its weight that a member gets when it has just come back.
	rampFrom = 0.1
	// floor is the least share of its weight that a failing or silent member keeps, so that it is seen to recover.
	floor = 0.02
	// halfLife is the time in which an error penalty halves when no requests come.
	halfLife = 5 * time.Second
	// failGain and passGain are how far one failure moves the penalty towards 1, and one success towards 0.
	failGain, passGain = 1.0 / 4, 1.0 / 8
	// A member is silent when something is in flight and nothing has ended for silentAfter times as long as its
	// requests take on average, and at least minSilence.
	silentAfter = 8
	minSilence  = 20 * time.Millisecond
	// paceGain is the weight of one more request in that average.
	paceGain = 1.0 / 16
)

// Member is what is known of one endpoint's load. It is safe for concurrent use. Make it with [NewMember].
type Member struct {
	seed     uint64 // its place for hash
	inFlight atomic.Int64
	returned atomic.Int64  // when it came back; 0: it has always been there
	penalty  atomic.Uint64 // microseconds and level, see pack
	usual    atomic.Int64  // how long its successful requests take on average, in ns; 0: not known
	progress atomic.Int64  // when a request last ended with an answer, or the first in flight began

	// The lock of the Rations guards these.

	tokens   float64        // what is left of its ration
	rationed gabion.Instant // when it had come back that the ration is for
}

// NewMember makes a member. Its key decides what hash sends to it: the same key means the same requests, in every
// gateway.
func NewMember(key string) *Member {
	h := fnv.New64a()
	h.Write([]byte(key))
	return &Member{seed: mix(h.Sum64())}
}

// mix spreads the bits of x (the finalizer of splitmix64, Steele et al. 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Quality says what an ended request tells about its member.
type Quality uint8

// The qualities of a request's end.
const (
	// Good: it was answered as it should be.
	Good Quality = iota
	// Bad: it was answered, with an error.
	Bad
	// Unanswered: it failed without an answer.
	Unanswered
	// Unknown: the client went away, or the like.
	Unknown
)

// Begin counts a request that is sent to the member.
func (m *Member) Begin(now gabion.Instant) {
	if m.inFlight.Add(1) == 1 {
		m.progress.Store(int64(now))
	}
}

// End counts that it ended, and returns how many are still in flight.
func (m *Member) End(now, began gabion.Instant, q Quality) int {
	switch q {
	case Good:
		m.learn(now - began)
		m.blame(now, false)
	case Bad, Unanswered:
		m.blame(now, true)
	}
	if q == Good || q == Bad {
		m.progress.Store(int64(now))
	}
	return int(m.inFlight.Add(-1))
}

// InFlight is how many requests it works on.
func (m *Member) InFlight() int { return int(m.inFlight.Load()) }

// Return says that the member came back now: its weight starts small.
func (m *Member) Return(now gabion.Instant) { m.returned.Store(int64(now)) }

// Ramp is the share of its weight that a member has now because it came back within the slow start.
func (m *Member) Ramp(now gabion.Instant, slowStart time.Duration) float64 {
	returned := gabion.Instant(m.returned.Load())
	if returned == 0 || slowStart <= 0 || now >= returned+slowStart {
		return 1
	}
	return rampFrom + (1-rampFrom)*float64(max(0, now-returned))/float64(slowStart)
}

// trust is the share of its weight that a member deserves for how it has answered lately.
func (m *Member) trust(now gabion.Instant) float64 {
	failing := m.failing(now)
	trust := (1 - failing) * (1 - failing)
	if usual := m.usual.Load(); usual > 0 && m.inFlight.Load() > 0 {
		silence := int64(now) - m.progress.Load()
		if most := max(silentAfter*usual, int64(minSilence)); silence > most {
			trust *= float64(most) / float64(silence)
		}
	}
	return max(trust, floor)
}

// learn takes the duration of a successful request into the average. Of two at the same moment one may be lost.
func (m *Member) learn(took gabion.Instant) {
	usual := m.usual.Load()
	if usual == 0 {
		m.usual.Store(max(1, int64(took)))
		return
	}
	m.usual.Store(max(1, usual+int64(paceGain*float64(int64(took)-usual))))
}

// blame moves the penalty.
func (m *Member) blame(now gabion.Instant, failed bool) {
	for {
		old := m.penalty.Load()
		if old == 0 && !failed {
			return
		}
		level := levelAt(old, now)
		if failed {
			level += (1 - level) * failGain
		} else {
			level -= level * passGain
		}
		if m.penalty.CompareAndSwap(old, pack(level, now)) {
			return
		}
	}
}

// failing is how much the member fails lately, from 0 to 1.
func (m *Member) failing(now gabion.Instant) float64 {
	p := m.penalty.Load()
	if p == 0 {
		return 0
	}
	return levelAt(p, now)
}

// A penalty is packed into one word, so that it needs no lock: the level in the low 16 bits, the microsecond of its
// last change above. A level too small to matter is 0.
const levelBits = 16

func pack(level float64, now gabion.Instant) uint64 {
	if level < 0.01 {
		return 0
	}
	return uint64(now/time.Microsecond)<<levelBits | uint64(level*(1<<levelBits-1))
}

func levelAt(p uint64, now gabion.Instant) float64 {
	if p == 0 {
		return 0
	}
	level := float64(p&(1<<levelBits-1)) / (1<<levelBits - 1)
	age := now - gabion.Instant(p>>levelBits)*time.Microsecond
	if age <= 0 {
		return level
	}
	return level * math.Exp2(-float64(age)/float64(halfLife))
}
