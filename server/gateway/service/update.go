package service

import (
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/gateway/resolve"
)

// wanted is an endpoint that the configuration asks for.
type wanted struct {
	key     string
	target  Target // without Connect
	weight  int
	standby bool
}

// source is an endpoint of the configuration; a host name can stand for several addresses.
type source struct {
	url     *url.URL
	fixed   string // the address to dial, "" when the host has to be looked up
	weight  int
	standby bool
}

func sourcesOf(cfg config.Service) ([]source, error) {
	var all []source
	var errs []error
	add := func(list []config.Endpoint, standby bool) {
		for _, c := range list {
			u, err := url.Parse(c.URL)
			if err == nil && u.Hostname() == "" {
				err = fmt.Errorf("endpoint %q has no host", c.URL)
			}
			if err != nil {
				errs = append(errs, err)
				continue
			}
			fixed, _ := resolve.Fixed(u)
			all = append(all, source{u, fixed, max(1, c.Weight), standby})
		}
	}
	add(cfg.Endpoints, false)
	add(cfg.Standby, true)
	return all, errors.Join(errs...)
}

// Update changes the configuration. Endpoints that stay (the same URL and address) keep their state, their connections
// and their breaker; a new one gets little at first; a removed one finishes what it has in flight. Names that are not
// known yet are looked up, for at most a second. When it fails because cfg is impossible, nothing has changed.
func (s *Service) Update(cfg config.Service) error {
	sources, err := sourcesOf(cfg)
	if err := errors.Join(err, validate(cfg)); err != nil {
		return err
	}
	s.updating.Lock()
	defer s.updating.Unlock()
	found := s.lookUpNew(sources)
	now := gabion.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	if err := s.renewPolicies(cfg); err != nil {
		return err
	}
	s.config = cfg
	s.keepHosts(found)
	return s.reconcile(now)
}

// reconcile makes the endpoints what configuration and name resolution ask for.
func (s *Service) reconcile(now gabion.Instant) error {
	set := settingsOf(s.config)
	next, err := s.endpointsFor(s.wanted(), set, now)
	if err != nil {
		return err
	}
	old := s.endpoints
	before := s.settings
	s.endpoints, s.settings = next, set
	var errs []error
	for _, e := range next {
		if slices.Contains(old, e) {
			errs = append(errs, s.renewEndpoint(e, before, now))
		} else {
			s.startCheck(e)
		}
	}
	for _, e := range old {
		if !slices.Contains(next, e) {
			s.remove(e)
		}
	}
	s.rebuild(now)
	return errors.Join(errs...)
}

// wanted is the list of endpoints as of what is known about host names.
func (s *Service) wanted() []wanted {
	sources, err := sourcesOf(s.config)
	if err != nil {
		return nil // Update has refused such a configuration
	}
	var all []wanted
	seen := map[string]bool{}
	add := func(src source, address string) {
		w := wanted{
			key:    src.url.Scheme + "://" + src.url.Host + " at " + address,
			target: Target{URL: src.url, Address: address, Name: address}, weight: src.weight, standby: src.standby,
		}
		if seen[w.key] {
			return
		}
		if slices.ContainsFunc(all, func(o wanted) bool { return o.target.Name == address }) {
			w.target.Name = w.key // another URL leads to the same address
		}
		seen[w.key] = true
		all = append(all, w)
	}
	for _, src := range sources {
		if src.fixed != "" {
			add(src, src.fixed)
			continue
		}
		if h := s.hosts[src.url.Hostname()]; h != nil {
			for _, ip := range h.addresses {
				add(src, resolve.Address(src.url, ip))
			}
		}
	}
	return all
}

// endpointsFor returns the endpoint of each that is wanted: the one there is, or a new one.
func (s *Service) endpointsFor(list []wanted, set settings, now gabion.Instant) ([]*Endpoint, error) {
	serving := len(s.endpoints) > 0
	var next, made []*Endpoint
	for _, w := range list {
		i := slices.IndexFunc(s.endpoints, func(e *Endpoint) bool { return e.key == w.key })
		if i >= 0 {
			e := s.endpoints[i]
			e.weight, e.standby = w.weight, w.standby
			next = append(next, e)
			continue
		}
		e, err := s.newEndpoint(w, set)
		if err != nil {
			for _, e := range made {
				e.close()
			}
			return nil, err
		}
		if serving {
			e.member.Return(now)
			e.since = now
		}
		next, made = append(next, e), append(made, e)
	}
	return next, nil
}

// renewEndpoint brings changed settings into an endpoint that stays.
func (s *Service) renewEndpoint(e *Endpoint, before settings, now gabion.Instant) error {
	set := s.settings
	if set.connect != before.connect {
		e.dial(set.connect)
	}
	if set.passive != before.passive {
		e.mu.Lock()
		e.ejection.Update(set.passive, now)
		e.period.Store(e.ejection.Period())
		e.mu.Unlock()
	}
	s.renewCheck(e, before.active)
	return e.renewBreaker(set.breaker)
}

// remove takes an endpoint out of use. Its transport is closed when nothing is in flight any more.
func (s *Service) remove(e *Endpoint) {
	if e.stopCheck != nil {
		e.stopCheck()
	}
	s.draining = append(s.draining, e)
	e.removed.Store(true)
	if e.InFlight() == 0 {
		s.finish(e)
	}
}

// drained is called when the last request of a removed endpoint has ended.
func (s *Service) drained(e *Endpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finish(e)
}

func (s *Service) finish(e *Endpoint) {
	s.draining = slices.DeleteFunc(s.draining, func(o *Endpoint) bool { return o == e })
	e.close()
}

// changedEndpoints tells that name resolution has changed something.
func (s *Service) changedEndpoints(from, to, reason string) {
	s.tell(event.Event{Kind: event.KindEndpoints, Service: s.name, From: from, To: to, Reason: reason})
}
