package gateway

import (
	"fmt"
	"strconv"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/gateway/forward"
)

// forwardStep makes the last step of a route.
func (g *Gateway) forwardStep(next *snapshot, r config.Route) (exchange.Step, error) {
	c := next.config.Services[r.Service]
	cfg := forward.Config{
		Target: next.target(r.Service), Timeout: r.Timeout, Priority: r.Priority,
		Observer: g.opt.Observer(event.Event{Service: r.Service, Route: r.Name}),
	}
	for i, f := range c.Fallback {
		if f.Respond == nil {
			target := next.target(f.Service)
			cfg.Fallback = append(cfg.Fallback, forward.Fallback{Name: f.Service, Target: &target})
			continue
		}
		fixed, err := exchange.NewFixed(f.Respond.Status, f.Respond.Header, f.Respond.JSON, f.Respond.Body)
		if err != nil {
			return nil, fmt.Errorf("services.%s.fallback[%d].respond: %w", r.Service, i, err)
		}
		cfg.Fallback = append(cfg.Fallback, forward.Fallback{Name: "respond-" + strconv.Itoa(f.Respond.Status), Fixed: fixed})
	}
	return forward.New(cfg)
}

// target is a service as requests are sent to it.
func (s *snapshot) target(name string) forward.Target {
	t := forward.Target{Name: name, Service: s.services[name]}
	if again := s.config.Services[name].Retry; !again.Off {
		t.On, t.Methods = again.Config.On, again.Config.Methods
	}
	return t
}
