// Package front is the client's side of the gateway: it turns requests into exchanges and answers into bytes, with
// net/http.
//
// It refuses what is malformed or too large before anything is passed on, drops what only a trusted hop may say, and
// never lets a broken answer look complete: it cuts the connection or the stream instead.
package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// Config is what a Front is made of. All of it is required, except Trusted.
type Config struct {
	// Listeners are the addresses to listen on.
	Listeners config.Listeners
	// MaxHeader bounds the head of a request, MaxBody its body.
	MaxHeader, MaxBody config.Size
	// HeaderTimeout is how long a client may take for the head of a request, IdleTimeout how long a connection may
	// stay open between requests.
	HeaderTimeout, IdleTimeout time.Duration
	// Trusted are the networks of proxies that are believed.
	Trusted []config.Prefix
	// Log takes what goes wrong inside.
	Log *slog.Logger
}

// Front listens and serves. Make it with [New].
type Front struct {
	config atomic.Pointer[Config]
	handle func(*exchange.Exchange)
	server *http.Server
	// leaving is set when this instance goes away: connections are closed after their next answer.
	leaving  atomic.Bool
	sessions sync.Pool
	tunnels  tunnels

	mu        sync.Mutex
	listeners map[string]*listener
	serving   sync.WaitGroup
}

// New makes a front that hands every exchange to handle. It does not listen yet.
func New(cfg Config, handle func(*exchange.Exchange)) (*Front, error) {
	f := &Front{handle: handle, listeners: map[string]*listener{}}
	f.config.Store(&cfg)
	f.sessions.New = func() any { return &session{front: f} }
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	f.server = &http.Server{
		Handler: f, Protocols: protocols, MaxHeaderBytes: int(cfg.MaxHeader),
		ReadHeaderTimeout: cfg.HeaderTimeout, IdleTimeout: cfg.IdleTimeout,
		ErrorLog:  slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
		ConnState: watchHeads, ConnContext: keepConn,
	}
	return f, nil
}

// Start listens on all addresses and serves.
func (f *Front) Start() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open(f.config.Load().Listeners)
}

// Addrs are the addresses that are listened on.
func (f *Front) Addrs() (all []net.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.config.Load().Listeners {
		if open := f.listeners[l.Address]; open != nil {
			all = append(all, open.Addr())
		}
	}
	return all
}

// Reload brings another configuration into force. Connections stay, those of listeners that are gone included. The
// bounds of the head and of idle time cannot change. When it fails, nothing has changed.
func (f *Front) Reload(cfg Config) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.config.Load()
	if cfg.MaxHeader != old.MaxHeader || cfg.HeaderTimeout != old.HeaderTimeout || cfg.IdleTimeout != old.IdleTimeout {
		return errors.New("gateway: max_header, header_timeout and idle_timeout cannot change while running; restart")
	}
	if err := f.open(cfg.Listeners); err != nil {
		return err
	}
	f.config.Store(&cfg)
	f.closeOthers(cfg.Listeners)
	return nil
}

// Leave announces that this instance goes away: it goes on serving, and every HTTP/1 connection is closed after its
// next answer.
func (f *Front) Leave() { f.leaving.Store(true) }

// Drain stops listening and waits for what is in flight. When ctx ends before that, the rest is cut, and the error is
// that of ctx.
func (f *Front) Drain(ctx context.Context) error {
	f.Leave()
	err := f.server.Shutdown(ctx)
	if err == nil {
		err = f.tunnels.wait(ctx)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	return nil
}

// Close ends everything at once.
func (f *Front) Close() error {
	err := f.server.Close()
	f.tunnels.cut()
	f.serving.Wait()
	if err != nil {
		return fmt.Errorf("closing the front: %w", err)
	}
	return nil
}
