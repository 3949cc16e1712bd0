package forward

import (
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/gateway/service"
)

// Config is what the step of one route is made of.
type Config struct {
	// Target is the route's service.
	Target Target
	// Timeout is the route's total time for an answer. It can only shorten the service's; 0: it does not.
	Timeout time.Duration
	// Priority is how long the route's requests are kept when not all can be served.
	Priority gabion.Priority
	// Fallback is what answers when the service cannot, in order.
	Fallback []Fallback
	// Observer is told of retries, of giving up and of fallbacks. Default: nobody is.
	Observer gabion.Observer
}

// Target is a service and what of its answers is asked for again.
type Target struct {
	// Name is the service's name.
	Name string
	// Service has the endpoints and the policies.
	Service *service.Service
	// On lists what is retried: connect, reset, timeout, or a status.
	On []string
	// Methods are safe to send twice.
	Methods []string
}

// Fallback is one thing that can answer in place of the service: Target or Fixed.
type Fallback struct {
	// Name is what the client is told in X-Gabion-Degraded.
	Name string
	// Target is another service that gets the request. Its own fallbacks do not count.
	Target *Target
	// Fixed is a fixed answer.
	Fixed *exchange.Fixed
}

// step implements exchange.Step.
type step struct {
	timeout  time.Duration
	priority gabion.Priority
	primary  target
	fallback []alternative
	observer gabion.Observer
}

type target struct {
	name    string
	service *service.Service
	rules   rules
}

type alternative struct {
	name   string
	target *target // nil: fixed
	fixed  *exchange.Fixed
}

// New makes the step. It fails when On holds a word that it does not know.
func New(cfg Config) (exchange.Step, error) {
	s := &step{timeout: cfg.Timeout, priority: cfg.Priority, observer: cfg.Observer}
	var err error
	if s.primary, err = newTarget(cfg.Target); err != nil {
		return nil, err
	}
	for _, f := range cfg.Fallback {
		a := alternative{name: f.Name, fixed: f.Fixed}
		if f.Target != nil {
			t, err := newTarget(*f.Target)
			if err != nil {
				return nil, err
			}
			a.target = &t
		}
		s.fallback = append(s.fallback, a)
	}
	return s, nil
}

func newTarget(t Target) (target, error) {
	r, err := newRules(t.On, t.Methods)
	return target{name: t.Name, service: t.Service, rules: r}, err
}

// Enter implements [exchange.Step]: it answers every exchange.
func (s *step) Enter(x *exchange.Exchange) bool {
	c := calls.Get().(*call)
	c.step, c.x = s, x
	defer c.release()
	if err := c.receive(); err != nil {
		c.refuse(err)
		return false
	}
	c.bound(s.timeout)
	if c.attend(&s.primary); c.failed() {
		c.degrade()
	}
	c.answer()
	return false
}

// Leave implements [exchange.Step].
func (s *step) Leave(*exchange.Exchange) {}

// tell reports an event of the call.
func (s *step) tell(e gabion.Event) {
	if s.observer != nil {
		s.observer.Observe(e)
	}
}
