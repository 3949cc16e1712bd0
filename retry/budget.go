package retry

import (
	"time"

	"github.com/gabion-io/gabion"
)

const (
	// reserve is what the bucket holds at the start, and what does not melt.
	reserve = 10
	// memory is the time in which what is above the reserve melts away (to a third).
	memory = 10 * time.Second
	// grain forgives what adding up fractions loses: five fifths are a token.
	grain = 1e-6
)

// budget is the bucket of tokens. It has no clock and no lock.
type budget struct {
	tokens float64
	at     gabion.Instant // when tokens was right
}

// melt brings the bucket to the present. What is above the reserve decays exponentially, in steps of the times
// between calls: each takes its part of memory, which is the same as long as the steps are short, and everything
// when one is as long as memory.
func (b *budget) melt(now gabion.Instant) {
	passed := now - b.at
	if passed <= 0 {
		return
	}
	if above := b.tokens - reserve; above > 0 {
		b.tokens = reserve + above*max(0, 1-float64(passed)/float64(memory))
	}
	b.at = now
}

// credit puts in what one call brings.
func (b *budget) credit(now gabion.Instant, share float64) {
	b.melt(now)
	b.tokens += share
}

// charge takes a token for a retry, when there is one.
func (b *budget) charge(now gabion.Instant) bool {
	b.melt(now)
	if b.tokens < 1-grain {
		return false
	}
	b.tokens = max(0, b.tokens-1)
	return true
}
