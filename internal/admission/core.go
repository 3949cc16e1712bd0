package admission

import (
	"math"
	"sync/atomic"
	"time"
)

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
	// Queue bounds how many calls wait, on top of the bound in time; 0: nothing else does.
	Queue int
	// Tenants bounds how many tenants of a class have a line of their own in the queue, all others share one; 0: all have.
	Tenants int
	// Off lets every call start, and learns nothing. What was learned before stays.
	Off bool
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

// Core decides about calls. Instants must not go backwards by much.
//
// [Core.TryStart], [Core.End], [Core.Release], [Core.Waiting] and [Core.Brownout] are safe for concurrent use, also beside
// the other methods, of which only one may run at a time. No wake-up is lost: whoever gives a place back does so first and then
// looks whether somebody is waiting; whoever waits says so first, and is then given a place with [Core.Next] if there is one.
type Core struct {
	inFlight atomic.Int64
	open     atomic.Int64 // the limit, as a number of calls
	queued   atomic.Int64 // the size of the queue

	config   Config
	limit    limit
	queue    queue
	standing Instant          // since when the queue has not been empty
	asked    [Classes]Instant // when a call of the class last found that it could not start at once
	pressure pressure
}

// New makes a core.
func New(cfg Config, now Instant) *Core {
	c := &Core{config: cfg, limit: newLimit(float64(cfg.Deadline), now)}
	for i := range c.asked {
		c.asked[i] = now - cfg.Deadline
	}
	c.configure(cfg)
	return c
}

// Configure changes the configuration. What was learned stays, apart from measurements that have not ended. Calls that wait
// may have room now: see [Core.Next].
func (c *Core) Configure(now Instant, cfg Config) {
	before, deadline, wasOff := c.limit.value, c.config.Deadline, c.config.Off
	c.configure(cfg)
	if c.limit.value != before || cfg.Deadline != deadline || wasOff {
		c.limit.restart(float64(now), float64(cfg.Deadline))
	}
}

func (c *Core) configure(cfg Config) {
	l := &c.limit
	l.most = math.Inf(1)
	if cfg.Most > 0 {
		l.most = float64(cfg.Most)
	}
	if cfg.Known > 0 {
		l.mode, l.value, l.floor, l.most = fixed, float64(cfg.Known), 0, float64(cfg.Known)
	} else if l.mode == fixed {
		l.mode = normal
	}
	l.value, l.floor = min(l.value, l.most), min(l.floor, l.most)
	c.config = cfg
	for i := range c.queue {
		c.queue[i].Most = cfg.Tenants
	}
	c.publish()
}

// publish makes the limit known to those who have no lock.
func (c *Core) publish() {
	calls := int64(math.MaxInt64)
	if !c.config.Off {
		calls = int64(c.limit.calls())
	}
	if c.open.Load() != calls { // most often it is the same, and reading does not disturb other processors
		c.open.Store(calls)
	}
}

// TryStart starts a call if nobody waits and the limit is not reached.
func (c *Core) TryStart() bool { return c.queued.Load() == 0 && c.occupy() }

// occupy takes a place if one is free.
func (c *Core) occupy() bool {
	for {
		n := c.inFlight.Load()
		if n >= c.open.Load() {
			return false
		}
		if c.inFlight.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Arrive decides about a call. One that may wait is to be put into the queue with [Core.Push] at once.
func (c *Core) Arrive(now Instant, class int, tenant string) Decision {
	if c.TryStart() {
		return Start
	}
	c.limit.window.limited = true
	c.asked[class] = now
	if float64(c.queue.ahead(class)) >= c.room(now, class) {
		if _, _, longest := c.queue[class].Longest(); longest <= c.queue[class].LenOf(tenant)+1 {
			c.pressure.lose(now, class)
			return Refuse
		}
	}
	return Queue
}

// Push puts a call into the queue that Arrive has just let in, and returns the one that has to go for it; nil when there
// was room.
func (c *Core) Push(now Instant, w *Waiter) (evicted *Waiter) {
	switch {
	case float64(c.queue.ahead(w.Class)) >= c.room(now, w.Class):
		evicted = c.queue.newestOfLongest(w.Class)
	case float64(c.queue.size()) >= c.room(now, Classes-1):
		for i := Classes - 1; evicted == nil && i > w.Class; i-- {
			evicted = c.queue.newestOfLongest(i)
		}
	}
	if evicted != nil {
		c.queue.remove(evicted)
		c.pressure.lose(now, evicted.Class)
	}
	if c.queue.size() == 0 {
		c.standing = now
	}
	w.Since = now
	c.queue.push(w)
	c.queued.Store(int64(c.queue.size()))
	return evicted
}

// room is how many calls of a class and the higher ones may wait: as many as the service completes in the time that is left
// for waiting.
func (c *Core) room(now Instant, class int) float64 {
	l := &c.limit
	d := l.deadline
	left, service := patience*d, l.mean*l.spread // a service that is getting slower takes longer than it did for those who wait
	if l.mode != fixed {
		left, service = d, l.mean*min(l.spread, 4)
	}
	budget := min(max(left-service, 0.1*d), longestWait*d)
	switch {
	case c.favoured(now, class):
		budget = max(budget, min(float64(c.Patience()), longestWait*d))
	case c.stands(now):
		budget = min(budget, 0.15*d)
	}
	rate := l.rate
	if rate == 0 && l.mode != fixed { // nothing is known yet: as if calls took as long as is aimed at
		rate = l.value / l.target
	}
	room := max(2, rate*budget)
	if c.config.Queue > 0 {
		room = min(room, float64(c.config.Queue))
	}
	return room
}

// favoured says whether calls of a lower class come as well. Then it is they who make the queue long: the class goes before them,
// may well find room for all its calls, and is given all the time that it can wait.
func (c *Core) favoured(now Instant, class int) bool {
	for _, asked := range c.asked[class+1:] {
		if now-asked < c.config.Deadline {
			return true
		}
	}
	return false
}

// stands says whether the queue has not been empty for so long that it is no burst. Where few calls are worked on at once, chance alone
// makes a queue that lasts.
func (c *Core) stands(now Instant) bool {
	times := longestBurst
	if l := &c.limit; l.mode != fixed {
		times = 1
		if atOnce := l.rate * l.unqueued; atOnce > 0 { // by Little's law
			times = min(max(fewAtOnce/atOnce, 1), longestBurst)
		}
	}
	return c.queue.size() > 0 && float64(now-c.standing) > times*float64(c.config.Deadline)
}

// Patience is how long a call may wait in the queue before it cannot be answered in time any more.
func (c *Core) Patience() time.Duration {
	l := &c.limit
	return time.Duration(max(min(patience*l.deadline-l.mean*min(l.spread, 2), mostPatience*l.deadline), 0.1*l.deadline))
}

// Usual is how long calls take lately; 0 before that is known.
func (c *Core) Usual() time.Duration { return time.Duration(c.limit.mean) }

// Complete takes in that a call has ended after latency, the wait in the queue not counted. good says that its answer
// was of use, apart from its time. Calls that wait may start now: see [Core.Next].
func (c *Core) Complete(now Instant, latency time.Duration, good bool) {
	c.Learn(now, c.End(latency, good))
}

// Release takes in that a call is over that says nothing about the service.
func (c *Core) Release() { c.inFlight.Add(-1) }

// End gives back the place of a call that has ended as [Core.Complete] says, and returns what is to be learned from it.
func (c *Core) End(latency time.Duration, good bool) Sample {
	n := c.inFlight.Add(-1) + 1
	return sampleOf(latency, int(n), good, n >= c.open.Load() || c.queued.Load() > 0)
}

// Learn takes in what a call said that has ended. Calls that wait may start now: see [Core.Next].
func (c *Core) Learn(now Instant, s Sample) {
	if c.config.Off {
		return
	}
	c.pressure.serve(now)
	if c.limit.completed(now, s) {
		c.publish()
	}
}

// Waiting says whether somebody waits.
func (c *Core) Waiting() bool { return c.queued.Load() > 0 }

// Next takes the next out of the queue: to start, when ok, or to be refused, because it has waited for too long. It
// returns nil when nobody waits or nobody may start.
func (c *Core) Next(now Instant) (w *Waiter, ok bool) {
	if c.queue.size() == 0 || !c.occupy() {
		return nil, false
	}
	w = c.queue.pop()
	c.queued.Store(int64(c.queue.size()))
	if now-w.Since > c.Patience() {
		c.inFlight.Add(-1)
		c.pressure.lose(now, w.Class)
		return w, false
	}
	return w, true
}

// Queued says whether a call is in the queue.
func (c *Core) Queued(w *Waiter) bool { return w.Waits() }

// Leave takes a call out of the queue whose caller has gone. It says false when it is not there any more.
func (c *Core) Leave(w *Waiter) bool {
	if !c.Queued(w) {
		return false
	}
	c.queue.remove(w)
	c.queued.Store(int64(c.queue.size()))
	return true
}

// Expire takes a call out of the queue that has waited for too long. It says false when it is not there any more.
func (c *Core) Expire(now Instant, w *Waiter) bool {
	left := c.Leave(w)
	if left {
		c.pressure.lose(now, w.Class)
	}
	return left
}

// Brownout is how much of the optional work is to be left out, from 0 to 1.
func (c *Core) Brownout(now func() Instant) float64 { return c.pressure.brownout(now) }

// Lines is how many lines of tenants there are in the queue.
func (c *Core) Lines() (n int) {
	for i := range c.queue {
		n += c.queue[i].Lines()
	}
	return n
}

// State is what a core knows at one moment.
type State struct {
	// InFlight is how many calls are in flight, Queued how many wait.
	InFlight, Queued int
	// Limit is how many may be in flight, Floor what it does not go below; 0: there is none.
	Limit, Floor int
	// Phase is what the limit is doing: "slow_start", "normal", "verify", "probe", or "pool" for a known concurrency.
	Phase string
	// Target is the mean latency aimed at, Usual that of the calls lately, Unqueued that of calls while the limit was not
	// reached; 0: not known yet.
	Target, Usual, Unqueued time.Duration
}

// State returns the state.
func (c *Core) State() State {
	l := &c.limit
	return State{
		InFlight: int(c.inFlight.Load()), Queued: c.queue.size(), Limit: l.calls(), Floor: int(math.Round(l.floor)), Phase: l.mode.String(),
		Target: time.Duration(l.target), Usual: time.Duration(l.mean), Unqueued: time.Duration(l.unqueued),
	}
}
