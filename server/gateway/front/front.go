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
	// Refused is told of requests over HTTP/1 that are refused before they are handed on, and of those over HTTP/2 that
	// net/http lets pass: what is known of them, and the answer in the Record. Default: nobody is.
	Refused func(*exchange.Exchange)
}

// Front listens and serves. Make it with [New].
type Front struct {
	config atomic.Pointer[Config]
	handle func(*exchange.Exchange)
	server *http.Server
	ctx    context.Context // of all requests
	cancel context.CancelFunc
	// leaving is set when this instance goes away: connections are closed after their next answer.
	leaving  atomic.Bool
	sessions sync.Pool
	inFlight atomic.Int64
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
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.server = f.engine(&cfg)
	return f, nil
}

// engine makes the server of net/http.
func (f *Front) engine(cfg *Config) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: f, Protocols: protocols, MaxHeaderBytes: int(cfg.MaxHeader),
		ReadHeaderTimeout: cfg.HeaderTimeout, IdleTimeout: cfg.IdleTimeout,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: streams, WriteByteTimeout: patience,
			SendPingTimeout: patience, PingTimeout: patience / 2, // a client that is gone without a word is found
		},
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
		BaseContext:                  func(net.Listener) context.Context { return f.ctx },
		ConnContext:                  withLink,
		ConnState:                    answered,
	}
}

// streams is how many requests may be in flight on one connection with HTTP/2.
const streams = 250

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

// Leave announces that this instance goes away: it goes on serving, and every connection is closed after its next
// answer, with HTTP/2 when its other streams have ended.
func (f *Front) Leave() { f.leaving.Store(true) }

// Drain stops listening and waits for what is in flight, connections that changed protocols included. When ctx ends
// before that, the rest is cut, and the error is that of ctx.
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

// settling is how long Close waits for exchanges that are in flight to notice that they have been cut.
const settling = 5 * time.Second

// Close ends everything at once.
func (f *Front) Close() error {
	err := f.server.Close()
	f.cancel()
	f.tunnels.cut()
	f.serving.Wait()
	f.settle()
	if err != nil {
		return fmt.Errorf("closing the front: %w", err)
	}
	return nil
}

// settle waits until no exchange is in flight, for a while.
func (f *Front) settle() {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(settling)
	defer late.Stop()
	for f.inFlight.Load() > 0 {
		select {
		case <-tick.C:
		case <-late.C:
			return
		}
	}
}
