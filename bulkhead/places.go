package bulkhead

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
)

// places is the state of a bulkhead: who runs and who waits.
//
// Two things always hold outside of the lock: nobody waits while a place is free, and every waiter is either in the queue
// or its case is decided. So no wake-up can be lost.
//
// While nobody waits, nothing takes the lock. Whoever gives a place back first does so and then looks for waiters; whoever
// waits first says so and then looks for a place. One of the two sees the other.
type places struct {
	config   atomic.Pointer[Config]
	inFlight atomic.Int64
	queued   atomic.Int64 // changed under the lock
	// usual is how long calls run, in nanoseconds: a moving average, 0 before the first. Two calls that end at once may
	// lose one of their values.
	usual atomic.Int64
	drops [reasons]atomic.Uint64

	mu     sync.Mutex
	queue  queue
	waited uint64        // how many got a place after waiting
	wait   time.Duration // how long those waited together
}

// reason is why a call got no place.
type reason int

const (
	granted   reason = iota // it did get one
	full                    // the queue is off, or has no room
	tooLong                 // it waited for as long as it may
	tooLate                 // its deadline is too near
	gone                    // its caller went away
	displaced               // it made room for another
	reasons
)

// String returns the word that events have.
func (r reason) String() string {
	return [reasons]string{"granted", "full", "wait", "deadline", "gone", "displaced"}[r]
}

// patience is how long a call may wait, and what its refusal is called then.
type patience struct {
	longest time.Duration
	then    reason
}

func (p *places) configure(now gabion.Instant, cfg Config) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.config.Store(&cfg)
	p.queue.Most = cfg.MaxTenants
	p.grant(now)
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

// enter takes a place if one is free and nobody waits.
func (p *places) enter() (*Config, bool) {
	cfg := p.config.Load()
	return cfg, p.queued.Load() == 0 && p.occupy(cfg)
}

// tryEnter takes a place if one is free.
func (p *places) tryEnter() (*Config, bool) {
	cfg := p.config.Load()
	if !p.occupy(cfg) {
		p.drops[full].Add(1)
		return cfg, false
	}
	return cfg, true
}

// lineUp takes a place in the queue for a call of tenant that is of no use after its deadline, which is 0 when it has none.
// The waiter is nil when the case is decided at once.
func (p *places) lineUp(now gabion.Instant, tenant string, deadline gabion.Instant) (*waiter, patience, reason) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.grant(now)
	cfg := p.config.Load()
	if p.queue.Len() == 0 && p.occupy(cfg) {
		return nil, patience{}, granted
	}
	now = p.queue.clock(now)
	wait, why := p.admit(cfg, now, tenant, deadline)
	if why != granted {
		p.drops[why].Add(1)
		return nil, wait, why
	}
	w := p.queue.add(now, tenant, p.pressed(cfg, now))
	p.queued.Add(1)
	p.grant(now)
	if !w.Waits() {
		return nil, wait, granted
	}
	return w, wait, granted
}

// admit says how long a call may wait in the queue, or why it may not. It makes room if somebody has to give it.
func (p *places) admit(cfg *Config, now gabion.Instant, tenant string, deadline gabion.Instant) (patience, reason) {
	usual := time.Duration(p.usual.Load())
	gap := usual / time.Duration(cfg.Concurrency) // between two places that get free
	pressed := p.pressed(cfg, now)
	wait := patience{cfg.Wait, tooLong}
	if pressed { // all places can get free at once, so there may be none for as long as calls take
		wait.longest = min(wait.longest, max(cfg.Target, 2*usual, 4*gap))
	}
	waitedEnough := now - wait.longest
	if deadline != 0 && usual > 0 {
		left := deadline - usual - now
		if left <= 0 || left < p.queue.ahead(tenant, pressed, gap) {
			return wait, tooLate
		}
		if left < wait.longest {
			wait = patience{left, tooLate}
		}
	}
	if p.queue.Len() < cfg.Queue {
		return wait, granted
	}
	if cfg.Queue <= 0 {
		return wait, full
	}
	yields := p.queue.yields(tenant, pressed, waitedEnough)
	if yields == nil {
		return wait, full
	}
	p.remove(yields, displaced)
	return wait, granted
}

// pressed says whether the queue has not been empty for longer than Interval: what waits in it is not a peak.
func (p *places) pressed(cfg *Config, now gabion.Instant) bool {
	return cfg.Interval > 0 && p.queue.Len() > 0 && p.queue.clock(now)-p.queue.since > cfg.Interval
}

// learn takes into account how long a call ran.
func (p *places) learn(d time.Duration) {
	d = max(d, 1)
	if usual := p.usual.Load(); usual > 0 {
		d = max(1, time.Duration(usual)+(d-time.Duration(usual))/8)
	}
	p.usual.Store(int64(d))
}

// exit gives a place back. More exits than entries change nothing.
func (p *places) exit(now gabion.Instant) {
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
		p.grant(now)
	}
}

// leave takes a waiter out of the queue, and counts its refusal. It returns false when its case has been decided.
func (p *places) leave(w *waiter, why reason) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !w.Waits() {
		return false
	}
	p.remove(w, why)
	return true
}

// remove refuses a waiter. The lock is held.
func (p *places) remove(w *waiter, why reason) {
	p.queue.Remove(&w.Waiter)
	p.queued.Add(-1)
	p.drops[why].Add(1)
	w.why = why
	close(w.decided)
}

// grant gives free places to those whose turn it is. The lock is held.
func (p *places) grant(now gabion.Instant) {
	for cfg := p.config.Load(); p.queue.Len() > 0 && p.occupy(cfg); {
		w := p.queue.next(p.pressed(cfg, now))
		p.queued.Add(-1)
		p.waited++
		p.wait += p.queue.clock(now) - w.Since
		close(w.decided)
	}
}

func (p *places) snapshot(now gabion.Instant) Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	cfg := p.config.Load()
	s := Snapshot{
		InFlight: int(p.inFlight.Load()), Limit: cfg.Concurrency, Queued: p.queue.Len(), Pressed: p.pressed(cfg, now),
		Waited: p.waited, Wait: p.wait, Usual: time.Duration(p.usual.Load()),
		Drops: Drops{
			Full: p.drops[full].Load(), Wait: p.drops[tooLong].Load(), Deadline: p.drops[tooLate].Load(),
			Gone: p.drops[gone].Load(), Displaced: p.drops[displaced].Load(),
		},
	}
	s.Refused = s.Drops.Full + s.Drops.Wait + s.Drops.Deadline + s.Drops.Gone + s.Drops.Displaced
	return s
}
