package metrics

import (
	"maps"
	"sync"
	"sync/atomic"
)

// maxNames bounds how many names a tally tells apart. Names come from the configuration and from tables of our own, so
// that it is never reached; should it be, the rest is counted under "other".
const maxNames = 64

// tally counts by name. Reading and counting a known name takes no lock: the set of names grows by copying.
type tally struct {
	mu    sync.Mutex // held while a name is added
	names atomic.Pointer[map[string]*atomic.Uint64]
}

func (t *tally) add(name string) {
	if known := t.names.Load(); known != nil {
		if n := (*known)[name]; n != nil {
			n.Add(1)
			return
		}
	}
	t.counter(name).Add(1)
}

// counter finds or makes the counter of a name.
func (t *tally) counter(name string) *atomic.Uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := t.names.Load()
	if known == nil {
		known = &map[string]*atomic.Uint64{}
	}
	if len(*known) >= maxNames && (*known)[name] == nil {
		name = "other"
	}
	if n := (*known)[name]; n != nil {
		return n
	}
	next := make(map[string]*atomic.Uint64, len(*known)+1)
	maps.Copy(next, *known)
	n := new(atomic.Uint64)
	next[name] = n
	t.names.Store(&next)
	return n
}

// each calls f with every name and its count, and returns their sum.
func (t *tally) each(f func(name string, count uint64)) (sum uint64) {
	known := t.names.Load()
	if known == nil {
		return 0
	}
	for name, n := range *known {
		count := n.Load()
		sum += count
		f(name, count)
	}
	return sum
}
