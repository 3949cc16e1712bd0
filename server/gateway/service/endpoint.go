package service

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/gateway/balance"
	"github.com/gabion-io/gabion/server/gateway/health"
	"github.com/gabion-io/gabion/server/metrics/histogram"
	"github.com/gabion-io/gabion/server/status"
)

// Endpoint is one address of a service.
type Endpoint struct {
	service *Service
	target  Target // Connect is what the present transport has; guarded by the service's lock
	key     string // what it is known by across changes of the configuration
	member  *balance.Member

	transport atomic.Pointer[Transport]
	breaker   atomic.Pointer[breaker.Breaker]
	resting   atomic.Int64                       // until when neither its breaker nor its ejection lets a trial through
	classes   [len(status.Classes)]atomic.Uint64 // attempts by the class of the answer
	duration  *histogram.Histogram
	errors    atomic.Uint64
	refused   atomic.Uint64 // by the breaker
	removed   atomic.Bool
	closing   sync.Once
	early     atomic.Bool // a request of tryEarly is under way

	period   atomic.Uint64 // the ejection's
	mu       sync.Mutex
	ejection health.Ejection

	// The service's lock guards what follows.

	weight    int
	standby   bool
	check     health.Check
	stopCheck context.CancelFunc // nil when no check runs
	condition condition
	since     gabion.Instant // when condition began, 0: it has always been so
}

// condition is what is found about an endpoint.
type condition struct {
	down    bool // its checks fail
	out     bool // it is ejected or on trial
	tripped bool // its breaker is not closed
}

// able says that real requests speak for it; usable, that its checks do too.
func (c condition) able() bool   { return !c.out && !c.tripped }
func (c condition) usable() bool { return c.able() && !c.down }

// newEndpoint makes an endpoint that is in use from now on.
func (s *Service) newEndpoint(w wanted, set settings) (*Endpoint, error) {
	e := &Endpoint{
		service: s, target: w.target, key: w.key, member: balance.NewMember(w.key),
		ejection: health.NewEjection(set.passive), weight: w.weight, standby: w.standby, duration: histogram.Durations(),
	}
	e.period.Store(e.ejection.Period())
	if err := e.renewBreaker(set.breaker); err != nil {
		return nil, err
	}
	e.dial(set.connect)
	return e, nil
}

// dial gives the endpoint a new transport.
func (e *Endpoint) dial(connect time.Duration) {
	e.target.Connect = connect
	t := e.service.opt.Transport(e.target)
	if old := e.transport.Swap(&t); old != nil {
		(*old).Close()
	}
}

// renewBreaker brings a configuration into the breaker; nil switches it off.
func (e *Endpoint) renewBreaker(cfg *config.Breaker) error {
	if cfg == nil {
		e.breaker.Store(nil)
		return nil
	}
	s := e.service
	c := cfg.Config
	c.Name = s.name + " at " + e.target.Name
	c.Observer = s.breakerObserver(event.Event{Service: s.name, Endpoint: e.target.Name}, &e.refused, s.refresh)
	c.OnOpen = nil
	if cfg.DropConnections {
		c.OnOpen = func() { e.Transport().Drop() }
	}
	if b := e.breaker.Load(); b != nil {
		return b.Update(c)
	}
	b, err := breaker.New(c)
	if err != nil {
		return err
	}
	e.breaker.Store(b)
	return nil
}

// Name is the endpoint's name in metrics, events and status.
func (e *Endpoint) Name() string { return e.target.Name }

// URL is the endpoint as configured.
func (e *Endpoint) URL() *url.URL { return e.target.URL }

// Transport carries requests to it: what Options.Transport made.
func (e *Endpoint) Transport() Transport { return *e.transport.Load() }

// Breaker is the endpoint's breaker, nil when off.
func (e *Endpoint) Breaker() *breaker.Breaker { return e.breaker.Load() }

// InFlight is how many attempts it works on.
func (e *Endpoint) InFlight() int { return e.member.InFlight() }

// lease begins an attempt.
func (e *Endpoint) lease(now gabion.Instant, stamp uint64, b *breaker.Breaker, ticket gabion.Ticket) Lease {
	e.member.Begin(now)
	return Lease{Endpoint: e, breaker: b, ticket: ticket, began: now, stamp: stamp}
}

// done ends an attempt.
func (e *Endpoint) done(now gabion.Instant, l Lease, r Result) {
	quality := r.quality()
	if r.Outcome == gabion.Failure && r.Status == tooManyRequests {
		r.Outcome = gabion.Success // it works, and knows its limits; balancing alone takes note
	}
	failed := r.Outcome == gabion.Failure
	if failed && r.Err == nil {
		r.Err = statusError(r.Status)
	}
	e.classes[r.class()].Add(1)
	if r.Status != 0 || r.Outcome != gabion.Ignored {
		e.duration.Took(cmp.Or(r.Took, now-l.began))
	}
	if failed {
		e.errors.Add(1)
		e.service.failed(r.Err)
	}
	left := e.member.End(now, l.began, quality)
	if l.breaker != nil {
		l.breaker.Done(l.ticket, gabion.Result{Outcome: r.Outcome, Err: r.Err, Began: now - cmp.Or(r.Took, now-l.began), Ended: now})
	}
	e.judge(now, l.stamp, r)
	if left == 0 && e.removed.Load() {
		e.service.drained(e)
	}
}

// judge lets the ejection have the result, and does what follows.
func (e *Endpoint) judge(now gabion.Instant, stamp uint64, r Result) {
	if stamp == early {
		e.triedEarly(now, r)
		return
	}
	e.mu.Lock()
	verdict := e.ejection.Result(stamp, now, r.Outcome, func() string { return r.Err.Error() })
	e.period.Store(e.ejection.Period())
	e.mu.Unlock()
	switch verdict {
	case health.Nothing:
	case health.Guilty:
		e.service.eject(e, now)
	case health.Cleared:
		e.service.tell(event.Event{
			Kind: event.KindEjection, Service: e.service.name, Endpoint: e.Name(),
			From: health.Trial.String(), To: health.In.String(), Reason: "its trial requests succeeded",
		})
		e.service.refresh(now)
	}
}

// close gives up the transport of an endpoint that is not used any more.
func (e *Endpoint) close() { e.closing.Do(func() { e.Transport().Close() }) }

// statusError is the error of an answer that is a failure by its status alone.
type statusError int

func (s statusError) Error() string {
	if s == 0 {
		return "no answer"
	}
	return "status " + strconv.Itoa(int(s))
}

// String is for debuggers and test failures.
func (e *Endpoint) String() string { return fmt.Sprintf("%s at %s", e.service.name, e.target.Name) }
