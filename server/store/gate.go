package store

import "sync"

// gate lets requests in while it is open, and knows when the last one has left.
type gate struct {
	mu       sync.Mutex
	isOpen   bool
	inside   int
	deserted chan struct{} // made by shut, closed when nobody is inside
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.isOpen = true
}

// enter says whether a request may go on; then leave must be called after it.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isOpen {
		g.inside++
	}
	return g.isOpen
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if g.inside == 0 && g.deserted != nil {
		close(g.deserted)
	}
}

// shut lets nobody in any more. The channel is closed when the last one has left. It is called once.
func (g *gate) shut() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.isOpen = false
	g.deserted = make(chan struct{})
	if g.inside == 0 {
		close(g.deserted)
	}
	return g.deserted
}
