package front

import (
	"sync"
	"time"
)

// alarm rings when something takes too long. net/http's own deadlines for HTTP/2 end a stream when they pass, even when
// nobody waits for anything, so they are set only when the time is over. What rings is net/http's again and may not be
// touched once the request has been handled: after stop has returned, nothing rings.
type alarm struct {
	mu    sync.Mutex
	timer *time.Timer
	ring  func()
	set   bool
	ended bool
}

// start starts it. ring is the same every time.
func (a *alarm) start(d time.Duration, ring func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.ended:
		return
	case a.timer == nil:
		a.ring = ring
		a.timer = time.AfterFunc(d, a.over)
	default:
		a.timer.Reset(d)
	}
	a.set = true
}

func (a *alarm) over() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.set {
		a.ring()
	}
}

// stop stops it.
func (a *alarm) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.set {
		a.timer.Stop()
		a.set = false
	}
}

// end stops it for ever.
func (a *alarm) end() {
	a.stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
}
