// Package front is the client's side of the gateway: it turns requests into exchanges and answers into bytes, with
// net/http.
package front

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// Config is what a Front is made of.
type Config struct {
	Listeners                  config.Listeners
	MaxHeader, MaxBody         config.Size
	HeaderTimeout, IdleTimeout time.Duration
	Trusted                    []config.Prefix
	Log                        *slog.Logger
}

// Front listens and serves.
type Front struct {
	config    Config
	handle    func(*exchange.Exchange)
	server    *http.Server
	listeners []net.Listener
	pool      sync.Pool
	serving   sync.WaitGroup
}

// New makes a front.
func New(cfg Config, handle func(*exchange.Exchange)) (*Front, error) {
	f := &Front{config: cfg, handle: handle}
	f.pool.New = func() any { return &exchange.Exchange{} }
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	f.server = &http.Server{
		Handler: f, Protocols: protocols, MaxHeaderBytes: int(cfg.MaxHeader), ReadHeaderTimeout: cfg.HeaderTimeout,
		IdleTimeout: cfg.IdleTimeout, ErrorLog: slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
	return f, nil
}

// Start listens on all addresses and serves.
func (f *Front) Start() error {
	for _, l := range f.config.Listeners {
		listener, err := net.Listen("tcp", l.Address)
		if err != nil {
			return err
		}
		f.listeners = append(f.listeners, listener)
		f.serving.Go(func() {
			if err := f.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				f.config.Log.Error("listener ended", "error", err)
			}
		})
	}
	return nil
}

// Addrs are the addresses that are listened on.
func (f *Front) Addrs() (all []net.Addr) {
	for _, l := range f.listeners {
		all = append(all, l.Addr())
	}
	return all
}

// Drain stops listening and waits for what is in flight until ctx ends.
func (f *Front) Drain(ctx context.Context) error {
	if err := f.server.Shutdown(ctx); err != nil {
		return errors.Join(err, f.server.Close())
	}
	return nil
}

// Close ends everything.
func (f *Front) Close() error { return f.server.Close() }

// ServeHTTP implements http.Handler.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := f.pool.Get().(*exchange.Exchange)
	c := &client{w: w, x: x}
	x.Context, x.Client, x.Reply = r.Context(), c, exchange.NewFields()
	x.Started, x.Wall = gabion.Now(), time.Now().UTC()
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	x.Request = exchange.Request{
		Method: r.Method, Scheme: "http", Host: r.Host, Path: clean(r.URL.Path), Target: r.RequestURI, Proto: r.Proto,
		Header: exchange.Fields(r.Header), Peer: peer.Addr(), Client: peer.Addr(), Length: r.ContentLength,
	}
	if r.ContentLength != 0 {
		x.Request.Body = http.MaxBytesReader(w, r.Body, int64(f.config.MaxBody))
	}
	f.handle(x)
	broke := c.err
	x.Reset()
	f.pool.Put(x)
	if broke != nil {
		panic(http.ErrAbortHandler)
	}
}

func clean(p string) string {
	c := path.Clean("/" + p)
	if strings.HasSuffix(p, "/") && c != "/" {
		c += "/"
	}
	return c
}

type client struct {
	w   http.ResponseWriter
	x   *exchange.Exchange
	err error
}

// Send implements exchange.Client.
func (c *client) Send(a *exchange.Answer) error {
	h := c.w.Header()
	for name, value := range a.Header.All() {
		h[name] = append(h[name], value)
	}
	for name, value := range c.x.Reply.All() {
		h[name] = []string{value}
	}
	c.x.Record.Status = a.Status
	c.w.WriteHeader(a.Status)
	if a.Body == nil {
		return nil
	}
	defer a.Body.Close()
	n, err := io.Copy(c.w, a.Body)
	c.x.Record.Sent = n
	if err != nil {
		c.err = err
		return errors.Join(exchange.ErrUpstreamBroke, err)
	}
	return nil
}

// Inform implements exchange.Client.
func (c *client) Inform(status int, h exchange.Header) {}

// Reload changes the configuration.
func (f *Front) Reload(cfg Config) error { return nil }
