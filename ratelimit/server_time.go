package ratelimit

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/gcra"
)

const defaultConcurrency = 100

// ServerTime limits how much time of a server the calls of each key take. It stops the user who stays within a
// number of requests, but whose requests are slow.
//
// Every key has a bucket of server time. When a call begins, an estimate is taken from it; the call is refused when
// the bucket holds less. A call that runs longer than its estimate is charged while it runs, to the nanosecond, so that
// further calls are refused as soon as the quota is used up. When the call ends, the rest of what it has cost is taken,
// or what was taken too much is put back.
//
// So a bucket can get into debt, but only through calls that began before it was empty, at most Concurrency of
// them. Debt beyond one whole quota is forgiven: a key whose calls have ended waits at most twice the period of its
// quota, however long they took.
//
// It is a [gabion.Guard] for pipes and safe for concurrent use. Make it with [NewServerTime].
type ServerTime struct{ store *store }

// NewServerTime makes a limiter. Its error holds all problems of the configuration.
func NewServerTime(cfg ServerTimeConfig) (*ServerTime, error) {
	s, err := cfg.settings(cfg.Name)
	if err != nil {
		return nil, err
	}
	return &ServerTime{newStore(cfg.Name, byTime, s)}, nil
}

// Update replaces the configuration, except for the name. What keys have used stays used, see [Requests.Update], and
// running calls go on being charged. When Update returns an error, nothing has changed.
func (l *ServerTime) Update(cfg ServerTimeConfig) error {
	s, err := cfg.settings(l.store.name)
	if err != nil {
		return err
	}
	l.store.update(s)
	return nil
}

// Begin admits a call of key, which must then be ended with [Charge.Settle] or [Charge.Cancel], or refuses it. The
// Charge of a refused call is the zero Charge, which needs no end.
//
// After [ReasonServerTime], RetryAfter is exact if nothing else runs until then. After [ReasonConcurrency] it is what
// calls of the key usually take, but between a second and a minute.
func (l *ServerTime) Begin(now gabion.Instant, key string) (Charge, Decision) {
	var r request
	var charge Charge
	key = shorten(key)
	l.store.lock(now, maphash.String(l.store.seed, key), key, &r.account)
	defer r.unlock()
	if r.askTime(now); r.wait == 0 {
		f := r.begin(now)
		charge = Charge{f, f.stamp}
	}
	return charge, r.decide(now)
}

// Charge is a call in flight. The zero Charge is that of a refused call: ending it does nothing.
type Charge struct {
	flight *flight
	stamp  uint64
}

// Settle ends the call with what it has really cost: usually how long it took, without the waiting in queues.
// A negative cost counts as 0. Only the first end of a call counts.
func (c Charge) Settle(now gabion.Instant, cost time.Duration) { c.end(now, max(cost, 0), true) }

// Cancel ends a call that never ran: what was taken for it is put back, and nothing is learned from it. Only the
// first end of a call counts.
func (c Charge) Cancel(now gabion.Instant) { c.end(now, 0, false) }

func (c Charge) end(now gabion.Instant, cost time.Duration, ran bool) {
	f := c.flight
	if f == nil {
		return
	}
	sh := f.shard
	sh.lock(now)
	defer sh.mu.Unlock()
	if f.stamp != c.stamp {
		return // ended before
	}
	var a account
	e := sh.buckets.At(f.slot)
	sh.past.add(e.Value.usage.roll(now))
	sh.account(sh.settings.Load(), f.slot, e, now, &a)
	a.settle(now, f, cost, ran)
	sh.endFlight(f)
}

// Top returns the n keys that used most server time lately, the busiest first. See [Usage].
func (l *ServerTime) Top(now gabion.Instant, n int) []Usage {
	return l.store.top(now, n, func(a, b Usage) int {
		return cmp.Or(cmp.Compare(a.ServerTime, b.ServerTime), byRequests(a, b))
	})
}

// TopByRequests returns the n keys that asked for most calls lately, the busiest first.
func (l *ServerTime) TopByRequests(now gabion.Instant, n int) []Usage {
	return l.store.top(now, n, byRequests)
}

// Snapshot counts what the limiter did. It adds up what its keys did, which takes some 20 ns for each.
func (l *ServerTime) Snapshot() Snapshot { return l.store.snapshot() }

// Describe implements [gabion.Policy].
func (l *ServerTime) Describe() gabion.Description { return l.store.describe() }

// Acquire implements [gabion.Guard]: it begins a call for the key of ctx, see [WithKey].
func (l *ServerTime) Acquire(ctx context.Context, now gabion.Instant) (gabion.Ticket, error) {
	key, cost := l.whose(ctx)
	return acquire(now, l, key, cost)
}

func (l *ServerTime) core() *store { return l.store }

func (l *ServerTime) whose(ctx context.Context) (string, int) {
	return l.store.settings.Load().keyOf(ctx), 0
}

func (l *ServerTime) ask(now gabion.Instant, key string, _ int) (r request) {
	key = shorten(key)
	l.store.lock(now, maphash.String(l.store.seed, key), key, &r.account)
	r.askTime(now)
	return r
}

func (l *ServerTime) admit(now gabion.Instant, r request) gabion.Ticket {
	f := r.begin(now)
	r.counts(true)
	return gabion.Ticket{Stamp: f.stamp, Ref: f}
}

// Done implements [gabion.Guard]: it settles how long the function ran.
func (l *ServerTime) Done(t gabion.Ticket, r gabion.Result) {
	f, ok := t.Ref.(*flight)
	if !ok {
		return
	}
	charge := Charge{f, t.Stamp}
	if r.Began == 0 {
		charge.Cancel(r.Ended)
	} else {
		charge.Settle(r.Ended, r.Ended-r.Began)
	}
}

// settings checks and compiles the configuration.
func (c ServerTimeConfig) settings(name string) (*settings, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("ratelimit %q: %w", name, err)
	}
	own := ServerTimeValues{c.Quota, cmp.Or(c.Concurrency, defaultConcurrency)}
	s := &settings{
		overrides: make(map[string]uint32, len(c.Overrides)),
		maxKeys:   int64(cmp.Or(c.MaxKeys, defaultMaxKeys)),
		estimate:  c.Estimate,
		keyOf:     c.Key,
		observer:  c.Observer,
	}
	if s.keyOf == nil {
		s.keyOf = KeyOf
	}
	s.add(own.compile("", own))
	for _, t := range c.Tiers {
		v := ServerTimeValues{t.Quota, t.Concurrency}
		s.tiers = append(s.tiers, tier{t.Name, t.Keys, s.add(v.compile(t.Name, own))})
	}
	for key, v := range c.Overrides {
		s.overrides[shorten(key)] = s.add(v.compile("", own))
	}
	return s, nil
}

// compile fills what is zero from the limit's own values.
func (v ServerTimeValues) compile(tier string, own ServerTimeValues) *values {
	if v.Quota == (Quota{}) {
		v.Quota = own.Quota
	}
	compiled := &values{tier: tier, concurrency: cmp.Or(v.Concurrency, own.Concurrency)}
	if v.Quota != (Quota{}) {
		compiled.rule = gcra.Amount(v.Quota.Time, v.Quota.Per)
		compiled.limit = int(compiled.rule.Left(0, 0) / int64(time.Millisecond))
	}
	return compiled
}
