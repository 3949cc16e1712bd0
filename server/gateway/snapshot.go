package gateway

import (
	"fmt"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/gateway/limit"
	"github.com/gabion-io/gabion/server/gateway/route"
	"github.com/gabion-io/gabion/server/gateway/service"
	"github.com/gabion-io/gabion/server/gateway/trace"
)

// snapshot is a configuration in the form that requests need. It never changes.
type snapshot struct {
	table     *route.Table
	routes    []path
	unmatched []exchange.Step
	services  map[string]*service.Service
	limits    map[string]*limit.Limit
	config    *config.File
}

// path is what the requests of one route go through.
type path struct {
	route config.Route
	steps []exchange.Step
}

// steps finds the way of an exchange.
func (s *snapshot) steps(x *exchange.Exchange) []exchange.Step {
	var m route.Match
	m, x.Params = s.table.Match(&x.Request, x.Params[:0])
	if m.Route < 0 {
		x.Allowed = m.Allowed
		return s.unmatched
	}
	p := &s.routes[m.Route]
	x.Record.Route, x.Record.Service, x.Record.Owner = p.route.Name, p.route.Service, p.route.Owner
	return p.steps
}

// compile makes the snapshot of cfg. Services and limits that old has under the same name live on, changed in place.
func (g *Gateway) compile(cfg *config.File, old *snapshot) (*snapshot, error) {
	next := &snapshot{
		table: route.New(cfg.Routes), config: cfg,
		services: map[string]*service.Service{}, limits: map[string]*limit.Limit{},
	}
	if old == nil {
		old = &snapshot{config: &config.File{}}
	}
	if err := g.compileServices(next, old); err != nil {
		g.restore(next, old)
		return nil, err
	}
	for name, c := range cfg.Limits {
		l, err := limit.New(name, c, old.limits[name], g.opt.Observer(event.Event{Limit: name}))
		if err != nil {
			g.restore(next, old)
			return nil, fmt.Errorf("limits.%s: %w", name, err)
		}
		next.limits[name] = l
	}
	for i, r := range cfg.Routes {
		steps, err := g.routeSteps(next, r)
		if err != nil {
			g.restore(next, old)
			return nil, fmt.Errorf("routes[%d]: %w", i, err)
		}
		next.routes = append(next.routes, path{r, steps})
	}
	next.unmatched = []exchange.Step{trace.Step{}, g.opt.Record(config.Route{}), refuse{}}
	return next, nil
}

func (g *Gateway) routeSteps(next *snapshot, r config.Route) ([]exchange.Step, error) {
	steps := []exchange.Step{trace.Step{}, g.opt.Record(r), limit.NewIdentity(r.Identity)}
	if len(r.Limits) > 0 {
		var limits limit.Step
		for _, name := range r.Limits {
			limits = append(limits, next.limits[name])
		}
		steps = append(steps, limits)
	}
	last, err := g.forwardStep(next, r)
	if err != nil {
		return nil, err
	}
	return append(steps, last), nil
}

// refuse answers what no route takes.
type refuse struct{}

// Enter implements [exchange.Step].
func (refuse) Enter(x *exchange.Exchange) bool {
	p := exchange.Problem{Type: exchange.NoRoute}
	if len(x.Allowed) > 0 {
		p = exchange.Problem{Type: exchange.MethodNotAllowed, Allow: x.Allowed}
	}
	x.Record.Err = x.Refuse(p)
	return false
}

// Leave implements [exchange.Step].
func (refuse) Leave(*exchange.Exchange) {}
