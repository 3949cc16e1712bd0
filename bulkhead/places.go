package bulkhead

import "sync"

// places is the state of a bulkhead: who runs and who waits. It knows no time.
//
// Two things always hold outside of the lock: nobody waits while a place is free, and every waiter is either in the queue
// or has been granted a place. So no wake-up can be lost.
type places struct {
	mu          sync.Mutex
	config      *Config
	inFlight    int
	queued      int
	first, last *waiter
	refused     uint64
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
	p.config = &cfg
	p.grant()
}

// enter takes a place, or a place in the queue.
func (p *places) enter() (*waiter, *Config) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.inFlight < p.config.Concurrency:
		p.inFlight++
		return taken, p.config
	case p.queued >= p.config.Queue:
		p.refused++
		return full, p.config
	}
	w := &waiter{granted: make(chan struct{}), queued: true, prev: p.last}
	if p.last == nil {
		p.first = w
	} else {
		p.last.next = w
	}
	p.last = w
	p.queued++
	return w, p.config
}

// tryEnter takes a place if one is free.
func (p *places) tryEnter() (*Config, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inFlight >= p.config.Concurrency {
		p.refused++
		return p.config, false
	}
	p.inFlight++
	return p.config, true
}

// exit gives a place back. More exits than entries change nothing.
func (p *places) exit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inFlight = max(0, p.inFlight-1)
	p.grant()
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
	p.refused++
	return true
}

// refuse counts a refusal.
func (p *places) refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused++
}

// grant gives free places to the first in the queue.
func (p *places) grant() {
	for p.first != nil && p.inFlight < p.config.Concurrency {
		w := p.first
		p.unlink(w)
		p.inFlight++
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
	p.queued--
}

func (p *places) snapshot() Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Snapshot{InFlight: p.inFlight, Queued: p.queued, Refused: p.refused}
}
