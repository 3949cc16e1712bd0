package balance

import (
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/gabion-io/gabion"
)

// The ways to choose, as in the configuration.
const (
	LeastLoad  = "least_load"
	RoundRobin = "round_robin"
	Hash       = "hash"
)

// Set is a choice among members. Its members and weights never change. It is safe for concurrent use.
type Set struct {
	kind      string
	members   []*Member
	weights   []float64
	sums      []float64 // sums[i] is the sum of weights[:i+1]
	slowStart time.Duration
	random    func() uint64

	mu     sync.Mutex
	credit []float64 // for round_robin: what each has to its credit
}

// New makes a set of members with their weights, which are positive. slowStart is how long a member that came back
// takes to get its full weight; 0: none. random gives random numbers, and is safe for concurrent use.
func New(kind string, members []*Member, weights []int, slowStart time.Duration, random func() uint64) *Set {
	s := &Set{kind: kind, members: members, slowStart: slowStart, random: random}
	sum := 0.0
	for _, w := range weights {
		weight := float64(w)
		sum += weight
		s.weights = append(s.weights, weight)
		s.sums = append(s.sums, sum)
		// A random start keeps sets that are made anew again and again, as endpoints come and go, from favouring
		// the first member.
		s.credit = append(s.credit, weight*unit(random()))
	}
	return s
}

// unit makes a number in [0, 1) of a random one.
func unit(r uint64) float64 { return float64(r>>11) / (1 << 53) }

// Len is how many members the set has.
func (s *Set) Len() int { return len(s.members) }

// Pick chooses a member that is not in skip, and returns its index; -1 when there is none.
func (s *Set) Pick(now gabion.Instant, hash uint64, skip []*Member) int {
	switch s.kind {
	case RoundRobin:
		return s.turn(now, skip)
	case Hash:
		return s.rendezvous(now, hash, skip)
	}
	return s.leastLoad(now, skip)
}

// leastLoad keeps the first of two random members unless the second is less loaded even with one request more. So
// an idle set is shared by weight, and a loaded one by load.
func (s *Set) leastLoad(now gabion.Instant, skip []*Member) int {
	i := s.draw(now, skip, -1)
	if i < 0 || len(s.members) == 1 {
		return i
	}
	j := s.draw(now, skip, i)
	if j >= 0 && float64(s.members[j].InFlight()+1)*s.weight(now, i) <= float64(s.members[i].InFlight())*s.weight(now, j) {
		return j
	}
	return i
}

// weight is what member i weighs now.
func (s *Set) weight(now gabion.Instant, i int) float64 { return s.weights[i] * s.share(now, i) }

// share is the part of its weight that member i has now.
func (s *Set) share(now gabion.Instant, i int) float64 {
	m := s.members[i]
	return m.Ramp(now, s.slowStart) * m.trust(now)
}

// maxDraws is how often draw tries its luck before it looks at all members.
const maxDraws = 16

// draw chooses at random, by weight, a member that is neither not nor in skip.
//
// It draws by the fixed weights and then keeps the member with the probability of its share, which gives the same
// distribution as the present weights without adding them up.
func (s *Set) draw(now gabion.Instant, skip []*Member, not int) int {
	for range maxDraws {
		r := s.random()
		i := s.at(unit(r))
		if i == not || slices.Contains(skip, s.members[i]) {
			continue
		}
		if share := s.share(now, i); share >= 1 || unit(mix(r)) < share {
			return i
		}
	}
	return s.drawExactly(now, skip, not)
}

// at is the member at the place u of all weights laid end to end; u is in [0, 1).
func (s *Set) at(u float64) int {
	place := u * s.sums[len(s.sums)-1]
	if len(s.sums) <= 8 {
		for i, sum := range s.sums {
			if place < sum {
				return i
			}
		}
		return len(s.sums) - 1
	}
	return min(sort.Search(len(s.sums), func(i int) bool { return place < s.sums[i] }), len(s.sums)-1)
}

// drawExactly is draw by adding up.
func (s *Set) drawExactly(now gabion.Instant, skip []*Member, not int) int {
	chosen, total := -1, 0.0
	for i, m := range s.members {
		if i == not || slices.Contains(skip, m) {
			continue
		}
		// The i-th replaces what was chosen before with the probability of its part of the sum so far.
		w := s.weight(now, i)
		total += w
		if unit(s.random())*total < w {
			chosen = i
		}
	}
	return chosen
}

// turn is smooth weighted round robin: each member earns its weight with every turn, the richest is chosen and pays
// what all earned.
func (s *Set) turn(now gabion.Instant, skip []*Member) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	chosen, earned := -1, 0.0
	for i, m := range s.members {
		if slices.Contains(skip, m) {
			continue
		}
		w := s.weights[i] * m.Ramp(now, s.slowStart)
		earned += w
		s.credit[i] += w
		if chosen < 0 || s.credit[i] > s.credit[chosen] {
			chosen = i
		}
	}
	if chosen >= 0 {
		s.credit[chosen] -= earned
	}
	return chosen
}
