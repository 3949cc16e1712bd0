package app

import (
	"net/http"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/status"
)

func (a *App) gatewayOptions() gateway.Options {
	return gateway.Options{
		Events: a.events, Observer: a.events.Observer,
		Record: func(config.Route) exchange.Step { return nothing{} },
	}
}

type nothing struct{}

func (nothing) Enter(*exchange.Exchange) bool { return true }
func (nothing) Leave(*exchange.Exchange)      {}

func (a *App) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if a.state.Load() != status.Serving {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	return mux
}
