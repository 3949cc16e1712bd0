package forward

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// maxTimeout is the longest time that a request can ask for; more is as good as none.
const maxTimeout = 24 * time.Hour

// bound sets what deadline the exchange has: see docs/decisions/005-deadlines.md.
func (c *call) bound(route time.Duration) {
	x := c.x
	grpc := exchange.IsGRPC(x.Request.Header.Get("Content-Type"))
	if d, ok := requested(&x.Request, grpc); ok {
		c.client = x.Started + d
	}
	c.client = earlier(c.client, x.Deadline)
	c.total = route
	if t := c.step.primary.service.Timeouts(); t != nil {
		c.total = shorter(c.total, t.Total())
	}
	c.deadline = c.client
	if c.total > 0 && c.stream == nil {
		c.deadline = earlier(c.deadline, c.received+c.total)
	}
	x.Deadline = c.deadline
	// How long a stream takes nobody can tell, so the endpoint is told only what the client itself has set.
	c.streaming = grpc || x.Request.Upgrade != "" || strings.Contains(x.Request.Header.Get("Accept"), "text/event-stream")
	c.told = c.deadline
	if c.streaming {
		c.told = c.client
	}
	c.context = x.Context
	if c.client != 0 && (c.streaming || c.stream != nil) {
		// Here the time runs whoever is waited for, so it takes more than the clock of the attempt.
		c.context, c.cancel = context.WithTimeout(x.Context, c.client-gabion.Now())
	}
}

// requested is the time that the request itself allows.
func requested(r *exchange.Request, grpc bool) (time.Duration, bool) {
	if grpc {
		if d, ok := parseGRPCTimeout(r.Header.Get("Grpc-Timeout")); ok {
			return d, true
		}
	}
	value := r.Header.Get("X-Gabion-Timeout-Ms")
	if value == "" {
		return 0, false
	}
	ms, err := strconv.ParseUint(value, 10, 63)
	if err != nil || ms > uint64(maxTimeout/time.Millisecond) {
		return 0, false
	}
	return time.Duration(ms) * time.Millisecond, true
}

// parseGRPCTimeout reads a grpc-timeout: one to eight digits and a unit. More than a day is no bound.
func parseGRPCTimeout(s string) (time.Duration, bool) {
	if len(s) < 2 || len(s) > 9 || strings.ContainsAny(s, "+-_") {
		return 0, false
	}
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 32)
	if err != nil {
		return 0, false
	}
	var unit time.Duration
	switch s[len(s)-1] {
	case 'n':
		unit = time.Nanosecond
	case 'u':
		unit = time.Microsecond
	case 'm':
		unit = time.Millisecond
	case 'S':
		unit = time.Second
	case 'M':
		unit = time.Minute
	case 'H':
		unit = time.Hour
	default:
		return 0, false
	}
	if time.Duration(n) > maxTimeout/unit {
		return 0, false
	}
	return time.Duration(n) * unit, true
}

// earlier is the earlier of two instants, of which 0 is never.
func earlier(a, b gabion.Instant) gabion.Instant { return shorter(a, b) }

// shorter is the shorter of two times, of which 0 is no bound.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// patience is the context of a wait that ends at the call's deadline, if there is one. It makes a timer only when there is a
// wait, and knows whose call it is.
type patience struct {
	context.Context
	deadline gabion.Instant
	priority gabion.Priority
	tenant   string
	inner    context.Context
	cancel   context.CancelFunc
}

// Caller implements [gabion.Caller].
func (p *patience) Caller() (priority gabion.Priority, tenant string) { return p.priority, p.tenant }

// Deadline implements context.Context.
func (p *patience) Deadline() (time.Time, bool) {
	if p.deadline == 0 {
		return p.Context.Deadline()
	}
	return time.Now().Add(p.deadline - gabion.Now()), true
}

// Done implements context.Context.
func (p *patience) Done() <-chan struct{} {
	if p.deadline == 0 {
		return p.Context.Done()
	}
	if p.inner == nil {
		p.inner, p.cancel = context.WithTimeout(p.Context, p.deadline-gabion.Now())
	}
	return p.inner.Done()
}

// Err implements context.Context.
func (p *patience) Err() error {
	if p.inner == nil {
		return p.Context.Err()
	}
	return p.inner.Err()
}

func (p *patience) stop() {
	if p.cancel != nil {
		p.cancel()
	}
}
