package bulkhead

import (
	"sync"
	"sync/atomic"
)

// places is the state of a bulkhead: who runs and who waits. It knows no time.
//
// Two things always hold outside of the lock: nobody waits while a place is free, and every waiter is either in the queue
// or has been granted a place. So no wake-up can be lost.
//
// While nobody waits, nothing takes the lock. Whoever gives a place back first does so and then looks for waiters; whoever
// waits first says so and then looks for a place. One of the two sees the other.
type places struct {
	config   atomic.Pointer[Config]
	inFlight atomic.Int64
	queued   atomic.Int64 // changed under the lock
	refused  atomic.Uint64

	mu          sync.Mutex
	first, last *waiter
}

// waiter is a call in the queue.
type waiter struct {
	granted    chan struct{} // closed when it has been given a place
	queued     bool
	prev, next *waiter
}

// What enter returns besides a waiter.
var (
	taken = &waiter{} // a place was free
	full  = &waiter{} // neither a place nor room in the queue
)

func (p *places) configure(cfg Config) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.config.Store(&cfg)
	p.grant()
}

// occupy takes a place if one is free.
func (p *places) occupy(cfg *Config) bool {
	for {
		n := p.inFlight.Load()
		if n >= int64(cfg.Concurrency) {
			return false
		}
		if p.inFlight.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// enter takes a place, or a place in the queue.
func (p *places) enter() (*waiter, *Config) {
	cfg := p.config.Load()
	if p.queued.Load() == 0 && p.occupy(cfg) {
		return taken, cfg
	}
	if cfg.Queue <= 0 {
		p.refused.Add(1)
		return full, cfg
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	cfg = p.config.Load()
	if p.queued.Load() >= int64(cfg.Queue) {
		p.refused.Add(1)
		return full, cfg
	}
	w := &waiter{granted: make(chan struct{}), queued: true, prev: p.last}
	if p.last == nil {
		p.first = w
	} else {
		p.last.next = w
	}
	p.last = w
	p.queued.Add(1)
	p.grant()
	if !w.queued {
		return taken, cfg
	}
	return w, cfg
}

// tryEnter takes a place if one is free.
func (p *places) tryEnter() (*Config, bool) {
	cfg := p.config.Load()
	if !p.occupy(cfg) {
		p.refused.Add(1)
		return cfg, false
	}
	return cfg, true
}

// exit gives a place back. More exits than entries change nothing.
func (p *places) exit() {
	for {
		n := p.inFlight.Load()
		if n == 0 {
			return
		}
		if p.inFlight.CompareAndSwap(n, n-1) {
			break
		}
	}
	if p.queued.Load() > 0 {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.grant()
	}
}

// leave takes a waiter out of the queue, and counts its refusal. It returns false when the waiter has been granted a
// place, which it then holds.
func (p *places) leave(w *waiter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !w.queued {
		return false
	}
	p.unlink(w)
	p.refused.Add(1)
	return true
}

// refuse counts a refusal.
func (p *places) refuse() { p.refused.Add(1) }

// grant gives free places to the first in the queue. The lock is held.
func (p *places) grant() {
	for cfg := p.config.Load(); p.first != nil && p.occupy(cfg); {
		w := p.first
		p.unlink(w)
		close(w.granted)
	}
}

func (p *places) unlink(w *waiter) {
	if w.prev == nil {
		p.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		p.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next, w.queued = nil, nil, false
	p.queued.Add(-1)
}

func (p *places) snapshot() Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Snapshot{InFlight: int(p.inFlight.Load()), Queued: int(p.queued.Load()), Refused: p.refused.Load()}
}
