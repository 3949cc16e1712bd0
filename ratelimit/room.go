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
	keys, most := &sh.store.keys, sh.settings.maxKeys
	if keys.Add(1) <= most {
		return true
	}
	if _, named := sh.settings.overrides[key]; named {
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
	var oldest *bucket
	for range min(looks, sh.buckets.Slots()) {
		sh.hand = (sh.hand + 1) % sh.buckets.Slots()
		b := sh.buckets.At(sh.hand)
		if b == nil || oldest != nil && b.usage.minute >= oldest.usage.minute {
			continue
		}
		var a account
		if sh.account(sh.hand, b, now, &a); a.idle(now) {
			victim, oldest = sh.hand, b
		}
	}
	if oldest == nil {
		return false
	}
	sh.buckets.Remove(victim)
	switch sh.kind {
	case byTime:
		sh.works[victim] = nil
	case bySliding:
		sh.logs[victim] = nil
	}
	return true
}
