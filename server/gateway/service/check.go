package service

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/backoff"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/gateway/health"
	"github.com/gabion-io/gabion/server/gateway/probe"
)

// spread is the part by which regular work is moved at random, so that many do not do it at the same moment.
const spread = 0.1

func jitter(d time.Duration) time.Duration { return backoff.Around(d, spread, rand.Float64()) }

// startCheck begins the regular checks of an endpoint, if they are on and the service has been started.
func (s *Service) startCheck(e *Endpoint) {
	active := s.settings.active
	if active == nil || s.ctx == nil {
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	e.stopCheck = cancel
	ask := s.opt.ask(probe.Target{
		URL: e.target.URL, Path: active.Path, Address: e.target.Address, Timeout: active.Timeout, Roots: s.opt.Roots,
	})
	s.running.Go(func() {
		for {
			problem := ask(ctx)
			if ctx.Err() != nil {
				return
			}
			s.checked(ctx, e, active, problem)
			if !pause(ctx, jitter(active.Interval)) {
				return
			}
		}
	})
}

// renewCheck brings changed settings into the checks of an endpoint that stays. What they have found is kept, until
// they are switched off.
func (s *Service) renewCheck(e *Endpoint, before *config.ActiveHealth) {
	now := s.settings.active
	if before == now || before != nil && now != nil && *before == *now {
		return
	}
	if e.stopCheck != nil {
		e.stopCheck()
		e.stopCheck = nil
	}
	if now == nil {
		e.check = health.Check{}
		return
	}
	s.startCheck(e)
}

// checked takes the result of a check.
func (s *Service) checked(ctx context.Context, e *Endpoint, active *config.ActiveHealth, problem string) {
	now := gabion.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil { // the checks were changed while this one ran
		return
	}
	if !e.check.Result(problem, active.UnhealthyAfter, active.HealthyAfter) {
		return
	}
	turn := event.Event{Kind: event.KindHealth, Service: s.name, Endpoint: e.Name(), From: "healthy", To: "unhealthy", Reason: e.check.Reason()}
	if !e.check.Down() {
		turn.From, turn.To, turn.Reason = turn.To, turn.From, "its checks succeed again"
		e.mu.Lock()
		e.ejection.Hasten(now)
		e.mu.Unlock()
	}
	s.tell(turn)
	s.rebuild(now)
}
