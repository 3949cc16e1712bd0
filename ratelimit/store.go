package ratelimit

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gabion-io/gabion"
)

// store is the buckets of all keys, in shards that are locked each for itself. It is what all limiters of this
// package are made of.
type store struct {
	name     string
	timed    bool // buckets of server time
	seed     maphash.Seed
	shards   []shard
	overflow shard // one bucket for each tier, shared by the keys for which there was no room
	keys     atomic.Int64

	settings atomic.Pointer[settings]
	updating sync.Mutex
}

// shard is a part of the buckets.
type shard struct {
	store   *store
	mu      sync.Mutex
	buckets map[string]*bucket
	// ring is all buckets once more, and hand is where the search for one to forget goes on.
	ring []*bucket
	hand int
	// free are flights to be used again.
	free     *flight
	freeSize int

	admitted, refused, overflowed uint64
	inFlight                      int
}

const (
	maxShards = 64
	// keysPerShard is how many keys a shard should have room for, so that chance does not fill one much earlier
	// than another.
	keysPerShard = 256
	// looks is how many buckets are looked at in search of one to forget.
	looks = 8
	// maxFree bounds the flights that a shard keeps for later.
	maxFree = 64
)

func newStore(name string, timed bool, s *settings) *store {
	n := min(maxShards, max(1, int(s.maxKeys)/keysPerShard))
	st := &store{name: name, timed: timed, seed: maphash.MakeSeed(), shards: make([]shard, 1<<(bits.Len(uint(n))-1))}
	for i := range st.shards {
		st.shards[i].store, st.shards[i].buckets = st, map[string]*bucket{}
	}
	st.overflow.store, st.overflow.buckets = st, map[string]*bucket{}
	st.settings.Store(s)
	return st
}

// update brings new settings into force.
func (st *store) update(next *settings) {
	st.updating.Lock()
	defer st.updating.Unlock()
	next.generation = st.settings.Load().generation + 1
	st.settings.Store(next)
}

// lock returns the bucket of key with its shard locked. The caller unlocks it.
func (st *store) lock(now gabion.Instant, key string) (*bucket, *settings) {
	key = shorten(key)
	sh := st.shard(key)
	sh.mu.Lock()
	s := st.settings.Load() // not earlier, so that a bucket never sees older settings than before
	b := sh.buckets[key]
	if b == nil {
		if !st.room(sh, s, now, key) {
			sh.mu.Unlock()
			return st.lockShared(now, key)
		}
		b = st.newBucket(sh, s, strings.Clone(key), s.valuesOf(key))
		sh.ring = append(sh.ring, b)
	}
	b.sync(s, now)
	return b, s
}

// lockKnown is lock for a key that should have a bucket already; it returns nil, nothing locked, when it has none.
func (st *store) lockKnown(now gabion.Instant, key string) *bucket {
	key = shorten(key)
	for _, at := range []struct {
		sh  *shard
		key string
	}{{st.shard(key), key}, {&st.overflow, st.settings.Load().valuesOf(key).tier}} {
		at.sh.mu.Lock()
		if b := at.sh.buckets[at.key]; b != nil {
			b.sync(st.settings.Load(), now)
			return b
		}
		at.sh.mu.Unlock()
	}
	return nil
}

// lockShared returns the bucket that the keys of a tier share when there is no room for their own.
func (st *store) lockShared(now gabion.Instant, key string) (*bucket, *settings) {
	sh := &st.overflow
	sh.mu.Lock()
	s := st.settings.Load()
	v := s.valuesOf(key)
	b := sh.buckets[v.tier]
	if b == nil {
		b = st.newBucket(sh, s, v.tier, v)
		b.shared = true
	}
	b.sync(s, now)
	return b, s
}

func (st *store) shard(key string) *shard {
	return &st.shards[maphash.String(st.seed, key)&uint64(len(st.shards)-1)]
}

func (st *store) newBucket(sh *shard, s *settings, key string, v *values) *bucket {
	b := &bucket{key: key, generation: s.generation, values: v, shard: sh}
	if st.timed {
		b.work = &work{}
	}
	sh.buckets[key] = b
	return b
}

// room makes room for one more key, if there is a key that can be forgotten where it is needed. A key with an override
// always has room: there are only as many as the configuration names.
func (st *store) room(sh *shard, s *settings, now gabion.Instant, key string) bool {
	if st.keys.Add(1) <= s.maxKeys || s.overrides[key] != nil {
		return true
	}
	for range 2 { // one makes room; the other shrinks the store after MaxKeys was lowered
		if sh.forget(s, now) && st.keys.Add(-1) <= s.maxKeys {
			return true
		}
	}
	st.keys.Add(-1)
	return false
}

// forget removes, of the next few buckets, the idle one that was used longest ago. For its key nothing changes, because
// a new bucket is full too. A bucket that is not full is never forgotten: that would give its key a fresh one.
func (sh *shard) forget(s *settings, now gabion.Instant) bool {
	victim := -1
	for range min(looks, len(sh.ring)) {
		sh.hand = (sh.hand + 1) % len(sh.ring)
		b := sh.ring[sh.hand]
		b.sync(s, now)
		if b.idle(now) && (victim < 0 || b.usage.minute < sh.ring[victim].usage.minute) {
			victim = sh.hand
		}
	}
	if victim < 0 {
		return false
	}
	delete(sh.buckets, sh.ring[victim].key)
	last := len(sh.ring) - 1
	sh.ring[victim], sh.ring[last] = sh.ring[last], nil
	sh.ring = sh.ring[:last]
	return true
}

func (sh *shard) count(b *bucket, admitted bool) {
	if admitted {
		sh.admitted++
	} else {
		sh.refused++
	}
	if b.shared {
		sh.overflowed++
	}
}

func (sh *shard) newFlight() *flight {
	sh.inFlight++
	f := sh.free
	if f == nil {
		return &flight{shard: sh}
	}
	sh.free, f.next = f.next, nil
	sh.freeSize--
	return f
}

func (sh *shard) endFlight(f *flight) {
	sh.inFlight--
	f.stamp++
	f.bucket = nil
	if sh.freeSize < maxFree {
		f.next, sh.free = sh.free, f
		sh.freeSize++
	}
}

// top returns the n busiest keys, as order says.
func (st *store) top(now gabion.Instant, n int, order func(a, b Usage) int) []Usage {
	if n <= 0 {
		return nil
	}
	busiest := func(a, b Usage) int { return cmp.Or(order(b, a), strings.Compare(a.Key, b.Key)) }
	var all []Usage
	for sh := range st.each {
		all = sh.report(all, now)
		slices.SortFunc(all, busiest)
		all = all[:min(n, len(all))]
	}
	return all
}

// report appends what the keys of the shard did lately, if anything.
func (sh *shard) report(all []Usage, now gabion.Instant) []Usage {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for _, b := range sh.buckets {
		if u := b.report(now); u.Requests > 0 || u.ServerTime > 0 || u.InFlight > 0 {
			all = append(all, u)
		}
	}
	return all
}

// each yields the shards, the one of the shared buckets last.
func (st *store) each(yield func(*shard) bool) {
	for i := range st.shards {
		if !yield(&st.shards[i]) {
			return
		}
	}
	yield(&st.overflow)
}

func (st *store) snapshot() Snapshot {
	s := Snapshot{Keys: int(st.keys.Load())}
	for sh := range st.each {
		sh.mu.Lock()
		s.Admitted += sh.admitted
		s.Refused += sh.refused
		s.Overflowed += sh.overflowed
		s.InFlight += sh.inFlight
		sh.mu.Unlock()
	}
	return s
}

func (st *store) describe() gabion.Description {
	return gabion.Description{Kind: "ratelimit", Name: st.name, Position: gabion.PositionRateLimit}
}

// refusal is the error for a call that was refused in a pipe.
func (st *store) refusal(s *settings, now gabion.Instant, key string, d Decision) error {
	err := &gabion.Error{Policy: "ratelimit", Name: st.name, Key: key, Reason: ErrLimited, Hint: hint(d)}
	if d.RetryAfter != Never {
		err.Until = now + d.RetryAfter
	}
	if s.observer != nil {
		s.observer.Observe(gabion.Event{
			Kind: gabion.EventRefused, Policy: "ratelimit", Name: st.name, Key: key, At: now, Err: err, Detail: d.Reason,
		})
	}
	return err
}

func hint(d Decision) string {
	switch d.Reason {
	case ReasonServerTime:
		return fmt.Sprintf("%d ms of server time are allowed in %v", d.Limit, d.Window)
	case ReasonConcurrency:
		return "too many calls of the key are in flight"
	}
	return fmt.Sprintf("%d requests are allowed in %v", d.Limit, d.Window)
}
