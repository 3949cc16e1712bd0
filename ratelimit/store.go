package ratelimit

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/keytable"
	"github.com/gabion-io/gabion/internal/slidinglog"
)

// kind is what a store counts.
type kind uint8

const (
	byBucket  kind = iota // requests, in a bucket that refills
	bySliding             // requests, in a sliding window
	byTime                // server time
)

// store is what all keys have used, in shards that are locked each for itself. It is what all limiters of this
// package are made of.
type store struct {
	name string
	kind kind
	// number is the place of the store in the order in which a call may lock several.
	number   uint64
	seed     maphash.Seed
	shards   []shard
	overflow shard // one bucket for each tier, shared by the keys for which there was no room
	keys     atomic.Int64

	settings atomic.Pointer[settings]
	updating sync.Mutex
}

// stores counts the stores.
var stores atomic.Uint64

// shard is a part of the keys.
//
// In a bucket that refills, most calls need nothing but the bucket of their key, which has a lock of its own: see
// [shard.claim]. The mutex of the shard guards which keys there are, and all the rest. Who holds it may wait for the
// lock of a bucket, never the other way round.
type shard struct {
	store  *store
	kind   kind
	shared bool // it is the one with the shared buckets
	// settings are those that its buckets are under, nil while they are brought to other ones.
	settings atomic.Pointer[settings]
	buckets  keytable.Table[bucket]

	mu sync.Mutex
	// works and logs are more of what is known of the key at a slot, for the kinds that need it.
	works []*work
	logs  []*slidinglog.Log
	// hand is where the search for a key to forget goes on.
	hand keytable.Slot
	// free are flights to be used again.
	free     *flight
	freeSize int
	inFlight int
	// past is the decisions that are in the usage of no bucket any more.
	past decisions

	_ [64]byte // so that a shard shares no cache line with the busy fields of the next
}

// decisions are so many.
type decisions struct{ asked, refused uint64 }

func (d *decisions) add(asked, refused uint32) {
	d.asked += uint64(asked)
	d.refused += uint64(refused)
}

const (
	// A shard has room for at least fewKeys, so that chance does not fill one much earlier than another. There are
	// usualShards, more only when each would have over manyKeys, so that none is locked for long when it grows.
	fewKeys, manyKeys = 256, 1 << 14
	usualShards       = 64
	mostShards        = 1 << 14
)

func shardsFor(maxKeys int64) int {
	n := max(1, min(usualShards, maxKeys/fewKeys), min(mostShards, maxKeys/manyKeys))
	return 1 << (bits.Len64(uint64(n)) - 1)
}

func newStore(name string, kind kind, s *settings) *store {
	st := &store{name: name, kind: kind, number: stores.Add(1), seed: maphash.MakeSeed(), shards: make([]shard, shardsFor(s.maxKeys))}
	st.settings.Store(s)
	for sh := range st.each {
		sh.store, sh.kind = st, kind
		sh.settings.Store(s)
		sh.buckets.Init(st.seed)
	}
	st.overflow.shared = true
	return st
}

// update brings new settings into force.
func (st *store) update(next *settings) {
	st.updating.Lock()
	defer st.updating.Unlock()
	st.settings.Store(next)
}

// account is what is known of one key, with its guard locked: the lock of the bucket, or of the shard for the kinds that know
// more than is in the bucket.
type account struct {
	*bucket
	guard    *sync.Mutex
	slot     keytable.Slot
	hash     uint64 // of the key, where a call looked for it
	shard    *shard
	settings *settings
	values   *values
	work     *work           // nil but for server time
	log      *slidinglog.Log // nil but in a sliding window
}

func (a *account) unlock() { a.guard.Unlock() }

// guess returns the entry that most probably is that of a key, for [shard.claim]: nil when there is none, and for kinds that need more
// than a bucket.
func (sh *shard) guess(hash uint64) *keytable.Entry[bucket] {
	if sh.kind != byBucket {
		return nil
	}
	return sh.buckets.Guess(hash)
}

// claim returns the entry of a key, which it has locked, and what the key is allowed. It needs no lock of a shard, and is enough
// for most calls where buckets refill. It returns nil when there is more to do: for a new key, after an update, once a minute
// for each key, and for other kinds.
func (sh *shard) claim(now gabion.Instant, guess *keytable.Entry[bucket], hash uint64, key string) (*keytable.Entry[bucket], *values) {
	e := sh.buckets.Claim(guess, hash, key)
	if e == nil {
		return nil, nil
	}
	// While an entry is locked, it is not brought to other settings than those of the shard.
	s := sh.settings.Load()
	if s != sh.store.settings.Load() || e.Value.usage.minute < minuteOf(now) {
		e.Unlock()
		return nil, nil
	}
	return e, s.all[e.Value.values]
}

// lock makes a the account of a key, brought to now. The caller unlocks it.
func (st *store) lock(now gabion.Instant, hash uint64, key string, a *account) {
	if sh := st.shard(hash); !sh.lockKey(now, hash, key, a) {
		st.lockShared(now, key, a)
	}
}

// lockKey makes a the account of a key, a new one if need be. It locks nothing and says so when there is no room for that.
func (sh *shard) lockKey(now gabion.Instant, hash uint64, key string, a *account) bool {
	sh.lock(now)
	slot, e := sh.buckets.Lookup(hash, key)
	if e == nil {
		if slot, e = sh.add(now, hash, key); e == nil {
			sh.mu.Unlock()
			return false
		}
	}
	a.hash = hash
	sh.keep(now, slot, e, a)
	return true
}

// lockKnown is lock for a key that should be known already. When it is not, it says so and locks nothing.
func (st *store) lockKnown(now gabion.Instant, key string, a *account) bool {
	key = shorten(key)
	hash := maphash.String(st.seed, key)
	if st.shard(hash).lockHash(now, hash, a) {
		return true
	}
	_, hash = st.sharedKey(st.settings.Load(), key)
	return st.overflow.lockHash(now, hash, a)
}

// lockHash makes a the account of the key with this hash. When there is none, it leaves the shard unlocked.
func (sh *shard) lockHash(now gabion.Instant, hash uint64, a *account) bool {
	sh.lock(now)
	slot, e := sh.buckets.LookupHash(hash)
	if e == nil {
		sh.mu.Unlock()
		return false
	}
	a.hash = hash
	sh.keep(now, slot, e, a)
	return true
}

// lockShared makes a the account that the keys of a tier share when there is no room for their own.
func (st *store) lockShared(now gabion.Instant, key string, a *account) {
	sh := &st.overflow
	sh.lock(now)
	tier, hash := st.sharedKey(sh.settings.Load(), key)
	slot, e := sh.buckets.Lookup(hash, tier)
	if e == nil {
		slot, e = sh.open(hash, tier, sh.settings.Load().valuesOfTier(tier))
	}
	a.hash = hash
	sh.keep(now, slot, e, a)
}

// sharedKey is the key under which the bucket is found that the keys of a tier share: its name.
func (st *store) sharedKey(s *settings, key string) (tier string, hash uint64) {
	tier = s.all[s.valuesOf(key)].tier
	return tier, maphash.String(st.seed, tier)
}

func (st *store) shard(hash uint64) *shard { return &st.shards[hash&uint64(len(st.shards)-1)] }

// lock locks the shard and brings its buckets to the settings in force.
func (sh *shard) lock(now gabion.Instant) {
	sh.mu.Lock()
	if s := sh.store.settings.Load(); s != sh.settings.Load() { // not loaded earlier, so that none ever sees older ones than before
		sh.adopt(s, s.begin(now))
	}
}

// adopt brings all buckets to other settings as of the instant at.
func (sh *shard) adopt(next *settings, at gabion.Instant) {
	old := sh.settings.Swap(nil) // from now on nobody locks a bucket alone who does not hold it already
	for slot, e := range sh.buckets.All() {
		var a account
		e.Lock()
		sh.account(old, slot, e, at, &a)
		values := next.valuesOf
		if sh.shared {
			values = next.valuesOfTier
		}
		index := values(sh.buckets.Key(slot))
		a.convert(next.all[index], at)
		a.bucket.values = index
		e.Unlock()
	}
	sh.settings.Store(next)
}

// keep makes a the account at a slot, brought to now, and keeps locked what guards it, of the shard and its bucket.
func (sh *shard) keep(now gabion.Instant, slot keytable.Slot, e *keytable.Entry[bucket], a *account) {
	if sh.kind == byBucket {
		e.Lock()
		defer sh.mu.Unlock()
		a.guard = &e.Mutex
	} else {
		a.guard = &sh.mu
	}
	sh.past.add(e.Value.usage.roll(now))
	sh.account(sh.settings.Load(), slot, e, now, a)
}

// account makes a what is known of the key at a slot. The calls in flight are charged up to now.
func (sh *shard) account(s *settings, slot keytable.Slot, e *keytable.Entry[bucket], now gabion.Instant, a *account) {
	a.bucket, a.slot, a.shard, a.settings, a.values = &e.Value, slot, sh, s, s.all[e.Value.values]
	switch sh.kind {
	case byTime:
		a.work = sh.works[slot]
		a.advance(now)
	case bySliding:
		a.log = sh.logs[slot]
	}
}

// add makes an account for a new key, nil when there is no room.
func (sh *shard) add(now gabion.Instant, hash uint64, key string) (keytable.Slot, *keytable.Entry[bucket]) {
	if !sh.room(now, key) {
		return 0, nil
	}
	slot, e := sh.open(hash, key, sh.settings.Load().valuesOf(key))
	if e == nil {
		sh.store.keys.Add(-1)
	}
	return slot, e
}

// open makes an account.
func (sh *shard) open(hash uint64, key string, values uint32) (keytable.Slot, *keytable.Entry[bucket]) {
	slot, e := sh.buckets.Add(hash, key)
	if e == nil {
		return 0, nil
	}
	e.Value.values = values
	e.Unlock()
	switch sh.kind {
	case byTime:
		sh.works = put(sh.works, slot, &work{})
	case bySliding:
		sh.logs = put(sh.logs, slot, &slidinglog.Log{})
	}
	return slot, e
}

// put puts v at a slot that is at most one beyond the others.
func put[T any](all []*T, slot keytable.Slot, v *T) []*T {
	if int(slot) == len(all) {
		return append(all, v)
	}
	all[slot] = v
	return all
}
