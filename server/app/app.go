// Package app is the whole process: it reads the configuration, brings everything up, keeps it current, and takes it
// down in order. A test can run it as well as the command.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/gateway"
	"github.com/gabion-io/gabion/server/gateway/front"
	"github.com/gabion-io/gabion/server/logs"
	"github.com/gabion-io/gabion/server/logs/own"
	"github.com/gabion-io/gabion/server/metrics"
	"github.com/gabion-io/gabion/server/status"
	"github.com/gabion-io/gabion/server/supervise"
)

// Options is what an App needs.
type Options struct {
	// Path is the configuration file. Env and Flags are laid over it.
	Path  string
	Env   []string
	Flags []config.Flag
	// Version is the version of the binary.
	Version string
	// Access takes the access log, Log what the process itself has to say; both are lines of JSON.
	Access, Log io.Writer
	// Store is how the process that keeps metrics and logs is started; its Settings, Output, Events and Log are filled in.
	// Default: there is none, as with data: off.
	Store *supervise.Config
	// PageAfter is how long the store must stay away until someone is told. Default: that of supervise.PagerConfig.
	PageAfter time.Duration
}

// App is a running gateway. Make it with [New], then Start, then Stop.
type App struct {
	opt     Options
	out     io.Writer // Options.Log, one write at a time
	log     *slog.Logger
	events  *event.Log
	metrics *metrics.Metrics
	access  *logs.Access
	gateway *gateway.Gateway
	front   *front.Front
	admin   *http.Server
	state   atomic.Value // of string, see package status
	started time.Time
	token   atomic.Pointer[string]       // of the admin API
	keeper  atomic.Pointer[keeper]       // nil before the start, and when nothing is kept
	failed  atomic.Pointer[status.Store] // why there is none although there should be

	mu     sync.Mutex // held while the configuration changes
	config *config.Loaded
	source status.Config
	seen   []byte // the file as it was last tried

	ctx    context.Context // of what runs beside
	cancel context.CancelFunc
	beside sync.WaitGroup
}

// New reads the configuration and makes everything. Nothing listens yet. The error is a config.Problems when the
// configuration is at fault.
func New(opt Options) (*App, error) {
	loaded, err := config.Load(opt.Path, opt.Env, opt.Flags)
	if err != nil {
		return nil, err
	}
	a := &App{opt: opt, config: loaded, seen: loaded.Source, started: time.Now().UTC()}
	a.state.Store(status.Starting)
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.out = &inTurn{to: opt.Log}
	a.log = Logger(logs.Tee(a.out, func(line []byte) { a.put(own.Process, line) }))
	a.events = event.NewLog(event.Config{Logger: a.log})
	a.observe()
	if err := a.build(&loaded.File); err != nil {
		a.cancel()
		a.closeAccess()
		a.events.Close()
		return nil, err
	}
	now := time.Now().UTC()
	a.source = status.Config{Generation: 1, ETag: loaded.ETag(), Loaded: now, Tried: now}
	return a, nil
}

// Logger writes what the process has to say to w, as lines of JSON with times in UTC.
func Logger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: utc}))
}

// utc writes the time of a log record in UTC.
func utc(groups []string, attr slog.Attr) slog.Attr {
	if len(groups) == 0 && attr.Key == slog.TimeKey {
		attr.Value = slog.TimeValue(attr.Value.Time().UTC())
	}
	return attr
}

func (a *App) build(cfg *config.File) (err error) {
	token, err := readToken(cfg)
	if err != nil {
		return err
	}
	a.token.Store(&token)
	if _, err := a.storeSettings(cfg); err != nil {
		return err
	}
	if a.gateway, err = gateway.New(cfg, a.gatewayOptions()); err != nil {
		return err
	}
	a.keep()
	if a.front, err = front.New(a.frontConfig(cfg), a.gateway.Serve); err != nil {
		a.gateway.Close()
		return err
	}
	a.admin = a.adminServer()
	return nil
}

func (a *App) frontConfig(cfg *config.File) front.Config {
	g := cfg.Gateway
	return front.Config{
		Listeners: g.Listen, MaxHeader: g.MaxHeader, MaxBody: g.MaxBody,
		HeaderTimeout: g.HeaderTimeout, IdleTimeout: g.IdleTimeout, Trusted: g.Trusted, Log: a.log, Refused: a.refusedRequest,
	}
}

// Start listens and serves. When it fails, everything has been taken down.
func (a *App) Start() error {
	a.keepData()
	if err := a.listen(); err != nil {
		a.takeDown()
		return err
	}
	if w, err := newWatcher(a.opt.Path, a.changed); err != nil {
		a.log.Warn("the configuration file is not watched, send SIGHUP after a change", "error", err)
	} else {
		a.beside.Go(func() { w.run(a.ctx) })
	}
	a.state.Store(status.Serving)
	a.events.Add(event.Event{Kind: event.KindLifecycle, To: status.Serving, Reason: fmt.Sprintf("version %s serves on %v", a.opt.Version, a.front.Addrs())})
	return nil
}

func (a *App) listen() error {
	listener, err := new(net.ListenConfig).Listen(a.ctx, "tcp", a.config.File.Gateway.Admin)
	if err != nil {
		return fmt.Errorf("gateway.admin: %w", err)
	}
	a.beside.Go(func() {
		if err := a.admin.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.log.Error("the admin listener ended", "error", err)
		}
	})
	if err := a.front.Start(); err != nil {
		return fmt.Errorf("gateway.listen: %w", err)
	}
	return nil
}

// announced is the part of the drain time in which requests are still taken, so that whoever balances in front sees
// that this instance goes away.
const announced = 4

// Drain lets /readyz fail, goes on for a quarter of gateway.drain, then stops listening and waits for what is in flight for
// the rest of it. What has not ended by then is cut.
func (a *App) Drain(ctx context.Context) error {
	a.state.Store(status.Draining) // first of all: a reload under way may hold up the rest
	a.front.Leave()
	drain := a.Config().Gateway.Drain
	ctx, cancel := context.WithTimeout(ctx, drain)
	defer cancel()
	a.events.Add(event.Event{Kind: event.KindLifecycle, From: status.Serving, To: status.Draining, Reason: "was told to stop"})
	select {
	case <-time.After(drain / announced):
	case <-ctx.Done():
	}
	return a.front.Drain(ctx)
}

// Stop takes everything down at once. Call Drain before to let requests finish.
func (a *App) Stop() {
	a.events.Add(event.Event{Kind: event.KindLifecycle, To: status.Stopped})
	a.state.Store(status.Stopped)
	a.takeDown()
}

func (a *App) takeDown() {
	a.cancel()
	a.mu.Lock()   // a reload under way has ended, and the next one is refused
	a.mu.Unlock() //nolint:staticcheck // see above
	if err := errors.Join(a.front.Close(), a.admin.Close()); err != nil {
		a.log.Warn("closing", "error", err)
	}
	a.beside.Wait()
	a.gateway.Close()
	a.closeAccess()
	a.closeStore()
	a.events.Close()
}

// inTurn lets several write whole lines to the same.
type inTurn struct {
	mu sync.Mutex
	to io.Writer
}

func (w *inTurn) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(line)
}

// Events is the log of what happened.
func (a *App) Events() *event.Log { return a.events }

// Config is the configuration in force.
func (a *App) Config() *config.File {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &a.config.File
}
