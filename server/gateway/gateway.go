// Package gateway is the request path: it takes an exchange from the front engine, finds its route, and leads it
// through the route's steps.
//
//	trace → record → identity → limits → forward
//
// A configuration is compiled into an immutable snapshot; a reload swaps a pointer. What services and limits have
// learned lives on by name.
package gateway

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/gateway/inject"
)

// Options is what a gateway needs beside its configuration.
type Options struct {
	// Events is told what happens.
	Events event.Sink
	// Observer makes the observer of the policies that the event is about: its names are filled in.
	Observer func(about event.Event) gabion.Observer
	// Record makes the step that records what happens on a route: it is entered second and left last but one. The
	// route's Name is empty for requests that no route takes.
	Record func(route config.Route) exchange.Step
}

// Gateway is the request path. Make it with [New].
type Gateway struct {
	opt     Options
	current atomic.Pointer[snapshot]
	faults  *inject.Faults

	mu      sync.Mutex // held while the configuration changes
	ctx     context.Context
	stop    context.CancelFunc
	retired sync.WaitGroup // services that finish what they have in flight
}

// New makes the gateway of a validated configuration. It runs until Close.
func New(cfg *config.File, opt Options) (*Gateway, error) {
	g := &Gateway{opt: opt, faults: inject.New(opt.Events)}
	g.ctx, g.stop = context.WithCancel(context.Background())
	if err := g.Apply(cfg); err != nil {
		g.stop()
		return nil, err
	}
	return g, nil
}

// errClosed is what Apply finds after Close.
var errClosed = errors.New("the gateway is closed")

// Apply brings another validated configuration into force. Exchanges under way finish under the one they began with.
// When it fails, nothing has changed. It fails after Close.
func (g *Gateway) Apply(cfg *config.File) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ctx.Err() != nil {
		return errClosed // what it would start, nobody would end
	}
	old := g.current.Load()
	next, err := g.compile(cfg, old)
	if err != nil {
		return err
	}
	g.current.Store(next)
	g.faults.Keep(func(service, kind string) bool {
		return slices.Contains(cfg.Drills.Targets[service], kind) && next.services[service] != nil
	})
	if old != nil {
		g.retire(old, next)
	}
	return nil
}

// Close ends everything that runs beside the requests. No exchange may be served any more.
func (g *Gateway) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stop()
	g.faults.Close()
	for _, s := range g.current.Load().services {
		s.Close()
	}
	g.retired.Wait()
}

// Serve leads an exchange through the steps of its route. Whatever happens in a step, a panic included, all that
// were entered are left.
func (g *Gateway) Serve(x *exchange.Exchange) {
	steps := g.current.Load().steps(x)
	entered := 0
	defer func() { leave(x, steps[:entered]) }()
	for _, step := range steps {
		entered++
		if !step.Enter(x) {
			return
		}
	}
}

// leave leaves the steps, the innermost first. One that panics does not keep the others from being left.
func leave(x *exchange.Exchange, steps []exchange.Step) {
	last := len(steps) - 1
	if last < 0 {
		return
	}
	defer leave(x, steps[:last])
	steps[last].Leave(x)
}
