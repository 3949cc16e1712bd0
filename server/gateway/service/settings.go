package service

import (
	"cmp"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/balance"
	"github.com/gabion-io/gabion/server/gateway/health"
)

// settings are what a configuration comes to, with defaults in place of what was left out.
type settings struct {
	balance    string
	slowStart  time.Duration // 0: off
	connect    time.Duration
	passive    health.Rules
	maxEjected float64
	active     *config.ActiveHealth // nil: off
	breaker    *config.Breaker      // nil: off
}

func settingsOf(cfg config.Service) settings {
	p := cfg.Health.Passive.Config
	s := settings{
		balance:   cmp.Or(cfg.Balance, balance.LeastLoad),
		slowStart: max(0, cmp.Or(cfg.Health.SlowStart, 10*time.Second)), // gabion.Off is negative
		connect:   200 * time.Millisecond,
		passive: health.Rules{
			Off:         cfg.Health.Passive.Off,
			Consecutive: cmp.Or(p.ConsecutiveErrors, 5),
			Rate:        float64(cmp.Or(p.ErrorRate, 0.5)),
			EjectFor:    cmp.Or(p.EjectFor, 10*time.Second),
		},
		maxEjected: float64(cmp.Or(p.MaxEjected, gabion.Share(0.5))),
	}
	if !cfg.Timeout.Off {
		s.connect = cmp.Or(max(0, cfg.Timeout.Config.Connect), s.connect)
	}
	if a := cfg.Health.Active.Config; !cfg.Health.Active.Off && a.Path != "" {
		a.Interval = cmp.Or(a.Interval, 2*time.Second)
		a.Timeout = cmp.Or(a.Timeout, 500*time.Millisecond)
		a.UnhealthyAfter = cmp.Or(a.UnhealthyAfter, 2)
		a.HealthyAfter = cmp.Or(a.HealthyAfter, 2)
		s.active = &a
	}
	if !cfg.Breaker.Off {
		s.breaker = &cfg.Breaker.Config
	}
	return s
}
