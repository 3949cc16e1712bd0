package ratelimit

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/gcra"
)

const defaultMaxKeys = 100_000

// Requests limits how many requests each key makes: every key has a bucket of Burst requests that refills at Rate. In
// any window of time, however placed, a key gets at most Burst + Rate · length of the window, and a key that always asks
// gets at least 99 % of it.
//
// It is a [gabion.Guard] for pipes and safe for concurrent use. Make it with [NewRequests].
type Requests struct{ store *store }

// NewRequests makes a limiter. Its error holds all problems of the configuration.
func NewRequests(cfg RequestsConfig) (*Requests, error) {
	s, err := cfg.settings(cfg.Name)
	if err != nil {
		return nil, err
	}
	return &Requests{newStore(cfg.Name, false, s)}, nil
}

// Update replaces the configuration, except for the name. What keys have used stays used: the same share of a key's
// bucket is missing under the new values as was under the old ones, so an empty bucket stays empty and a full one full.
// It comes into force with the next decision. When Update returns an error, nothing has changed.
func (l *Requests) Update(cfg RequestsConfig) error {
	s, err := cfg.settings(l.store.name)
	if err != nil {
		return err
	}
	l.store.update(s)
	return nil
}

// Take takes cost requests from the bucket of key, or refuses if it holds fewer. A cost of 0 takes nothing and always
// succeeds. A cost that is negative, or more than the burst, takes nothing and is refused with [ReasonCost].
func (l *Requests) Take(now gabion.Instant, key string, cost int) Decision {
	b, _ := l.store.lock(now, key)
	defer b.shard.mu.Unlock()
	return b.take(now, cost)
}

// Refund puts back what a call took that was then not made, for example because another limit refused it. It
// is meant to follow at once: the bucket never gets more than full, but refilling time that has passed since the Take
// counts too. A cost that is not positive puts nothing back.
func (l *Requests) Refund(now gabion.Instant, key string, cost int) {
	if b := l.store.lockKnown(now, key); b != nil {
		defer b.shard.mu.Unlock()
		b.refund(now, cost)
	}
}

// Top returns the n keys that asked for most requests lately, the busiest first. See [Usage].
func (l *Requests) Top(now gabion.Instant, n int) []Usage { return l.store.top(now, n, byRequests) }

func byRequests(a, b Usage) int { return cmp.Compare(a.Requests, b.Requests) }

// Snapshot counts what the limiter did.
func (l *Requests) Snapshot() Snapshot { return l.store.snapshot() }

// Describe implements [gabion.Policy].
func (l *Requests) Describe() gabion.Description { return l.store.describe() }

// Acquire implements [gabion.Guard]: it takes one request for the key of ctx, see [WithKey].
func (l *Requests) Acquire(ctx context.Context, now gabion.Instant) (gabion.Ticket, error) {
	key := l.store.settings.Load().keyOf(ctx)
	b, s := l.store.lock(now, key)
	d := b.take(now, 1)
	b.shard.mu.Unlock()
	if !d.OK {
		return gabion.Ticket{}, l.store.refusal(s, now, key, d)
	}
	return gabion.Ticket{Ref: b}, nil
}

// Done implements [gabion.Guard]: a call that never ran, because another policy refused it, is given back.
func (l *Requests) Done(t gabion.Ticket, r gabion.Result) {
	b, ok := t.Ref.(*bucket)
	if !ok || r.Began != 0 {
		return
	}
	b.shard.mu.Lock()
	defer b.shard.mu.Unlock()
	b.sync(l.store.settings.Load(), r.Ended)
	b.refund(r.Ended, 1)
}

// settings checks and compiles the configuration.
func (c RequestsConfig) settings(name string) (*settings, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("ratelimit %q: %w", name, err)
	}
	s := &settings{
		own:       c.effective(RequestsValues{}).compile(""),
		overrides: make(map[string]*values, len(c.Overrides)),
		maxKeys:   int64(cmp.Or(c.MaxKeys, defaultMaxKeys)),
		keyOf:     c.Key,
		observer:  c.Observer,
	}
	if s.keyOf == nil {
		s.keyOf = KeyOf
	}
	for _, t := range c.Tiers {
		v := c.effective(RequestsValues{Rate: t.Rate, Burst: t.Burst})
		s.tiers = append(s.tiers, tier{t.Keys, v.compile(t.Name)})
	}
	for key, v := range c.Overrides {
		s.overrides[shorten(key)] = c.effective(v).compile("")
	}
	return s, nil
}

// effective is v with the values of the limit itself where v has none.
func (c RequestsConfig) effective(v RequestsValues) RequestsValues {
	if v.Rate == (Rate{}) {
		v.Rate, v.Burst = c.Rate, cmp.Or(v.Burst, c.Burst)
	}
	if v.Burst == 0 {
		v.Burst = defaultBurst(v.Rate)
	}
	return v
}

// defaultBurst is what the rate allows in one second, at least 1.
func defaultBurst(r Rate) int {
	if r.Count <= 0 || r.Per <= 0 {
		return 1
	}
	high, low := bits.Mul64(uint64(r.Count), uint64(time.Second))
	if high >= uint64(r.Per) {
		return math.MaxInt
	}
	n, _ := bits.Div64(high, low, uint64(r.Per))
	return int(min(max(n, 1), math.MaxInt))
}

func (v RequestsValues) compile(tier string) *values {
	return &values{tier: tier, rule: gcra.Count(int64(v.Rate.Count), v.Rate.Per, int64(v.Burst))}
}
