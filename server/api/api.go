// Package api is the admin API: what the gateway tells about itself and how it is told to change, over HTTP.
//
// openapi.json describes it, and a test holds the two equal. Everything but the probes is for the people who run the
// gateway, see [API.ServeHTTP] for who that is. Times are in UTC. Errors are application/problem+json (RFC 9457).
package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/status"
)

// Deps is what the API shows and acts on. Its functions are called from many goroutines.
type Deps struct {
	// Process, Config, Services, Limits and Routes draw their part of the picture. Required.
	Process  func() status.Process
	Config   func() status.Config
	Services func() []status.Service
	Limits   func() []status.Limit
	Routes   func() []status.Route
	// Top gives the n keys that use most. Required.
	Top func(by status.By, n int) []status.Usage
	// Events is what happened. Required.
	Events *event.Log
	// Metrics answers GET /metrics. Required.
	Metrics http.Handler
	// Store is the process that keeps metrics and logs, Stored answers what is asked of it. Default: there is none.
	Store  func() status.Store
	Stored http.Handler
	// Control changes the configuration. Required.
	Control Control
	// Faults makes services fail on purpose. Required.
	Faults Faults
	// Token is the bearer token that opens the API to other hosts; "": other hosts are refused. It is asked with every
	// request, so that it can change. Default: none.
	Token func() string
}

// Control reads and changes the configuration.
type Control interface {
	// Source is the configuration in force as it was written, and its ETag, quoted.
	Source() (text []byte, etag string)
	// Replace brings another configuration into force and stores it, when matches agrees with the ETag of the one
	// in force; else it returns [ErrChanged]. A config.Problems tells what is wrong with the text. [ErrStore] says that
	// it is in force but could not be stored, or the other way around. Any other error says why it was refused.
	Replace(text []byte, matches func(etag string) bool) error
	// Reload reads the configuration again from where it is stored. Errors are as with Replace.
	Reload() error
}

// ErrChanged says that the configuration in force is not the one that the caller wanted to replace.
var ErrChanged = errors.New("the configuration in force is another one")

// ErrStore says that the configuration could not be read from or written to where it is stored.
var ErrStore = errors.New("the configuration could not be stored")

// API answers requests. Make it with [New] and end it with [API.Close].
type API struct {
	Deps
	mux       *http.ServeMux
	followers chan struct{} // one in it for each that follows the events
	ctx       context.Context
	cancel    context.CancelFunc
}

// New makes the API.
func New(deps Deps) *API {
	if deps.Token == nil {
		deps.Token = func() string { return "" }
	}
	if deps.Store == nil {
		deps.Store = func() status.Store { return status.Store{State: status.StoreOff, Feeds: []status.Feed{}} }
	}
	if deps.Stored == nil {
		deps.Stored = http.HandlerFunc(nothingStored)
	}
	a := &API{Deps: deps, mux: http.NewServeMux(), followers: make(chan struct{}, maxFollowers)}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	for _, op := range operations {
		a.mux.HandleFunc(op.method+" "+op.path, func(w http.ResponseWriter, r *http.Request) { op.handle(a, w, r) })
	}
	for _, path := range stored {
		a.mux.HandleFunc(path, a.passOn)
	}
	return a
}

// Close ends the answers to those who follow the events. Give it to [http.Server.RegisterOnShutdown].
func (a *API) Close() { a.cancel() }

// answerIn is how long a client may take to send a request's body and to take the answer.
const answerIn = 30 * time.Second

// ServeHTTP answers a request if it may be answered:
//
//   - the probes, to everybody;
//   - with the right bearer token, everything;
//   - without one, everything to clients on this host that came here on purpose: over loopback, not through a proxy, under a
//     name of this host (a page of another site that had its name point here has not), and not from a page of another site;
//   - nothing else.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// A writer without deadlines is one of a test.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerIn))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	handler, pattern := a.mux.Handler(r)
	if probe := probes[pattern]; !probe {
		if refused := a.refuse(r); refused != nil {
			refused.write(w)
			return
		}
	}
	if pattern == "" {
		unknown(handler, r).write(w)
		return
	}
	a.mux.ServeHTTP(w, r) // not handler: it has no path values
}

// probes are the patterns that everybody may ask.
var probes = func() map[string]bool {
	all := map[string]bool{}
	for _, op := range operations {
		all[op.method+" "+op.path] = op.probe
	}
	return all
}()
