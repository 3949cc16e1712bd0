package service

import (
	"math/rand/v2"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/gateway/balance"
	"github.com/gabion-io/gabion/server/gateway/health"
)

// view is what Pick needs to know. It never changes; a new one is made whenever an endpoint's condition does.
type view struct {
	// pools are where requests go, in this order: usable primaries, usable standbys, and those that only their checks
	// speak against.
	pools [3]pool
	// trials get single requests when their time has come.
	trials []*Endpoint
	ration *balance.Ration
}

// pool is a choice among endpoints.
type pool struct {
	set       *balance.Set // nil when there are none
	endpoints []*Endpoint
}

func (s *Service) newPool(endpoints []*Endpoint) pool {
	if len(endpoints) == 0 {
		return pool{}
	}
	members, weights := make([]*balance.Member, len(endpoints)), make([]int, len(endpoints))
	for i, e := range endpoints {
		members[i], weights[i] = e.member, e.weight
	}
	return pool{balance.New(s.settings.balance, members, weights, s.settings.slowStart, rand.Uint64), endpoints}
}

// rebuild finds the condition of every endpoint and shows it to Pick. It is called with the lock held.
func (s *Service) rebuild(now gabion.Instant) {
	for _, e := range s.endpoints {
		e.assess(now)
	}
	s.releaseSurplus(now)
	primary := s.where(func(e *Endpoint) bool { return e.condition.usable() && !e.standby })
	standby := s.where(func(e *Endpoint) bool { return e.condition.usable() && e.standby })
	rest := s.where(func(e *Endpoint) bool { return e.condition.able() && e.condition.down && !e.standby })
	if len(rest) == 0 {
		rest = s.where(func(e *Endpoint) bool { return e.condition.able() && e.condition.down })
	}
	spare := len(standby) > 0
	ration := balance.NewRation(now, s.shares(primary, rest), spare, s.settings.slowStart, &s.grant)
	if bounded := balance.NewRation(now, s.shares(primary), spare, s.settings.slowStart, &s.grant); len(primary) > bounded.Len() {
		ration, rest = nil, nil // some have been there for long enough to take everything
	}
	none := len(primary)+len(standby) == 0
	v := &view{ration: ration}
	v.pools = [3]pool{s.newPool(primary), s.newPool(standby), s.newPool(rest)}
	v.trials = s.where(func(e *Endpoint) bool {
		c := e.condition
		return !c.able() && (!c.down || none) && (!e.standby || len(primary) == 0)
	})
	s.view.Store(v)
	s.announce(len(primary) > 0, len(standby) > 0)
}

func (s *Service) where(f func(*Endpoint) bool) (found []*Endpoint) {
	for _, e := range s.endpoints {
		if f(e) {
			found = append(found, e)
		}
	}
	return found
}

// shares says what part of all requests endpoints have when all primaries are there.
func (s *Service) shares(lists ...[]*Endpoint) (shares []balance.Rationed) {
	all := 0
	for _, e := range s.endpoints {
		if !e.standby {
			all += e.weight
		}
	}
	for _, list := range lists {
		for _, e := range list {
			shares = append(shares, balance.Rationed{Member: e.member, Share: float64(e.weight) / float64(max(all, e.weight))})
		}
	}
	return shares
}

// assess finds the condition of the endpoint. One that has become better gets little at first.
func (e *Endpoint) assess(now gabion.Instant) {
	c := condition{down: e.check.Down()}
	e.mu.Lock()
	c.out = e.ejection.State() != health.In
	resting := e.ejection.Rest()
	e.mu.Unlock()
	if b := e.breaker.Load(); b != nil {
		c.tripped = b.State() != breaker.Closed
		resting = max(resting, b.Snapshot(now).Until)
	}
	e.resting.Store(int64(resting))
	was := e.condition
	if c == was {
		return
	}
	if c.usable() && !was.usable() || c.able() && !was.able() {
		e.member.Return(now)
	}
	e.condition, e.since = c, now
}

// announce tells when the standbys take over and give back, and when all checks fail and endpoints are used all the
// same.
func (s *Service) announce(primary, standby bool) {
	seemsWell := func(e *Endpoint) bool { return !e.condition.down && !e.condition.out }
	down := len(s.where(func(e *Endpoint) bool { return e.condition.down })) > 0
	s.turn(&s.failOpen, down && len(s.where(seemsWell)) == 0, event.Event{
		Kind: event.KindFailOpen, From: "closed", To: "open", Reason: "all endpoints look unhealthy and are used all the same",
	}, "an endpoint looks healthy again")
	s.turn(&s.onStandby, !primary && (standby || s.onStandby && s.hasStandby()), event.Event{
		Kind: event.KindStandby, From: "primary", To: "standby", Reason: "no primary endpoint can be used",
	}, "a primary endpoint can be used again")
}

func (s *Service) hasStandby() bool {
	return len(s.where(func(e *Endpoint) bool { return e.standby })) > 0
}

// turn sets flag, and tells e when it came on and e reversed, for the reason over, when it went off.
func (s *Service) turn(flag *bool, on bool, e event.Event, over string) {
	if *flag == on {
		return
	}
	*flag = on
	e.Service = s.name
	if !on {
		e.From, e.To, e.Reason = e.To, e.From, over
	}
	s.tell(e)
}
