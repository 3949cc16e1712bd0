package upstream

import (
	"sync"
	"time"

	"github.com/gabion-io/gabion"
)

// clock is the time that an attempt has. Until the head of the answer it runs on, except that it stands while a streamed
// request body is waited for. Afterwards it runs while the endpoint is waited for, and stands while the client takes
// what came. So a slow client costs an endpoint nothing.
type clock struct {
	expire func()

	mu      sync.Mutex
	timer   *time.Timer
	limit   time.Duration // for an attempt; 0: no bound
	left    time.Duration // for the rest of the answer; 0: no bound
	metered bool          // Extend was called
	reading bool
	since   gabion.Instant // when the present Read began, or was metered
	worked  time.Duration  // in Reads that were metered
	over    bool
}

// start gives the attempt its time.
func (c *clock) start(d time.Duration) {
	c.limit = d
	if d > 0 {
		c.timer = time.AfterFunc(d, c.expire)
	}
}

// pause stands while the client is waited for, run gives the endpoint the whole time again: it has taken what was sent.
func (c *clock) pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil && !c.metered {
		c.timer.Stop()
	}
}

func (c *clock) run() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil && !c.metered && !c.over {
		c.timer.Reset(c.limit)
	}
}

// Extend gives the rest of the answer this much time, in place of what is left of the attempt's; 0: no bound. It is the
// time that the endpoint is waited for. An attempt whose time is over stays over.
func (r *Reply) Extend(d time.Duration) {
	c := &r.try.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	c.metered, c.left = true, max(0, d)
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.reading {
		c.since = gabion.Now()
		c.arm()
	}
}

// arm starts the timer for what is left.
func (c *clock) arm() {
	switch {
	case c.left == 0:
	case c.timer == nil:
		c.timer = time.AfterFunc(c.left, c.expire)
	default:
		c.timer.Reset(c.left)
	}
}

// wait begins a Read of the answer, got ends it.
func (c *clock) wait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = true
	if c.metered && !c.over {
		c.since = gabion.Now()
		c.arm()
	}
}

func (c *clock) got() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	if !c.metered || c.over {
		return
	}
	took := gabion.Now() - c.since
	c.worked += took
	if c.left > 0 {
		c.timer.Stop()
		c.left = max(1, c.left-took)
	}
}

// stop ends the clock, and tells whether it was the first to do so.
func (c *clock) stop() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return false
	}
	c.over = true
	if c.timer != nil {
		c.timer.Stop()
	}
	return true
}

// Ended tells whether the body has been read to its end.
func (r *Reply) Ended() bool {
	c := &r.try.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// Waited is how long the endpoint was waited for while the body of its answer was read, since Extend.
func (r *Reply) Waited() time.Duration {
	c := &r.try.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.worked
}
