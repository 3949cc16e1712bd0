package upstream

import (
	"slices"
	"sync"
	"time"

	"github.com/gabion-io/gabion"
)

// pool holds the idle connections of the plain engine. The one that was used last is taken first, so that those that
// are not needed grow old and are closed.
type pool struct {
	mu    sync.Mutex
	lines []*line     // by the time of their last use
	timer *time.Timer // closes those that are too old; nil: there are none
}

// take takes a connection that is still open as far as this side can know, nil when there is none.
func (p *pool) take() *line {
	for {
		p.mu.Lock()
		last := len(p.lines) - 1
		if last < 0 {
			p.mu.Unlock()
			return nil
		}
		l := p.lines[last]
		p.lines[last] = nil
		p.lines = p.lines[:last]
		p.mu.Unlock()
		if !l.closed.Load() && l.silent() {
			return l
		}
		_ = l.Close() // it is of no use
	}
}

// put takes a connection back.
func (p *pool) put(l *line) {
	l.upload.Store(nil)
	l.since = gabion.Now()
	p.mu.Lock()
	full := len(p.lines) >= maxIdle
	if !full {
		p.lines = append(p.lines, l)
		if p.timer == nil {
			p.timer = time.AfterFunc(idleTimeout, p.prune)
		}
	}
	p.mu.Unlock()
	if full {
		_ = l.Close() // there are more than enough
	}
}

// prune closes the connections that have been idle for too long.
func (p *pool) prune() {
	now := gabion.Now()
	p.mu.Lock()
	keep := slices.IndexFunc(p.lines, func(l *line) bool { return now < l.since+idleTimeout })
	if keep < 0 {
		keep = len(p.lines)
	}
	old := slices.Clone(p.lines[:keep])
	p.lines = slices.Delete(p.lines, 0, keep)
	p.timer = nil
	if len(p.lines) > 0 {
		p.timer = time.AfterFunc(p.lines[0].since+idleTimeout-now, p.prune)
	}
	p.mu.Unlock()
	closeLines(old)
}

// closeAll closes all that are idle.
func (p *pool) closeAll() {
	p.mu.Lock()
	all := p.lines
	p.lines = nil
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	p.mu.Unlock()
	closeLines(all)
}

func closeLines(lines []*line) {
	for _, l := range lines {
		_ = l.Close() // it is of no use any more
	}
}
