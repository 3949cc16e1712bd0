package ratelimit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gabion-io/gabion"
)

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
	settings := sh.settings.Load()
	for slot, e := range sh.buckets.All() {
		var a account
		e.Lock()
		sh.account(settings, slot, e, now, &a)
		u := a.report(now)
		e.Unlock()
		if u.Requests > 0 || u.ServerTime > 0 || u.InFlight > 0 {
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
		made, inFlight := sh.count()
		s.Admitted += made.asked - made.refused
		s.Refused += made.refused
		if sh.shared {
			s.Overflowed += made.asked
		}
		s.InFlight += inFlight
	}
	return s
}

// count sums up what the shard has decided. What buckets have counted moves to the past under the mutex of the shard alone, so
// that nothing is counted twice, or not at all.
func (sh *shard) count() (made decisions, inFlight int) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	made = sh.past
	for _, e := range sh.buckets.All() {
		e.Lock()
		made.add(e.Value.usage.all())
		e.Unlock()
	}
	return made, sh.inFlight
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
