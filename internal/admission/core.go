package admission

import "time"

// Instant is a reading of a monotonic clock, in nanoseconds.
type Instant = time.Duration

// Classes is how many priorities there are. 0 is the highest.
const Classes = 3

// Config is what a core is made of. It must be possible: nothing is checked here.
type Config struct {
	// Deadline is how long a call may take, the wait in the queue included.
	Deadline time.Duration
	// Most bounds the limit; 0: unbounded.
	Most int
	// Known is the concurrency, where it is known; the limit is this number then. 0: it is found.
	Known int
}

// Decision is what becomes of a call that arrives.
type Decision uint8

// The decisions.
const (
	// Start: it is in flight.
	Start Decision = iota
	// Queue: it may wait. Nothing has changed yet; see [Core.Push].
	Queue
	// Refuse: it could not be answered in time.
	Refuse
)

// Core decides about calls. It is not safe for concurrent use, and its instants must not go backwards by much.
type Core struct {
	config   Config
	limit    limit
	queue    queue
	standing Instant // since when the queue has not been empty
	inFlight int
	pressure pressure
}

// New makes a core.
func New(cfg Config, now Instant) *Core {
	c := &Core{config: cfg, limit: newLimit(float64(cfg.Deadline), now)}
	c.pressure.began = now
	c.configure(cfg)
	return c
}

// Configure changes the configuration. What was learned stays. Calls that wait may have room now: see [Core.Next].
func (c *Core) Configure(cfg Config) {
	if cfg.Deadline != c.config.Deadline {
		c.limit.deadline = float64(cfg.Deadline)
		c.limit.every = probeFirst * c.limit.deadline
	}
	c.configure(cfg)
}

func (c *Core) configure(cfg Config) {
	l := &c.limit
	switch {
	case cfg.Known > 0:
		l.mode, l.value, l.floor, l.most = fixed, float64(cfg.Known), 0, float64(cfg.Known)
	case l.mode == fixed:
		l.mode = normal
		fallthrough
	default:
		l.most = newLimit(0, 0).most
		if cfg.Most > 0 {
			l.most = float64(cfg.Most)
		}
		l.value, l.floor = min(l.value, l.most), min(l.floor, l.most)
	}
	c.config = cfg
}

// Arrive decides about a call. One that may wait is to be put into the queue with [Core.Push] at once.
func (c *Core) Arrive(now Instant, class int, tenant string) Decision {
	if c.queue.size == 0 && c.inFlight < c.limit.calls() {
		c.inFlight++
		c.pressure.arrived(now, c.config.Deadline)
		return Start
	}
	c.limit.window.limited = true
	room := c.room(now)
	if float64(c.queue.ahead(class)) >= room {
		longest := c.queue.newestOfLongest(class)
		if longest == nil || longest.in.size <= c.queue.lineSize(class, tenant)+1 {
			c.pressure.refused(now, c.config.Deadline)
			return Refuse
		}
	}
	c.pressure.arrived(now, c.config.Deadline)
	return Queue
}

// Push puts a call into the queue that Arrive has just let in, and returns the one that has to go for it; nil when there
// was room.
func (c *Core) Push(now Instant, w *Waiter) (evicted *Waiter) {
	room := c.room(now)
	switch {
	case float64(c.queue.ahead(w.Class)) >= room:
		evicted = c.queue.newestOfLongest(w.Class)
	case float64(c.queue.size) >= room:
		for i := Classes - 1; evicted == nil; i-- {
			evicted = c.queue.newestOfLongest(i)
		}
	}
	if evicted != nil {
		c.queue.remove(evicted)
		c.pressure.evicted()
	}
	if c.queue.size == 0 {
		c.standing = now
	}
	w.since = now
	c.queue.push(w)
	return evicted
}

// room is how many calls may wait: as many as the service completes in the time that is left for waiting.
func (c *Core) room(now Instant) float64 {
	l := &c.limit
	d := l.deadline
	service := l.mean * l.spread
	if l.mode != fixed {
		service = l.mean * min(l.spread, 4)
	}
	budget := min(max(inTime*d-service, 0.1*d), 0.6*d)
	if c.stands(now) {
		budget = min(budget, 0.15*d)
	}
	return max(2, l.rate*budget)
}

// stands says whether the queue has not been empty for so long that it is no burst.
func (c *Core) stands(now Instant) bool {
	patience := c.config.Deadline
	if c.limit.mode == fixed {
		patience *= 3
	}
	return c.queue.size > 0 && now-c.standing > patience
}

// Patience is how long a call may wait in the queue before it cannot be answered in time any more.
func (c *Core) Patience() time.Duration {
	l := &c.limit
	return time.Duration(max(inTime*l.deadline-l.mean*min(l.spread, 2), 0.1*l.deadline))
}

// Complete takes in that a call has ended after latency, the wait in the queue not counted. good says that its answer
// was of use, apart from its time. Calls that wait may start now: see [Core.Next].
func (c *Core) Complete(now Instant, latency time.Duration, good bool) {
	l := &c.limit
	good = good && float64(latency) <= inTime*l.deadline
	full := c.queue.size > 0 || c.inFlight >= l.calls()
	l.completed(now, max(float64(latency), 1), good, full, c.inFlight)
	c.inFlight--
}

// Release takes in that a call is over that says nothing about the service.
func (c *Core) Release() { c.inFlight-- }

// Next takes the next out of the queue: to start, when ok, or to be refused, because it has waited for too long. It
// returns nil when nobody waits or nobody may start.
func (c *Core) Next(now Instant) (w *Waiter, ok bool) {
	if c.queue.size == 0 || c.inFlight >= c.limit.calls() {
		return nil, false
	}
	w = c.queue.pop()
	if now-w.since > c.Patience() {
		c.pressure.evicted()
		return w, false
	}
	c.inFlight++
	return w, true
}

// Leave takes a call out of the queue. It says false when it is not there any more.
func (c *Core) Leave(w *Waiter) bool {
	if w.in == nil {
		return false
	}
	c.queue.remove(w)
	return true
}
