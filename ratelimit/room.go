package ratelimit

import (
	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/keytable"
)

// looks is how many slots are looked at in search of a key to forget.
const looks = 8

// room makes room for one more key, if there is a key that can be forgotten where it is needed. A key with an override
// always has room: there are only as many as the configuration names.
func (sh *shard) room(now gabion.Instant, key string) bool {
	s := sh.settings.Load()
	keys, most := &sh.store.keys, s.maxKeys
	if keys.Add(1) <= most {
		return true
	}
	if _, named := s.overrides[key]; named {
		return true
	}
	// One makes room; the other shrinks the store after MaxKeys was lowered.
	if sh.forget(now) && (keys.Add(-1) <= most || sh.forget(now) && keys.Add(-1) <= most) {
		return true
	}
	keys.Add(-1)
	return false
}

// forget removes, of the next few keys, the idle one that was used longest ago. For that key nothing changes, because
// a new one has used nothing either. A key that has used something is never forgotten: it would start anew.
func (sh *shard) forget(now gabion.Instant) bool {
	var victim keytable.Slot
	var oldest *keytable.Entry[bucket] // locked, so that it stays idle
	s := sh.settings.Load()
	for range min(looks, sh.buckets.Slots()) {
		sh.hand = (sh.hand + 1) % sh.buckets.Slots()
		e := sh.buckets.At(sh.hand)
		if e == nil || oldest != nil && e.Value.usage.minute >= oldest.Value.usage.minute {
			continue
		}
		if !e.TryLock() { // somebody takes from it
			continue
		}
		var a account
		if sh.account(s, sh.hand, e, now, &a); !a.idle(now) {
			e.Unlock()
			continue
		}
		if oldest != nil {
			oldest.Unlock()
		}
		victim, oldest = sh.hand, e
	}
	if oldest == nil {
		return false
	}
	sh.remove(victim, oldest)
	oldest.Unlock()
	return true
}

// remove forgets the key at a slot, whose entry is locked.
func (sh *shard) remove(slot keytable.Slot, e *keytable.Entry[bucket]) {
	sh.past.add(e.Value.usage.all())
	sh.buckets.Remove(slot)
	switch sh.kind {
	case byTime:
		sh.works[slot] = nil
	case bySliding:
		sh.logs[slot] = nil
	}
}
