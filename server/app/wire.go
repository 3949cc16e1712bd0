package app

import (
	"context"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/gateway/record"
	"github.com/gabion-io/gabion/server/logs"
	"github.com/gabion-io/gabion/server/logs/own"
	"github.com/gabion-io/gabion/server/metrics"
	"github.com/gabion-io/gabion/server/status"
)

func (a *App) gatewayOptions() gateway.Options {
	return gateway.Options{
		Events: a.events, Observer: a.events.Observer,
		Record: func(r config.Route) exchange.Step {
			return &record.Step{Route: a.metrics.Route(r), Access: a.access}
		},
	}
}

// observe makes what remembers: the access log and the metrics. They read the gateway when they are asked, so it need
// not be there yet.
func (a *App) observe() {
	a.access = logs.New(a.opt.Access, logs.Config{Feed: func(lines []byte) { a.put(own.Access, lines) }})
	a.metrics = metrics.New(metrics.Source{
		Version:  a.opt.Version,
		Services: func() []status.Service { return a.gateway.Services(gabion.Now()) },
		Limits:   func() []status.Limit { return a.gateway.Limits() },
		Config:   a.configStatus,
		Store:    a.storeStatus,
		Events:   a.events.Counts, Access: a.access.Counts,
	})
}

// refusedRequest records a request that came to no route because the front refused it.
func (a *App) refusedRequest(x *exchange.Exchange) {
	s := record.Step{Route: a.metrics.Route(config.Route{}), Access: a.access}
	s.Enter(x)
	s.Leave(x)
}

// keep adjusts what remembers to the configuration in force, after every attempt to change it.
func (a *App) keep() {
	cfg := a.gateway.Config()
	a.metrics.Keep(cfg.Routes)
	a.access.Enable(cfg.Logs.Access)
}

// lastLines is how long the end of the process waits for whoever reads the access log.
const lastLines = 2 * time.Second

func (a *App) closeAccess() {
	ctx, cancel := context.WithTimeout(context.Background(), lastLines)
	defer cancel()
	if err := a.access.Close(ctx); err != nil {
		a.log.Warn("closing", "error", err)
	}
}
