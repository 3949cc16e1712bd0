package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// dialer makes the connections to one endpoint and knows all that are open.
type dialer struct {
	address string
	connect time.Duration
	net     net.Dialer
	mu      sync.Mutex
	open    map[*conn]struct{}
}

func (d *dialer) init(target Target) {
	d.address, d.connect = target.Address, target.Connect
	d.net.Timeout = target.Connect
	d.open = make(map[*conn]struct{})
}

// dial connects to the endpoint, whatever address net/http derived from the URL.
func (d *dialer) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	c, err := d.connection(ctx)
	if err != nil {
		return nil, err // and not a nil pointer in the interface
	}
	return c, nil
}

// connection connects to the endpoint.
func (d *dialer) connection(ctx context.Context) (*conn, error) {
	over, err := d.net.DialContext(ctx, "tcp", d.address)
	if err != nil {
		return nil, err
	}
	raw, err := over.(*net.TCPConn).SyscallConn() //nolint:forcetypeassert // what "tcp" gives
	if err != nil {
		return nil, errors.Join(err, over.Close())
	}
	c := &conn{Conn: over, raw: raw, dialer: d}
	c.request.Store(math.MaxInt64)
	d.mu.Lock()
	d.open[c] = struct{}{}
	d.mu.Unlock()
	return c, nil
}

// dialTLS is dial and the handshake, both within the time for a connection.
func (d *dialer) dialTLS(config *tls.Config) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, d.connect)
		defer cancel()
		raw, err := d.dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c := tls.Client(raw, config)
		if err := c.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, raw.Close())
		}
		return c, nil
	}
}

// drop closes all connections.
func (d *dialer) drop() {
	d.mu.Lock()
	all := make([]*conn, 0, len(d.open))
	for c := range d.open {
		all = append(all, c)
	}
	d.mu.Unlock()
	for _, c := range all {
		c.abort()
	}
}

// conn is a connection to the endpoint. It counts what was written, and lets an answer that came before the whole
// request was sent be read even when the endpoint has closed the connection on the rest.
type conn struct {
	net.Conn
	raw     syscall.RawConn
	dialer  *dialer
	written atomic.Int64
	// request is what written was when the present request began; MaxInt64 when requests share the connection.
	request atomic.Int64
	deaf    atomic.Bool // the endpoint reads no more
	mute    atomic.Bool // the endpoint says no more
	closed  atomic.Bool
	// upload is the streamed body of the present request, which must not be waited for once the connection is closed.
	upload atomic.Pointer[upload]
}

// begin marks the start of a request that has the connection for itself.
func (c *conn) begin(body *upload) {
	c.request.Store(c.written.Load())
	c.upload.Store(body)
	if body != nil && c.closed.Load() {
		body.stop()
	}
}

// touched tells whether any byte of the present request may have been sent.
func (c *conn) touched() bool { return c.written.Load() != c.request.Load() }

// Read notes the end of what the endpoint says: a head that ends too early looks like garbage to net/http.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.mute.Store(true)
	}
	return n, err
}

// Write sends p. When the endpoint has closed the connection after a part of the request, that is no error here:
// its answer may be waiting to be read, and when there is none, reading says so.
func (c *conn) Write(p []byte) (int, error) {
	if c.deaf.Load() {
		return len(p), nil
	}
	n, err := c.Conn.Write(p)
	written := c.written.Add(int64(n))
	if err != nil && written > c.request.Load() && (errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)) {
		c.deaf.Store(true)
		return len(p), nil
	}
	return n, err
}

// halfCloser is a connection that can be closed in one direction.
type halfCloser interface{ CloseWrite() error }

// CloseWrite ends this side's half of a connection that changed protocols.
func (c *conn) CloseWrite() error {
	half, ok := c.Conn.(halfCloser)
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// Close closes the connection. Later calls return net.ErrClosed.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	c.dialer.mu.Lock()
	delete(c.dialer.open, c)
	c.dialer.mu.Unlock()
	if body := c.upload.Load(); body != nil {
		body.stop()
	}
	return c.Conn.Close()
}

// abort closes the connection without sending what is buffered: the other side is not to be waited for.
func (c *conn) abort() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails only on a connection that is closed already
	}
	_ = c.Close() // the connection is given up, how it goes does not matter
}
