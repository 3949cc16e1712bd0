package gateway

import (
	"errors"
	"fmt"
	"time"

	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/gateway/limit"
	"github.com/gabion-io/gabion/server/gateway/service"
	"github.com/gabion-io/gabion/server/gateway/upstream"
)

// compileServices makes the services of next. Those that old has under the same name live on, changed in place.
func (g *Gateway) compileServices(next, old *snapshot) error {
	for name, c := range next.config.Services {
		if c.Kind != "http" {
			continue // nothing is sent to it, it is named for what depends on it
		}
		if s := old.services[name]; s != nil {
			next.services[name] = s // before the change, so that restore takes back one that failed halfway
			if err := s.Update(c); err != nil {
				return fmt.Errorf("services.%s: %w", name, err)
			}
			continue
		}
		s, err := service.New(name, c, service.Options{
			Transport: dial, Events: g.opt.Events, Observer: g.opt.Observer(event.Event{Service: name}),
		})
		if err != nil {
			return fmt.Errorf("services.%s: %w", name, err)
		}
		s.Start(g.ctx)
		next.services[name] = s
	}
	return nil
}

// dial makes the transport of an endpoint.
func dial(t service.Target) service.Transport {
	return upstream.New(upstream.Target{URL: t.URL, Address: t.Address, Name: t.Name, Connect: t.Connect})
}

// restore takes back what compile did for a configuration that does not come into force.
func (g *Gateway) restore(next, old *snapshot) {
	var failed error
	for name, s := range next.services {
		if old.services[name] == nil {
			s.Close()
			continue
		}
		failed = errors.Join(failed, s.Update(old.config.Services[name]))
	}
	// A limit is immutable, but what counts in it is the same in the next one, and was changed.
	for name, l := range old.limits {
		_, err := limit.New(name, old.config.Limits[name], l, nil)
		failed = errors.Join(failed, err)
	}
	if failed != nil {
		g.opt.Events.Add(event.Event{Kind: event.KindReload, Reason: "the configuration in force could not be restored in full: " + failed.Error()})
	}
}

// retireAfter is when a service that is no longer configured is closed. Requests that began before have ended by then,
// or go on over connections that close behind them.
const retireAfter = 30 * time.Second

// retire closes the services of old that next does not have.
func (g *Gateway) retire(old, next *snapshot) {
	for name, s := range old.services {
		if next.services[name] != nil {
			continue
		}
		g.retired.Go(func() {
			timer := time.NewTimer(retireAfter)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-g.ctx.Done():
			}
			s.Close()
		})
	}
}
