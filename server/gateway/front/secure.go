package front

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/gateway/front/framing"
)

// rate is how many bytes of a body must come in a second, on average, once patience has passed.
const rate = 512

// limits are those of a new connection.
func (f *Front) limits() framing.Limits {
	return framing.Limits{MaxHead: int64(f.config.Load().MaxHeader), Patience: patience, Rate: rate, Refused: f.refusedUnread}
}

// refusedUnread tells of a request that could not be read.
func (f *Front) refusedUnread(conn net.Conn, problem string) {
	now := time.Now()
	x := &exchange.Exchange{Started: gabion.InstantOf(now), Wall: now.UTC()}
	x.Request.Peer = peerOf(conn)
	x.Request.Client = x.Request.Peer
	x.Record.Status, x.Record.Problem = exchange.StatusOf(problem), problem
	f.refused(x)
}

// refused tells of a request that is not handed on.
func (f *Front) refused(x *exchange.Exchange) {
	if told := f.config.Load().Refused; told != nil {
		told(x)
	}
}

// plain is a listener without TLS.
type plain struct {
	net.Listener
	limits func() framing.Limits
}

// Accept implements net.Listener.
func (l plain) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return framing.New(conn, l.limits()), nil
}

// secure is a listener with TLS. It makes the handshakes itself, because what is watched must lie above TLS with
// HTTP/1, while net/http wants to see the bare connection with HTTP/2.
type secure struct {
	net.Listener
	front  *Front
	config *tls.Config
	ctx    context.Context // of the handshakes
	cancel context.CancelFunc
	ready  chan accepted
	work   sync.WaitGroup
}

type accepted struct {
	conn net.Conn
	err  error
}

func (f *Front) secure(l net.Listener, config *tls.Config) *secure {
	s := &secure{Listener: l, front: f, config: config, ready: make(chan accepted)}
	s.ctx, s.cancel = context.WithCancel(f.ctx)
	s.work.Go(s.run)
	return s
}

// run takes connections until the listener is closed.
func (l *secure) run() {
	for l.ctx.Err() == nil {
		conn, err := l.Listener.Accept()
		if err == nil {
			l.work.Go(func() { l.shake(conn) })
			continue
		}
		l.hand(accepted{err: err}) // net/http waits a little before it asks again
	}
}

// hand gives a result to Accept. A connection that nobody takes any more is closed.
func (l *secure) hand(a accepted) {
	select {
	case l.ready <- a:
	case <-l.ctx.Done():
		if a.conn != nil {
			a.conn.Close()
		}
	}
}

// shake makes the handshake.
func (l *secure) shake(conn net.Conn) {
	cfg := l.front.config.Load()
	ctx, cancel := context.WithTimeout(l.ctx, max(cfg.HeaderTimeout, time.Second))
	defer cancel()
	secured := tls.Server(conn, l.config)
	if err := secured.HandshakeContext(ctx); err != nil {
		cfg.Log.Debug("a TLS handshake failed", "peer", conn.RemoteAddr().String(), "error", err)
		if header, ok := errors.AsType[tls.RecordHeaderError](err); ok && header.Conn != nil && textual(header.RecordHeader) {
			// Whoever speaks no TLS may be gone already.
			_ = framing.Refuse(header.Conn, exchange.Problem{Type: exchange.BadRequest, Detail: "This port speaks HTTPS only."})
			l.front.refusedUnread(conn, exchange.BadRequest)
		}
		conn.Close()
		return
	}
	if secured.ConnectionState().NegotiatedProtocol == "h2" {
		l.hand(accepted{conn: secured})
		return
	}
	l.hand(accepted{conn: framing.NewTLS(secured, l.front.limits())})
}

// textual says whether what should have been TLS looks like a request of HTTP/1: it begins with letters.
func textual(header [5]byte) bool {
	for _, c := range header[:3] {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}

// Accept implements net.Listener.
func (l *secure) Accept() (net.Conn, error) {
	select {
	case a := <-l.ready:
		return a.conn, a.err
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Handshakes that have not ended are given up.
func (l *secure) Close() error {
	err := l.Listener.Close()
	l.cancel()
	l.work.Wait()
	return err
}
