package ratelimit

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"math"
	"math/bits"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/gcra"
	"github.com/gabion-io/gabion/internal/keytable"
	"github.com/gabion-io/gabion/internal/prefetch"
	"github.com/gabion-io/gabion/internal/slidinglog"
)

const defaultMaxKeys = 100_000

// Requests limits how many requests each key makes: every key has a bucket of Burst requests that refills at Rate. In
// any window of time, however placed, a key gets at most Burst + Rate · length of the window, and a key that always asks
// gets at least 99 % of it. With Sliding, it is at most what Rate says in any window of its time: see [RequestsConfig].
//
// It is a [gabion.Guard] for pipes and safe for concurrent use. Make it with [NewRequests].
type Requests struct{ store *store }

// NewRequests makes a limiter. Its error holds all problems of the configuration.
func NewRequests(cfg RequestsConfig) (*Requests, error) {
	s, err := cfg.settings(cfg.Name)
	if err != nil {
		return nil, err
	}
	return &Requests{newStore(cfg.Name, s.kind(), s)}, nil
}

// Update replaces the configuration, except for the name and Sliding. What keys have used stays used: the same share of
// a key's bucket is missing under the new values as was under the old ones, so an empty bucket stays empty and a full one
// full. In a sliding window, the number that was taken stays.
// It comes into force with the next decision. When Update returns an error, nothing has changed.
func (l *Requests) Update(cfg RequestsConfig) error {
	s, err := cfg.settings(l.store.name)
	if err != nil {
		return err
	}
	if s.kind() != l.store.kind {
		problem := &gabion.FieldError{Field: "sliding", Problem: "cannot be changed while running: make a new limit"}
		return fmt.Errorf("ratelimit %q: %w", l.store.name, problem)
	}
	l.store.update(s)
	return nil
}

// Take takes cost requests from the bucket of key, or refuses if it holds fewer. A cost of 0 takes nothing and always
// succeeds. A cost that is negative, or more than the burst, takes nothing and is refused with [ReasonCost].
func (l *Requests) Take(now gabion.Instant, key string, cost int) (d Decision) {
	key = shorten(key)
	hash := maphash.String(l.store.seed, key)
	sh := l.store.shard(hash)
	if e, v := sh.claim(now, sh.guess(hash), hash, key); e != nil {
		takeAlone(now, e, v, cost, &d)
		return d
	}
	return l.takeSlowly(now, hash, key, cost)
}

// TakeNow is Take at the present instant. It is faster than to read the clock for Take: the bucket of the key comes from memory, or
// from another core, meanwhile.
func (l *Requests) TakeNow(key string, cost int) (d Decision) {
	key = shorten(key)
	hash := maphash.String(l.store.seed, key)
	sh := l.store.shard(hash)
	guess := sh.guess(hash)
	prefetch.Write(guess)
	now := gabion.Now()
	if e, v := sh.claim(now, guess, hash, key); e != nil {
		takeAlone(now, e, v, cost, &d)
		return d
	}
	return l.takeSlowly(now, hash, key, cost)
}

// takeAlone is Take where the entry of a key is all that it needs. It unlocks the entry.
func takeAlone(now gabion.Instant, e *keytable.Entry[bucket], v *values, cost int, d *Decision) {
	b := &e.Value
	wait := Never
	if uint(cost) <= uint(v.limit) {
		b.full, wait = v.rule.Take(b.full, now, int64(cost))
	}
	b.usage.asks(wait == 0)
	d.OK, d.Tier, d.Limit, d.Window = wait == 0, v.tier, v.limit, v.rule.Capacity()
	d.Remaining, d.Reset = v.describe(now, b.full)
	e.Unlock() // not earlier: to copy what has just been written takes long, unless it was written before a lock
	if wait > 0 {
		d.Reason, d.RetryAfter = ReasonRequests, wait
		if wait == Never {
			d.Reason = ReasonCost
		}
	}
}

func (l *Requests) takeSlowly(now gabion.Instant, hash uint64, key string, cost int) Decision {
	var r request
	l.store.lock(now, hash, key, &r.account)
	if r.ask(now, cost); r.wait == 0 {
		r.take(now)
	}
	defer r.unlock()
	return r.decide(now)
}

// Refund puts back what a call took that was then not made, for example because another limit refused it. It
// is meant to follow at once: the bucket never gets more than full, but refilling time that has passed since the Take
// counts too. In a sliding window, what was taken at the instant now is put back; if nothing was, what was taken first.
// A cost that is not positive puts nothing back.
func (l *Requests) Refund(now gabion.Instant, key string, cost int) {
	var a account
	if l.store.lockKnown(now, key, &a) {
		defer a.unlock()
		a.refund(now, cost)
	}
}

// Top returns the n keys that asked for most requests lately, the busiest first. See [Usage].
func (l *Requests) Top(now gabion.Instant, n int) []Usage { return l.store.top(now, n, byRequests) }

func byRequests(a, b Usage) int { return cmp.Compare(a.Requests, b.Requests) }

// Snapshot counts what the limiter did. It adds up what its keys did, which takes some 20 ns for each.
func (l *Requests) Snapshot() Snapshot { return l.store.snapshot() }

// Describe implements [gabion.Policy].
func (l *Requests) Describe() gabion.Description { return l.store.describe() }

// Acquire implements [gabion.Guard]: it takes what the call costs for the key of ctx, see [WithKey] and [WithCost].
func (l *Requests) Acquire(ctx context.Context, now gabion.Instant) (gabion.Ticket, error) {
	given, cost := l.whose(ctx)
	key := shorten(given)
	hash := maphash.String(l.store.seed, key)
	sh := l.store.shard(hash)
	e, v := sh.claim(now, sh.guess(hash), hash, key)
	if e == nil {
		return acquire(now, l, given, cost)
	}
	var d Decision
	if takeAlone(now, e, v, cost, &d); d.OK {
		return gabion.Ticket{Stamp: hash, Ref: taken(cost)}, nil
	}
	return gabion.Ticket{}, refusal{l.store, l.store.settings.Load().observer, given, d}.tell(now)
}

// taken and takenShared are what a call has taken from the bucket of its key, or from that of the keys of a tier for
// which there was no room.
type (
	taken       int
	takenShared int
)

func (l *Requests) core() *store { return l.store }

func (l *Requests) whose(ctx context.Context) (string, int) {
	s := l.store.settings.Load()
	return s.keyOf(ctx), s.costOf(ctx)
}

func (l *Requests) ask(now gabion.Instant, key string, cost int) (r request) {
	key = shorten(key)
	l.store.lock(now, maphash.String(l.store.seed, key), key, &r.account)
	r.ask(now, cost)
	return r
}

// admit says in the ticket by its hash whose call it is: the slot may be another key's when the call ends.
func (l *Requests) admit(now gabion.Instant, r request) gabion.Ticket {
	r.take(now)
	r.counts(true)
	if r.shard.shared {
		return gabion.Ticket{Stamp: r.hash, Ref: takenShared(r.cost)}
	}
	return gabion.Ticket{Stamp: r.hash, Ref: taken(r.cost)}
}

// Done implements [gabion.Guard]: a call that never ran, because another policy refused it, is given back.
func (l *Requests) Done(t gabion.Ticket, r gabion.Result) {
	if r.Began != 0 {
		return
	}
	var sh *shard
	var cost int
	switch ref := t.Ref.(type) {
	case taken:
		sh, cost = l.store.shard(t.Stamp), int(ref)
	case takenShared:
		sh, cost = &l.store.overflow, int(ref)
	default:
		return
	}
	var a account
	if sh.lockHash(r.Ended, t.Stamp, &a) {
		defer a.unlock()
		a.refund(r.Ended, cost)
	}
}

// settings checks and compiles the configuration.
func (c RequestsConfig) settings(name string) (*settings, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("ratelimit %q: %w", name, err)
	}
	s := &settings{
		overrides: make(map[string]uint32, len(c.Overrides)),
		maxKeys:   int64(cmp.Or(c.MaxKeys, defaultMaxKeys)),
		keyOf:     c.Key,
		costOf:    c.Cost,
		observer:  c.Observer,
	}
	if s.keyOf == nil {
		s.keyOf = KeyOf
	}
	if s.costOf == nil {
		s.costOf = CostOf
	}
	s.add(c.compile("", RequestsValues{}))
	for _, t := range c.Tiers {
		s.tiers = append(s.tiers, tier{t.Name, t.Keys, s.add(c.compile(t.Name, RequestsValues{Rate: t.Rate, Burst: t.Burst}))})
	}
	for key, v := range c.Overrides {
		s.overrides[shorten(key)] = s.add(c.compile("", v))
	}
	return s, nil
}

// kind is that of a store with these settings of requests.
func (s *settings) kind() kind {
	if s.all[0].sliding.IsZero() {
		return byBucket
	}
	return bySliding
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

func (c RequestsConfig) compile(tier string, v RequestsValues) *values {
	v = c.effective(v)
	if c.Sliding {
		return &values{tier: tier, sliding: slidinglog.NewRule(int64(v.Rate.Count), v.Rate.Per), limit: v.Rate.Count}
	}
	rule := gcra.Count(int64(v.Rate.Count), v.Rate.Per, int64(v.Burst))
	return &values{tier: tier, rule: rule, limit: int(rule.Left(0, 0))}
}
