package gateway

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gabion-io/gabion/server/gateway/inject"
	"github.com/gabion-io/gabion/server/status"
)

// Inject makes a service fail on purpose, until the fault's time is over or [Gateway.Lift] is called. It fails with
// [inject.ErrNoTarget] when drills.targets does not list the service and the kind.
func (g *Gateway) Inject(r inject.Rule) (status.Fault, error) {
	g.mu.Lock() // so that no configuration that forbids it comes in between
	defer g.mu.Unlock()
	now := g.current.Load()
	s, allowed := now.services[r.Service], now.config.Drills.Targets[r.Service]
	if s == nil || !slices.Contains(allowed, r.Kind) {
		return status.Fault{}, fmt.Errorf("%w: %s", inject.ErrNoTarget, whatIs(r, s != nil, allowed))
	}
	return g.faults.Inject(s.Fault(), r)
}

func whatIs(r inject.Rule, known bool, allowed []string) string {
	switch {
	case !known:
		return fmt.Sprintf("there is no service %q", r.Service)
	case len(allowed) == 0:
		return fmt.Sprintf("nothing may be injected into %s; add drills.targets.%s", r.Service, r.Service)
	}
	return fmt.Sprintf("%q may not be injected into %s, only %s", r.Kind, r.Service, strings.Join(allowed, ", "))
}

// Faults are the faults in force.
func (g *Gateway) Faults() []status.Fault { return g.faults.List("") }

// Lift ends a fault. It returns false when there is none with that ID.
func (g *Gateway) Lift(id string) bool { return g.faults.Lift(id) }
