package balance

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/gabion-io/gabion"
)

const (
	// rationShare is how many times its share of all requests a member gets in the first second after it came back
	// while no other can take the rest.
	rationShare = 1.2
	// rationDouble is the time in which that doubles after the first second.
	rationDouble = time.Second
	// rationBurst is how many requests a member may get at once.
	rationBurst = 2
)

// Ration bounds what members get that came back when all were gone. Slow start cannot do that: it compares members
// with each other, and one that is alone gets everything, whatever its weight. A member's ration is a little more
// than its share of the requests among all that the service should have, so that it grows to all of them within
// seconds if no other comes back.
//
// It is immutable; what was given out is kept in the members, under the lock. A nil Ration bounds nothing.
type Ration struct {
	lock    *sync.Mutex
	rations []ration
	until   gabion.Instant // when the last ends
	// spare is set when others can take what is over: then the ration is not more than the slow start's share.
	spare     bool
	slowStart time.Duration
}

// ration is one member's.
type ration struct {
	member   *Member
	share    float64 // of all requests, if all were there
	returned gabion.Instant
	until    gabion.Instant
}

// Rationed is a member and the share of all requests that it has when all are there.
type Rationed struct {
	Member *Member
	Share  float64
}

// NewRation makes the ration of members as of now. Those that have been there for long enough are not bounded. It is
// nil when none is. spare says that others can take what is over. lock is the same for all rations of a service.
func NewRation(now gabion.Instant, members []Rationed, spare bool, slowStart time.Duration, lock *sync.Mutex) *Ration {
	r := &Ration{lock: lock, spare: spare, slowStart: slowStart}
	lock.Lock()
	defer lock.Unlock()
	for _, m := range members {
		returned := gabion.Instant(m.Member.returned.Load())
		if returned == 0 || slowStart <= 0 {
			continue
		}
		if until := returned + r.lasts(m.Share); until > now {
			if m.Member.rationed != returned { // it has come back again: its ration begins anew
				m.Member.rationed, m.Member.tokens = returned, rationBurst
			}
			r.rations = append(r.rations, ration{m.Member, m.Share, returned, until})
			r.until = max(r.until, until)
		}
	}
	if len(r.rations) == 0 {
		return nil
	}
	return r
}

// lasts is how long it takes until a member with this share may get everything.
func (r *Ration) lasts(share float64) time.Duration {
	var d time.Duration
	if start := rationShare * share; start < 1 {
		d = time.Second + time.Duration(math.Log2(1/start)*float64(rationDouble))
	}
	if r.spare {
		d = max(d, r.slowStart)
	}
	return d
}

// Active says whether anything is bounded at this time.
func (r *Ration) Active(now gabion.Instant) bool { return r != nil && now < r.until }

// Len is how many members are bounded.
func (r *Ration) Len() int {
	if r == nil {
		return 0
	}
	return len(r.rations)
}

// Offer says that a request came: everyone's ration grows by its part of it.
func (r *Ration) Offer(now gabion.Instant) {
	r.lock.Lock()
	defer r.lock.Unlock()
	for i := range r.rations {
		n := &r.rations[i]
		n.member.tokens = min(rationBurst, n.member.tokens+r.part(n, now))
	}
}

// part is what part of the requests the member may have now.
func (r *Ration) part(n *ration, now gabion.Instant) float64 {
	age := max(0, now-n.returned)
	part := rationShare * n.share * math.Exp2(max(0, float64(age-time.Second))/float64(rationDouble))
	if r.spare {
		part = min(part, n.member.Ramp(now, r.slowStart))
	}
	return part
}

// Exhausted appends to skip the members that have used up their rations.
func (r *Ration) Exhausted(now gabion.Instant, skip []*Member) []*Member {
	r.lock.Lock()
	defer r.lock.Unlock()
	for i := range r.rations {
		if n := &r.rations[i]; now < n.until && n.member.tokens < 1 {
			skip = append(skip, n.member)
		}
	}
	return skip
}

// Take uses one request of the member's ration. It returns false when there is none left.
func (r *Ration) Take(now gabion.Instant, m *Member) bool {
	i := slices.IndexFunc(r.rations, func(n ration) bool { return n.member == m })
	if i < 0 || now >= r.rations[i].until {
		return true
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	if m.tokens < 1 {
		return false
	}
	m.tokens--
	return true
}
