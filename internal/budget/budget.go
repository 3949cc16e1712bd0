// Package budget bounds what is done again to a share of what is done anyway: retries and hedges.
//
// It is a bucket of tokens. Every call brings a share of one, and what is done again costs one, charged when it is
// decided: a share of what is in flight would let a thousand calls that fail at the same moment all try again. There is
// a reserve for those that call seldom. What is above it melts away within seconds, so that a long quiet time does
// not pay for a storm.
package budget

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
)

const (
	// Reserve is what the bucket holds at the start, and what does not melt.
	Reserve = 10
	// memory is the time in which what is above the reserve melts away (to a third).
	memory = 10 * time.Second
	// grain forgives what adding up fractions loses: five fifths are a token.
	grain = 1e-6
	// tick is how exactly it is known when a call began.
	tick = 100 * time.Millisecond
)

// Budget is the bucket. It has no clock. It is safe for concurrent use; to begin a call takes no lock. Make it with New.
type Budget struct {
	share atomic.Pointer[float64]
	// calls have come since began and are not in the bucket yet.
	calls atomic.Int64
	began atomic.Int64 // an Instant

	mu     sync.Mutex
	tokens float64
	at     gabion.Instant // when tokens was right
	told   uint64         // all calls but those in calls
}

// New makes a budget with this share.
func New(share gabion.Share) *Budget {
	b := &Budget{tokens: Reserve}
	b.Update(share)
	return b
}

// Update changes the share. [gabion.Off] bounds nothing. What is in the bucket stays.
func (b *Budget) Update(share gabion.Share) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.share.Load() != nil {
		b.fold()
	}
	s := float64(share)
	b.share.Store(&s)
}

// off says whether nothing is bounded.
func (b *Budget) off() bool { return *b.share.Load() == gabion.Off }

// Start says that there is a call.
func (b *Budget) Start(now gabion.Instant) {
	if now-gabion.Instant(b.began.Load()) >= tick {
		b.mu.Lock()
		b.fold()
		b.began.Store(int64(now))
		b.mu.Unlock()
	}
	b.calls.Add(1)
}

// Calls is how many calls there were.
func (b *Budget) Calls() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.told + uint64(b.calls.Load())
}

// Charge takes a token, when there is one.
func (b *Budget) Charge(now gabion.Instant) bool {
	if b.off() {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fold()
	b.melt(now)
	if b.tokens < 1-grain {
		return false
	}
	b.tokens = max(0, b.tokens-1)
	return true
}

// Left is how many tokens there are. It means nothing when the budget is off.
func (b *Budget) Left(now gabion.Instant) float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fold()
	tokens, at := b.tokens, b.at
	b.melt(now)
	left := b.tokens
	b.tokens, b.at = tokens, at // to look changes nothing, or many looks would melt differently from few
	return left
}

// fold puts in what calls have brought. The lock is held.
func (b *Budget) fold() {
	n := b.calls.Swap(0)
	b.told += uint64(n)
	if n > 0 && !b.off() {
		b.melt(gabion.Instant(b.began.Load()))
		b.tokens += float64(n) * *b.share.Load()
	}
}

// melt brings the bucket to the present. What is above the reserve decays exponentially, in steps of the times
// between calls: each takes its part of memory, which is the same as long as the steps are short, and everything
// when one is as long as memory.
func (b *Budget) melt(now gabion.Instant) {
	passed := now - b.at
	if passed <= 0 {
		return
	}
	if above := b.tokens - Reserve; above > 0 {
		b.tokens = Reserve + above*max(0, 1-float64(passed)/float64(memory))
	}
	b.at = now
}
