package front

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/gateway/front/framing"
)

// patience is how long a client may take for the next bytes of a body, or to take the next bytes of an answer.
const patience = 30 * time.Second

// body is the body of a request. It is bounded in size and in time. It is not used again for another request: whoever
// sends it on may still hold it when the exchange has ended.
type body struct {
	from     io.ReadCloser
	left     int64
	w        http.ResponseWriter
	conn     *framing.Conn   // keeps the time with HTTP/1; nil with HTTP/2
	gone     <-chan struct{} // closed when the client is, or soon after
	endless  bool            // a stream of gRPC may be silent for as long as it likes
	received atomic.Int64
	since    gabion.Instant // when reading began; 0: it has not
	late     alarm          // while reading with HTTP/2
	failed   atomic.Pointer[error]
	stopped  atomic.Bool
	over     atomic.Bool // its end has been read, or the exchange has ended
}

// Read implements io.Reader. Its errors are those that exchange.ProblemOf knows.
func (b *body) Read(p []byte) (int, error) {
	if failed := b.failed.Load(); failed != nil {
		return 0, *failed
	}
	if b.stopped.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	if b.conn == nil && !b.endless {
		b.late.start(b.allowed(), b.expire)
	}
	n, err := b.from.Read(p)
	b.late.stop()
	b.received.Add(int64(n))
	if b.left -= int64(n); b.left < 0 {
		return 0, b.fail(exchange.ErrBodyTooLarge)
	}
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		b.over.Store(true)
		return n, io.EOF
	}
	return n, b.fail(b.reason(err))
}

// reason is what an error of reading means.
func (b *body) reason(err error) error {
	if b.conn != nil && b.conn.Fault() != nil {
		return b.conn.Fault()
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && !b.stopped.Load():
		return exchange.ErrBodySlow
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, http.ErrBodyReadAfterClose), connectionBroke(err):
		return exchange.ErrClientGone
	case b.conn == nil && b.hungUp(err):
		return exchange.ErrClientGone
	}
	return exchange.ErrBodyBroken
}

func (b *body) fail(err error) error {
	b.failed.CompareAndSwap(nil, &err)
	return err
}

// Interrupt ends a Read that waits for the client, and all later ones: nobody wants the rest of the body. It is called
// while another goroutine may be reading.
func (b *body) Interrupt() {
	b.stopped.Store(true)
	if b.over.Load() {
		return // what comes next on the connection is not of this body
	}
	b.expire()
}

// allowed is how long the client may take for the next bytes: patience, but on the whole not more than patience and what
// rate allows for the bytes that came.
func (b *body) allowed() time.Duration {
	now := gabion.Now()
	if b.since == 0 {
		b.since = now
	}
	most := b.since + patience + time.Duration(b.received.Load()/rate)*time.Second
	return min(most-now, patience)
}

// expire ends a Read that has taken too long.
func (b *body) expire() {
	// Engines that cannot set a deadline have one of their own.
	_ = http.NewResponseController(b.w).SetReadDeadline(time.Unix(1, 0))
}

// end makes reading fail: the exchange has ended.
func (b *body) end() {
	b.over.Store(true)
	b.late.end()
	// Not an error that anybody is told: nobody is left.
	_ = b.fail(http.ErrBodyReadAfterClose)
}

// hungUp tells whether a client of HTTP/2 has reset its stream, in which case the context ended before, or has closed
// the connection, for which net/http has an error of its own that it does not export; the context ends only afterwards.
func (b *body) hungUp(err error) bool {
	select {
	case <-b.gone:
		return true
	default:
		return err.Error() == "client disconnected"
	}
}

// connectionBroke tells errors of the connection from those of what came over it.
func connectionBroke(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout)
}

// err is why reading has failed, nil when it has not.
func (b *body) err() error {
	if failed := b.failed.Load(); failed != nil {
		return *failed
	}
	if b.conn != nil {
		return b.conn.Fault()
	}
	return nil
}

// BodyErr is why reading the request body failed, nil when it did not.
func (s *session) BodyErr() error {
	if s.body == nil {
		return nil
	}
	return s.body.err()
}

// Received is how much of the request body has come.
func (s *session) Received() int64 {
	if s.body == nil {
		return s.x.Record.Received
	}
	return s.body.received.Load()
}
