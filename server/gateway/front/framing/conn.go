package framing

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// Limits bound what a client may take.
type Limits struct {
	// MaxHead bounds the head of a request, and its trailers.
	MaxHead int64
	// Patience is how long a client may take for the next bytes of a body, and to take the next bytes of an answer.
	Patience time.Duration
	// Rate is how many bytes of a body must come in a second, on average, once Patience has passed.
	Rate int64
	// Refused is told of requests that are refused here, or by net/http, with the type of the problem. May be nil.
	Refused func(conn net.Conn, problem string)
}

// mode is what is on the connection at the moment.
const (
	waiting   int32 = iota // for a request: what net/http writes is an error
	answering              // the gateway has the request: what is written is its answer
	foreign                // no HTTP/1 any more
)

// errRefused makes net/http give up a request and say so, in its way. See Write.
var errRefused = errors.New("the request is refused")

// errBroken ends a body.
var errBroken = errors.New("the body is malformed")

// Conn is a connection that HTTP/1 is spoken on. Reading and writing may happen at the same time, as with every
// net.Conn; Begin, End and Detach are called by the goroutine that serves the connection.
type Conn struct {
	net.Conn
	limits Limits
	mode   atomic.Int32

	// For the one who reads.
	scan    scanner
	rest    []byte         // came with the present message, but belongs to the next
	ended   error          // came with rest
	stopped error          // nothing more can be read
	since   gabion.Instant // when waiting for the body began; 0: it has not
	came    int64          // bytes of the body since then

	refused atomic.Pointer[exchange.Problem] // for the one who writes
	fault   atomic.Pointer[error]
	hurry   atomic.Int64 // the Instant by which the rest of a body that nobody wants must have come; 0: none
	until   atomic.Int64 // the deadline for reading that net/http has set, an Instant; 0: none
	written atomic.Int64 // when the deadline for writing was set
}

// secured is a Conn over TLS. net/http takes whatever has this method for TLS.
type secured struct {
	*Conn
	tls *tls.Conn
}

// ConnectionState is what was agreed on for TLS.
func (c secured) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }

// New watches a connection. Without TLS, HTTP/2 may be spoken on it as well.
func New(conn net.Conn, limits Limits) *Conn {
	return &Conn{Conn: conn, limits: limits, scan: scanner{maxHead: limits.MaxHead, h2c: true}}
}

// NewTLS watches a connection over TLS, after the handshake and when HTTP/1 was agreed on.
func NewTLS(conn *tls.Conn, limits Limits) net.Conn {
	return secured{&Conn{Conn: conn, limits: limits, scan: scanner{maxHead: limits.MaxHead}}, conn}
}

// Of gives the Conn that New or NewTLS made; nil when conn is another.
func Of(conn net.Conn) *Conn {
	switch c := conn.(type) {
	case *Conn:
		return c
	case secured:
		return c.Conn
	}
	return nil
}

// Begin says that the gateway has a request: what is written from here on is its answer.
func (c *Conn) Begin() {
	c.mode.CompareAndSwap(waiting, answering)
	c.hurry.Store(0)
}

// End says that the answer has been written, and that the next request comes next. net/http thinks so even when reading
// the rest of a body has failed: what follows then is no request, and nothing more is read.
func (c *Conn) End() {
	if c.mode.CompareAndSwap(answering, waiting) && c.scan.inBody() {
		c.stop(errBroken, exchange.ErrBodyBroken)
	}
}

// Fault says what is wrong with the body of the present request: exchange.ErrBodySlow, exchange.ErrBodyBroken or nil.
// net/http ends the request's context when reading fails, and whoever notices that can already ask here.
func (c *Conn) Fault() error {
	if err := c.fault.Load(); err != nil {
		return *err
	}
	return nil
}

// unwanted is how long the rest of a body that nobody wants may take. net/http reads it, so that the connection can be
// used again.
const unwanted = 2 * time.Second

// Hurry says that the request has been answered before its body had come to its end.
func (c *Conn) Hurry() { c.hurry.Store(int64(gabion.Now() + unwanted)) }

// Detach ends the watch after a change of protocols, and gives what has been read already and the connection below.
func (c *Conn) Detach() (read []byte, conn net.Conn) {
	c.mode.Store(foreign)
	read, c.rest = c.rest, nil
	return read, c.Conn
}

// Reset makes Close cut the connection in a way that the client notices even if it takes the end of the connection
// for the end of the answer, as in HTTP/1.0.
func (c *Conn) Reset() {
	below := c.Conn
	if t, ok := below.(*tls.Conn); ok {
		below = t.NetConn()
	}
	if t, ok := below.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // fails only when the connection is closed already
	}
	// Not through TLS, which would say goodbye.
	_ = below.Close()
}

// CloseWrite says that nothing more will be written.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Read implements net.Conn. It never gives bytes of two messages at once.
func (c *Conn) Read(p []byte) (n int, err error) {
	switch {
	case c.stopped != nil:
		return 0, c.stopped
	case len(c.rest) > 0:
		n = copy(p, c.rest)
		if c.rest = c.rest[n:]; len(c.rest) == 0 {
			err, c.ended = c.ended, nil
		}
	case c.mode.Load() == foreign:
		return c.Conn.Read(p)
	default:
		if n, err = c.wait(p); n == 0 {
			return 0, err
		}
	}
	if c.mode.Load() == foreign {
		return n, err
	}
	took := c.look(p[:n])
	switch {
	case took == n:
		return n, err
	case c.stopped == nil:
		c.rest = append(append(make([]byte, 0, n-took+len(c.rest)), p[took:n]...), c.rest...)
		c.ended = err
	case took == 0:
		return 0, c.stopped
	}
	return took, nil
}

// look scans what was read and gives how much of it may be seen for now.
func (c *Conn) look(b []byte) int {
	n, end, problem := c.scan.scan(b)
	switch {
	case problem != nil:
		c.refuse(problem)
	case c.scan.part == broken:
		c.stop(errBroken, exchange.ErrBodyBroken)
	case c.scan.part == otherProtocol:
		c.mode.Store(foreign)
	case end && c.since != 0:
		c.since, c.came = 0, 0
		// What net/http has set counts again. Setting it fails only when the connection is closed.
		_ = c.Conn.SetReadDeadline(at(c.until.Load()))
	}
	return n
}

func (c *Conn) refuse(p *exchange.Problem) {
	c.refused.Store(p)
	c.stopped = errRefused
}

func (c *Conn) stop(err, fault error) {
	c.fault.Store(&fault)
	c.stopped = err
}

// wait reads from the connection, for no longer than the client may take.
func (c *Conn) wait(p []byte) (int, error) {
	body := c.scan.inBody()
	if body {
		c.allow()
	}
	n, err := c.Conn.Read(p)
	c.came += int64(n)
	if n > 0 || err == nil || !errors.Is(err, os.ErrDeadlineExceeded) || c.interrupted() {
		return n, err
	}
	switch {
	case body:
		c.stop(err, exchange.ErrBodySlow)
	case c.scan.begun():
		c.refuse(&exchange.Problem{Type: exchange.RequestTimeout, Detail: "The head of the request came too slowly."})
		return 0, errRefused
	}
	return 0, err
}

// allow gives the client time for the next bytes of a body: Patience, but on the whole not more than Patience and what
// Rate allows for the bytes that came.
func (c *Conn) allow() {
	now := gabion.Now()
	if c.since == 0 {
		c.since, c.came = now, 0
	}
	most := c.since + c.limits.Patience + time.Duration(c.came/c.limits.Rate)*time.Second
	deadline := int64(min(most, now+c.limits.Patience))
	for _, sooner := range []int64{c.until.Load(), c.hurry.Load()} {
		if sooner != 0 {
			deadline = min(deadline, sooner)
		}
	}
	_ = c.Conn.SetReadDeadline(at(deadline)) // fails only when the connection is closed; reading says so
	if given := c.until.Load(); given != 0 && given < deadline {
		_ = c.Conn.SetReadDeadline(at(given)) // it was set in between
	}
}

// at is the time of an Instant; none for 0.
func at(instant int64) time.Time {
	if instant == 0 {
		return time.Time{}
	}
	now := time.Now()
	return now.Add(time.Duration(instant) - gabion.InstantOf(now))
}

// interrupted says whether a deadline in the distant past was set: somebody wants a Read to end, the client is not late.
// A client is late by a deadline after the process began, which is a positive Instant.
func (c *Conn) interrupted() bool { return c.until.Load() < 0 }

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if t.IsZero() {
		c.until.Store(0)
	} else {
		c.until.Store(int64(gabion.InstantOf(t)))
	}
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if t.IsZero() && c.mode.Load() != foreign {
		// net/http takes the deadline away after every answer. It stays: Write sets it anew when it gets old.
		return nil
	}
	c.written.Store(0)
	return c.Conn.SetWriteDeadline(t)
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	switch c.mode.Load() {
	case foreign:
		return c.Conn.Write(p)
	case waiting:
		return c.explain(p)
	}
	if now := gabion.Now(); now-time.Duration(c.written.Load()) > c.limits.Patience/4 {
		c.written.Store(int64(now))
		if err := c.Conn.SetWriteDeadline(time.Now().Add(c.limits.Patience)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(p)
}
