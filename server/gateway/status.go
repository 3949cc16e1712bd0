package gateway

import (
	"cmp"
	"maps"
	"slices"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/status"
)

// Services are the services as of now, by name.
func (g *Gateway) Services(now gabion.Instant) []status.Service {
	services := g.current.Load().services
	all := make([]status.Service, 0, len(services))
	for _, name := range slices.Sorted(maps.Keys(services)) {
		one := services[name].Snapshot(now)
		one.Faults = g.faults.List(name)
		all = append(all, one)
	}
	return all
}

// Limits are the limits as of now, by name.
func (g *Gateway) Limits() []status.Limit {
	limits := g.current.Load().limits
	all := make([]status.Limit, 0, len(limits))
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		all = append(all, limits[name].Status())
	}
	return all
}

// Top are the n keys that used most lately, of all limits.
func (g *Gateway) Top(now gabion.Instant, by status.By, n int) []status.Usage {
	var all []status.Usage
	for _, l := range g.current.Load().limits {
		all = append(all, l.Top(now, by, n)...)
	}
	slices.SortFunc(all, func(a, b status.Usage) int {
		most := cmp.Compare(b.Requests, a.Requests)
		if by == status.ByServerTime {
			most = cmp.Compare(b.ServerTime, a.ServerTime)
		}
		return cmp.Or(most, cmp.Compare(a.Limit, b.Limit), cmp.Compare(a.Key, b.Key))
	})
	return all[:min(n, len(all))]
}

// Config is the configuration in force.
func (g *Gateway) Config() *config.File { return g.current.Load().config }
