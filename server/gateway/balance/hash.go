package balance

import (
	"math"
	"slices"

	"github.com/gabion-io/gabion"
)

const (
	// looseness is how many times its fair share of the requests in flight a member may have before the keys of hash
	// go to their next member.
	looseness = 1.5
	// alwaysFits is how many requests in flight are no reason to go to another: with few, chance alone makes some have
	// more than their share.
	alwaysFits = 8
)

// rendezvous chooses the member that the hash likes best among those that have room. The liking of a member is an
// exponentially distributed number with its weight as rate, made of hash and member; the smallest wins. So each wins in
// proportion to its weight, and a change of one member's weight changes only its own number.
func (s *Set) rendezvous(now gabion.Instant, hash uint64, skip []*Member) int {
	perWeight := s.fairLoad(now, skip)
	best, bestFull := -1, -1
	least, leastFull := math.Inf(1), math.Inf(1)
	for i, m := range s.members {
		if slices.Contains(skip, m) {
			continue
		}
		w := s.weights[i] * m.Ramp(now, s.slowStart)
		liking := -math.Log(unit(mix(hash^m.seed))+1.0/(1<<54)) / w
		if float64(m.InFlight()) < max(alwaysFits, looseness*perWeight*w) {
			if liking < least {
				best, least = i, liking
			}
		} else if liking < leastFull {
			bestFull, leastFull = i, liking
		}
	}
	if best < 0 {
		return bestFull
	}
	return best
}

// fairLoad is how many requests there are in flight per weight, with one more.
func (s *Set) fairLoad(now gabion.Instant, skip []*Member) float64 {
	inFlight, weight := 1.0, 0.0
	for i, m := range s.members {
		if !slices.Contains(skip, m) {
			inFlight += float64(m.InFlight())
			weight += s.weights[i] * m.Ramp(now, s.slowStart)
		}
	}
	return inFlight / weight
}
