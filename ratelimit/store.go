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

// shard is a part of the keys. Its mutex guards all of it.
type shard struct {
	mu     sync.Mutex
	store  *store
	kind   kind
	shared bool // it is the one with the shared buckets
	// settings are those that its buckets are under.
	settings *settings
	buckets  keytable.Table[bucket]
	// works and logs are more of what is known of the key at a slot, for the kinds that need it.
	works []*work
	logs  []*slidinglog.Log
	// hand is where the search for a key to forget goes on.
	hand keytable.Slot
	// free are flights to be used again.
	free     *flight
	freeSize int

	admitted, refused, overflowed uint64
	inFlight                      int

	_ [64]byte // so that a shard shares no cache line with the busy fields of the next
}

const (
	// A shard has room for at least fewKeys, so that chance does not fill one much earlier than another. There are
	// usualShards, more only when each would have over manyKeys, so that none is locked for long when it grows.
	fewKeys, manyKeys = 256, 1 << 14
	usualShards       = 64
	mostShards        = 4096
)

func shardsFor(maxKeys int64) int {
	n := max(1, min(usualShards, maxKeys/fewKeys), min(mostShards, maxKeys/manyKeys))
	return 1 << (bits.Len64(uint64(n)) - 1)
}

func newStore(name string, kind kind, s *settings) *store {
	st := &store{name: name, kind: kind, number: stores.Add(1), seed: maphash.MakeSeed(), shards: make([]shard, shardsFor(s.maxKeys))}
	st.settings.Store(s)
	for sh := range st.each {
		sh.store, sh.kind, sh.settings, sh.buckets = st, kind, s, keytable.New[bucket](st.seed)
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

// account is what is known of one key, with its shard locked.
type account struct {
	*bucket
	slot   keytable.Slot
	hash   uint64 // of the key, where a call looked for it
	shard  *shard
	values *values
	work   *work           // nil but for server time
	log    *slidinglog.Log // nil but in a sliding window
}

// lock makes a the account of key, brought to now. The caller unlocks its shard.
func (st *store) lock(now gabion.Instant, key string, a *account) {
	key = shorten(key)
	hash := maphash.String(st.seed, key)
	sh := st.shard(hash)
	sh.lock(now)
	slot, b := sh.buckets.Find(hash, key)
	if b == nil {
		if slot, b = sh.add(now, hash, key); b == nil {
			sh.mu.Unlock()
			st.lockShared(now, key, a)
			return
		}
	}
	a.hash = hash
	sh.account(slot, b, now, a)
}

// lockKnown is lock for a key that should be known already. When it is not, it says so and locks nothing.
func (st *store) lockKnown(now gabion.Instant, key string, a *account) bool {
	key = shorten(key)
	hash := maphash.String(st.seed, key)
	if st.shard(hash).lockHash(now, hash, a) {
		return true
	}
	s := st.settings.Load()
	return st.overflow.lockHash(now, maphash.String(st.seed, s.all[s.valuesOf(key)].tier), a)
}

// lockHash makes a the account of the key with this hash. When there is none, it leaves the shard unlocked.
func (sh *shard) lockHash(now gabion.Instant, hash uint64, a *account) bool {
	sh.lock(now)
	slot, b := sh.buckets.FindHash(hash)
	if b == nil {
		sh.mu.Unlock()
		return false
	}
	a.hash = hash
	sh.account(slot, b, now, a)
	return true
}

// lockShared makes a the account that the keys of a tier share when there is no room for their own.
func (st *store) lockShared(now gabion.Instant, key string, a *account) {
	sh := &st.overflow
	sh.lock(now)
	s := sh.settings
	tier := s.all[s.valuesOf(key)].tier
	hash := maphash.String(st.seed, tier)
	slot, b := sh.buckets.Find(hash, tier)
	if b == nil {
		slot, b = sh.open(hash, tier, s.valuesOfTier(tier))
	}
	a.hash = hash
	sh.account(slot, b, now, a)
}

func (st *store) shard(hash uint64) *shard { return &st.shards[hash&uint64(len(st.shards)-1)] }

// lock locks the shard and brings its buckets to the settings in force.
func (sh *shard) lock(now gabion.Instant) {
	sh.mu.Lock()
	if s := sh.store.settings.Load(); s != sh.settings { // not loaded earlier, so that none ever sees older ones than before
		sh.adopt(s, s.begin(now))
	}
}

// adopt brings all buckets to other settings as of the instant at.
func (sh *shard) adopt(next *settings, at gabion.Instant) {
	for slot, b := range sh.buckets.All() {
		var a account
		sh.account(slot, b, at, &a)
		values := next.valuesOf
		if sh.shared {
			values = next.valuesOfTier
		}
		index := values(sh.buckets.Key(slot))
		a.convert(next.all[index], at)
		b.values = index
	}
	sh.settings = next
}

// account makes a what is known of the key at a slot, brought to now.
func (sh *shard) account(slot keytable.Slot, b *bucket, now gabion.Instant, a *account) {
	a.bucket, a.slot, a.shard, a.values = b, slot, sh, sh.settings.all[b.values]
	switch sh.kind {
	case byTime:
		a.work = sh.works[slot]
		a.advance(now)
	case bySliding:
		a.log = sh.logs[slot]
	}
}

// add makes an account for a new key, nil when there is no room.
func (sh *shard) add(now gabion.Instant, hash uint64, key string) (keytable.Slot, *bucket) {
	if !sh.room(now, key) {
		return 0, nil
	}
	slot, b := sh.open(hash, key, sh.settings.valuesOf(key))
	if b == nil {
		sh.store.keys.Add(-1)
	}
	return slot, b
}

// open makes an account.
func (sh *shard) open(hash uint64, key string, values uint32) (keytable.Slot, *bucket) {
	slot, b := sh.buckets.Add(hash, key)
	if b == nil {
		return 0, nil
	}
	b.values = values
	switch sh.kind {
	case byTime:
		sh.works = put(sh.works, slot, &work{})
	case bySliding:
		sh.logs = put(sh.logs, slot, &slidinglog.Log{})
	}
	return slot, b
}

// put puts v at a slot that is at most one beyond the others.
func put[T any](all []*T, slot keytable.Slot, v *T) []*T {
	if int(slot) == len(all) {
		return append(all, v)
	}
	all[slot] = v
	return all
}
