package ratelimit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gabion-io/gabion"
)

func (sh *shard) count(admitted bool) {
	if admitted {
		sh.admitted++
	} else {
		sh.refused++
	}
	if sh.shared {
		sh.overflowed++
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
	for slot, b := range sh.buckets.All() {
		var a account
		sh.account(slot, b, now, &a)
		if u := a.report(now); u.Requests > 0 || u.ServerTime > 0 || u.InFlight > 0 {
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

func hint(d Decision) string {
	switch d.Reason {
	case ReasonServerTime:
		return fmt.Sprintf("%d ms of server time are allowed in %v", d.Limit, d.Window)
	case ReasonConcurrency:
		return "too many calls of the key are in flight"
	}
	return fmt.Sprintf("%d requests are allowed in %v", d.Limit, d.Window)
}
