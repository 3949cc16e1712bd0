package service

import (
	"cmp"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/hedge"
	"github.com/gabion-io/gabion/retry"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/shed"
	"github.com/gabion-io/gabion/timeout"
)

// policies are the kit's policies that the service has as a whole. What is off is nil.
type policies struct {
	breaker  *breaker.Breaker
	refused  *atomic.Uint64 // by the breaker
	retry    *retry.Retry
	budget   bool
	bulkhead *bulkhead.Bulkhead
	timeout  *timeout.Timeout
	hedge    *hedge.Hedge
	shed     *shed.Shedder
}

// validate says what is impossible in the policies of a configuration, all of it.
func validate(cfg config.Service) error {
	return errors.Join(
		section("timeout", cfg.Timeout.Off, cfg.Timeout.Config.Config.Validate),
		section("retry", cfg.Retry.Off, cfg.Retry.Config.Config.Validate),
		section("breaker", cfg.Breaker.Off, cfg.Breaker.Config.Config.Validate),
		section("bulkhead", cfg.Bulkhead.Off, cfg.Bulkhead.Config.Validate),
		section("hedge", cfg.Hedge.Off, cfg.Hedge.Config.Validate),
		section("shed", cfg.Shed.Off, cfg.Shed.Config.Validate),
	)
}

func section(key string, off bool, validate func() error) error {
	if off {
		return nil
	}
	if err := validate(); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return nil
}

// policy is what all the kit's policies have in common.
type policy[C any] interface {
	comparable
	Update(cfg C) error
}

// renew is the policy after a change: nothing when it is off, the same one with the new configuration, or a new one.
func renew[C any, P policy[C]](old P, off bool, cfg C, create func(C) (P, error)) (P, error) {
	var none P
	switch {
	case off:
		return none, nil
	case old != none:
		return old, old.Update(cfg)
	}
	return create(cfg)
}

// renewPolicies brings a validated configuration into the policies of the service.
func (s *Service) renewPolicies(cfg config.Service) error {
	old := s.policies.Load()
	p := &policies{refused: old.refused}
	if p.refused == nil {
		p.refused = new(atomic.Uint64)
	}
	t, r, b, k, h := cfg.Timeout.Config.Config, cfg.Retry.Config.Config, cfg.Breaker.Config.Config, cfg.Bulkhead.Config, cfg.Hedge.Config
	t.Name, r.Name, b.Name, k.Name, h.Name = s.name, s.name, s.name, s.name, s.name
	t.Observer, r.Observer, k.Observer, h.Observer = s.observer(), s.observer(), s.observer(), s.observer()
	b.Observer = s.breakerObserver(event.Event{Service: s.name}, p.refused, nil)
	p.budget = r.Budget != gabion.Off
	d := cfg.Shed.Config
	d.Name, d.Observer = s.name, s.observer()
	var errs [6]error
	p.timeout, errs[0] = renew(old.timeout, cfg.Timeout.Off, t, timeout.New)
	p.retry, errs[1] = renew(old.retry, cfg.Retry.Off, r, retry.New)
	p.breaker, errs[2] = renew(old.breaker, cfg.Breaker.Off, b, breaker.New)
	p.bulkhead, errs[3] = renew(old.bulkhead, cfg.Bulkhead.Off, k, bulkhead.New)
	p.hedge, errs[4] = renew(old.hedge, cfg.Hedge.Off, h, hedge.New)
	if p.timeout != nil {
		d.Deadline = cmp.Or(d.Deadline, min(p.timeout.Total(), shed.MaxDeadline))
	}
	p.shed, errs[5] = renew(old.shed, cfg.Shed.Off || d.Mode == shed.ModeOff, d, shed.New)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	s.policies.Store(p)
	return nil
}

// observer is who is told of everything but changes of state.
func (s *Service) observer() gabion.Observer {
	if s.opt.Observer == nil {
		return nil
	}
	return gabion.ObserverFunc(func(k gabion.Event) {
		if k.Kind != gabion.EventState {
			s.opt.Observer.Observe(k)
		}
	})
}

// breakerObserver counts a breaker's refusals, and turns its changes of state into events about about. turned, when
// not nil, is called after each.
func (s *Service) breakerObserver(about event.Event, refused *atomic.Uint64, turned func(now gabion.Instant)) gabion.Observer {
	others := s.observer()
	return gabion.ObserverFunc(func(k gabion.Event) {
		switch k.Kind {
		case gabion.EventState:
			about := about // one for each call
			about.Kind, about.From, about.To, about.Reason = event.KindBreaker, k.From, k.To, k.Detail
			s.tell(about)
			if turned != nil {
				turned(k.At)
			}
			return
		case gabion.EventRefused:
			refused.Add(1)
		}
		if others != nil {
			others.Observe(k)
		}
	})
}

// tell adds an event. Its time is the present.
func (s *Service) tell(e event.Event) {
	if s.opt.Events != nil {
		s.opt.Events.Add(e)
	}
}
