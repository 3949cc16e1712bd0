package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// maxInformational bounds the informational answers to one request. Each is bounded like an answer's head.
const maxInformational = 16

// Attempt is one try to get an answer.
type Attempt struct {
	// Number counts the attempts of the exchange at this service: 1, 2, ….
	Number int
	// Timeout bounds the attempt from now until [Reply.Extend] gives another time; 0: no bound. While Stream is sent it
	// bounds each time that the endpoint lets wait, not the whole.
	Timeout time.Duration
	// Remaining is what is left of the deadline of the exchange, for the endpoint to know; 0: there is none.
	Remaining time.Duration
	// Head comes from [Prepare].
	Head *Head
	// Quiet keeps informational answers from the client.
	Quiet bool
	// Payload is the whole body of the request. When it is nil, Stream is, unless that is nil too.
	Payload []byte
	// Stream is the body of the request, of x.Request.Length bytes. Nothing is read from it before there is a
	// connection. It is read by another goroutine, and that may go on after everything has ended, until a Read that
	// has begun returns.
	Stream io.Reader
	// Trailer gives the trailers of Stream: their names at any time, their values after its end. May be nil. It is
	// called as Stream is read.
	Trailer func() exchange.Header
}

// attempt is an Attempt on its way, and then the body of its answer.
type attempt struct {
	transport *Transport
	x         *exchange.Exchange
	parent    context.Context // when it ends, so does the attempt
	began     gabion.Instant
	clock     clock
	upload    *upload // nil when the body is not streamed

	// conn is the connection that is used, nil when requests share it; count is how many were tried, which is more than
	// one when a connection from the pool turned out to be closed. sent is set when an earlier one was written to.
	conn  *conn
	half  halfCloser // the connection as it is seen above TLS; nil when it cannot be closed by halves
	count int
	sent  bool

	// life guards the end of the attempt from this side: cause is why it was ended, nil when it was not; interrupt
	// breaks off what the engine does, nil when there is nothing to break off.
	life      sync.Mutex
	cause     error
	interrupt func()
	unwatch   func() bool // ends the watch over parent, where there is one

	// mu guards what follows: informational answers come on another goroutine, perhaps after the end.
	mu            sync.Mutex
	headed        bool // informational answers are not passed on
	informational int

	reply Reply
	body  io.ReadCloser
}

// Send sends the request of x once and waits for the head of the answer. Exactly one of the results is nil. The reply's
// Body or Conn must be closed when there is one. x is not changed.
func (t *Transport) Send(ctx context.Context, x *exchange.Exchange, a Attempt) (*Reply, *Error) {
	try := &attempt{transport: t, x: x, parent: ctx, headed: a.Quiet}
	try.clock.expire = try.expire
	if a.Stream != nil && a.Payload == nil {
		try.upload = &upload{source: a.Stream, trailer: a.Trailer, clock: &try.clock}
	}
	try.began = gabion.Now()
	try.clock.start(a.Timeout)
	engine := t.main
	if x.Request.Upgrade != "" {
		engine = t.upgrade
	}
	answer, err := engine.send(try, &a)
	if err == nil {
		if err = unsound(answer, x.Request.Upgrade); err != nil {
			err = errors.Join(err, answer.Body.Close())
		}
	}
	try.mu.Lock()
	try.headed = true
	try.mu.Unlock()
	if err != nil {
		failure := try.failure(err)
		try.free()
		return nil, failure
	}
	return try.answered(answer), nil
}

// expire ends the attempt when its time is over.
func (a *attempt) expire() { a.end(errTimeout) }

// end ends the attempt from this side. Only the first cause counts.
func (a *attempt) end(cause error) {
	a.life.Lock()
	defer a.life.Unlock()
	if a.cause != nil {
		return
	}
	a.cause = cause
	if a.interrupt != nil {
		a.interrupt()
	}
}

// interrupted says how to break off what is done from now on; nil: there is nothing to break off any more. It returns
// false when the attempt was ended before.
func (a *attempt) interrupted(by func()) bool {
	a.life.Lock()
	defer a.life.Unlock()
	a.interrupt = by
	return a.cause == nil
}

// ended is why the attempt was ended from this side, nil when it was not.
func (a *attempt) ended() error {
	a.life.Lock()
	defer a.life.Unlock()
	if a.cause != nil {
		return a.cause
	}
	return context.Cause(a.parent)
}

// took notes the connection that is used from now on, before anything is written to it; c is nil when it is shared.
func (a *attempt) took(c *conn, half halfCloser) {
	if a.conn != nil && a.conn.touched() {
		a.sent = true
	}
	a.count++
	a.conn, a.half = c, half
	if c != nil {
		c.begin(a.upload)
	}
}

// inform passes an informational answer on, except 100, which the front has given when it was due.
func (a *attempt) inform(status int, h exchange.Header) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.informational++
	if a.informational > maxInformational {
		return errTooManyInf
	}
	if !a.headed && status != http.StatusContinue {
		a.x.Client.Inform(status, h)
	}
	return nil
}

// failure makes the error of a request that got no answer.
func (a *attempt) failure(err error) *Error {
	kind, cause := a.classify(err)
	if fault := a.upload.clientFault(); fault != nil && kind != Timeout {
		return &Error{Kind: Canceled, Sent: true, Reached: true, Err: fault}
	}
	if a.count == 0 {
		if kind == Reset || kind == Protocol {
			kind = Connect
		}
		return &Error{Kind: kind, Err: cause}
	}
	// On a connection that is shared nobody can tell what was written.
	sent := a.sent || a.conn == nil || a.conn.touched()
	return &Error{Kind: kind, Sent: sent, Reached: true, Err: cause}
}

// free releases what the attempt holds. The connection is back in the pool already, or must be closed.
func (a *attempt) free() {
	if a.clock.stop() {
		if a.unwatch != nil {
			a.unwatch()
		}
		a.end(errReleased)
		a.transport.ended()
	}
}
