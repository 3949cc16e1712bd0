package httpx

import (
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
)

// Connections is an http.RoundTripper with a pool of connections for each host, so that those to one host can be dropped
// without touching the others. It is safe for concurrent use. Make it with [NewConnections].
type Connections struct {
	template *http.Transport
	mu       sync.Mutex
	pools    map[string]*pool
}

const (
	// maxPools bounds the hosts with a pool. Beyond, the one unused for longest loses its own.
	maxPools = 1000
	// maxIdle is how long a connection stays idle when the template sets no bound: one that was dropped while it was in use
	// must end some time.
	maxIdle = 90 * time.Second
	// maxIdlePerHost is how many stay idle when nobody says otherwise. The 2 of net/http are too few for a service that
	// calls another all the time.
	maxIdlePerHost = 100
)

// pool is the connections to one host.
type pool struct {
	transport *http.Transport
	used      gabion.Instant // guarded by Connections.mu
	dropped   atomic.Bool
}

// NewConnections makes connections as template would; nil: as http.DefaultTransport is without changes, with 100 idle
// connections to a host. Later changes of the template count for new hosts.
func NewConnections(template *http.Transport) *Connections {
	if template == nil {
		template = &http.Transport{ForceAttemptHTTP2: true, Proxy: http.ProxyFromEnvironment}
		if standard, ok := http.DefaultTransport.(*http.Transport); ok {
			template = standard.Clone()
		}
		template.MaxIdleConnsPerHost = maxIdlePerHost
	}
	return &Connections{template: template, pools: map[string]*pool{}}
}

// RoundTrip implements http.RoundTripper.
func (c *Connections) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := checkURL(req); err != nil {
		return nil, err
	}
	p := c.pool(HostOf(req))
	resp, err := p.transport.RoundTrip(req)
	if p.dropped.Load() {
		// The request has made the pool keep connections again.
		p.transport.CloseIdleConnections()
	}
	return resp, err
}

// pool finds the pool of the host, or makes it.
func (c *Connections) pool(host string) *pool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pools[host]
	if p == nil {
		if len(c.pools) >= maxPools {
			c.forget()
		}
		p = &pool{transport: c.template.Clone()}
		if p.transport.IdleConnTimeout == 0 {
			p.transport.IdleConnTimeout = maxIdle
		}
		c.pools[host] = p
	}
	p.used = gabion.Now()
	return p
}

// forget drops the pool unused for longest. It looks at all of them: that is nothing beside a new connection.
func (c *Connections) forget() {
	oldest, at := "", gabion.Instant(math.MaxInt64)
	for host, p := range c.pools {
		if p.used < at {
			oldest, at = host, p.used
		}
	}
	p := c.pools[oldest]
	delete(c.pools, oldest)
	p.drop()
}

// drop closes the connections of a pool that gets no more requests: idle ones now, others when they become idle.
func (p *pool) drop() {
	p.dropped.Store(true)
	p.transport.CloseIdleConnections()
}

// Drop makes all further requests to host, as [HostOf] gives it, use new connections. Those that are idle are closed, those
// in use when their request has ended. It is meant for the OnOpen of a breaker.
func (c *Connections) Drop(host string) {
	c.mu.Lock()
	p := c.pools[host]
	delete(c.pools, host)
	c.mu.Unlock()
	if p != nil {
		p.drop()
	}
}

// CloseIdleConnections closes the connections to all hosts that are not in use.
func (c *Connections) CloseIdleConnections() {
	c.mu.Lock()
	pools := make([]*pool, 0, len(c.pools))
	for _, p := range c.pools {
		pools = append(pools, p)
	}
	c.mu.Unlock()
	for _, p := range pools {
		p.transport.CloseIdleConnections()
	}
}

// drop drops the connections of base to a host; all that are idle, if it cannot tell hosts apart.
func drop(base http.RoundTripper, host string) {
	switch base := base.(type) {
	case interface{ Drop(host string) }:
		base.Drop(host)
	case interface{ CloseIdleConnections() }:
		base.CloseIdleConnections()
	}
}
