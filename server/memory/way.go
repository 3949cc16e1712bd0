package memory

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/net/netutil"
	"google.golang.org/grpc"

	"github.com/gabion-io/gabion/internal/backoff"
	"github.com/gabion-io/gabion/server/ingest/otlp"
	"github.com/gabion-io/gabion/server/ingest/tail"
)

// The waits between two tries to open a way.
const (
	firstRetry = time.Second
	maxRetry   = 30 * time.Second
)

// maxConns is how many connections the listener of OTLP has at most; further ones wait.
const maxConns = 256

// way is a way in with a listener or files of its own.
type way struct {
	name    string
	address string // where it listens, or the file in which it remembers how far it came
	log     *slog.Logger
	// serve serves it until the context ends, and calls opened when it begins to.
	serve func(ctx context.Context, w *way) error

	mu       sync.Mutex
	at       string // the address while it is open; "" while it is not
	failures uint64
	failed   string       // why it last did
	tail     *tail.Tailer // of files
}

// wayStatus is how a way is, for people.
type wayStatus struct {
	Way string `json:"way"`
	// Address is where it listens, or is to listen; of files, the one in which it remembers how far they were read.
	Address string `json:"address"`
	Open    bool   `json:"open"`
	// Failures counts how often it could not be opened, or ended by itself, and Error is why it last did.
	Failures uint64 `json:"failures"`
	Error    string `json:"error,omitempty"`
}

// keep keeps the way open until the context ends.
func (w *way) keep(ctx context.Context) {
	for try := 1; ; try++ {
		err := w.serve(ctx, w)
		if ctx.Err() != nil {
			return
		}
		if w.close(err) {
			try = 1
		}
		wait := backoff.Bound(try, firstRetry, maxRetry)
		w.log.Error("a way in for logs is not open, and is tried again", "way", w.name, "address", w.address, "error", err, "wait", wait.String())
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// opened says that the way is open.
func (w *way) opened(at string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = at
	w.log.Info("a way in for logs is open", "way", w.name, "address", at)
}

// close counts that the way failed, and says whether it was open before.
func (w *way) close(err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.at != ""
	w.at = ""
	w.failures++
	w.failed = "it ended"
	if err != nil {
		w.failed = err.Error()
	}
	return was
}

func (w *way) status() wayStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return wayStatus{w.name, cmp.Or(w.at, w.address), w.at != "", w.failures, w.failed}
}

func (w *way) listen(ctx context.Context) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", w.address)
	if err == nil {
		w.opened(l.Addr().String())
	}
	return l, err
}

// serveGRPC serves OTLP over gRPC. What is under way when the context ends has a second to come to its end.
func (g *gates) serveGRPC(ctx context.Context, w *way) error {
	l, err := w.listen(ctx)
	if err != nil {
		return err
	}
	server := grpc.NewServer(otlp.ServerOptions()...)
	g.otlp.Register(server)
	stop := context.AfterFunc(ctx, func() {
		late := time.AfterFunc(time.Second, server.Stop)
		defer late.Stop()
		server.GracefulStop()
	})
	defer stop()
	return server.Serve(netutil.LimitListener(l, maxConns))
}

func (g *gates) serveUDP(ctx context.Context, w *way) error {
	conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp", w.address)
	if err != nil {
		return err
	}
	w.opened(conn.LocalAddr().String())
	return g.syslog.ServeUDP(ctx, conn)
}

func (g *gates) serveTCP(ctx context.Context, w *way) error {
	l, err := w.listen(ctx)
	if err != nil {
		return err
	}
	return g.syslog.ServeTCP(ctx, l)
}

// follow follows files. The address of the way is where it remembers how far each was read.
func (g *gates) follow(ctx context.Context, w *way) error {
	t, err := tail.New(tail.Config{Patterns: g.settings.Files, Positions: w.address, Sink: g.guard.Whole()})
	if err != nil {
		return fmt.Errorf("%w: correct the setting, or remove the file to read all files again from their beginning", err)
	}
	w.mu.Lock()
	w.tail = t
	w.mu.Unlock()
	w.opened(w.address)
	t.Run(ctx)
	return nil
}
