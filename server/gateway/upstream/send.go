package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"
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
	ctx       context.Context
	cancel    context.CancelCauseFunc
	began     gabion.Instant
	clock     clock
	upload    *upload // nil when the body is not streamed
	trace     httptrace.ClientTrace

	// conn is the connection that is used, nil when requests share it; count is how many were tried, which is more than
	// one when a connection from the pool turned out to be closed. sent is set when an earlier one was written to.
	conn  *conn
	half  halfCloser // the connection as it is seen above TLS; nil when it cannot be closed by halves
	count int
	sent  bool

	// mu guards what follows: informational answers come on another goroutine, perhaps after the end.
	mu            sync.Mutex
	headed        bool
	informational int

	reply Reply
	body  io.ReadCloser
}

// Send sends the request of x once and waits for the head of the answer. Exactly one of the results is nil. The reply's
// Body or Conn must be closed when there is one. x is not changed.
func (t *Transport) Send(ctx context.Context, x *exchange.Exchange, a Attempt) (*Reply, *Error) {
	try := &attempt{transport: t, x: x}
	try.trace.GotConn = try.gotConn
	try.trace.Got1xxResponse = try.inform
	ctx, try.cancel = context.WithCancelCause(ctx)
	try.ctx = ctx
	try.clock.expire = try.expire
	try.began = gabion.Now()
	try.clock.start(a.Timeout)
	r := t.request(httptrace.WithClientTrace(ctx, &try.trace), try, &a)
	engine := t.main
	if x.Request.Upgrade != "" {
		engine = t.upgrade
	}
	answer, err := engine.RoundTrip(r)
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

// blank has what all requests have in common.
var blank = http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}

// request makes the request for net/http.
func (t *Transport) request(ctx context.Context, try *attempt, a *Attempt) *http.Request {
	source := &try.x.Request
	r := blank.WithContext(ctx)
	r.Method, r.Host = source.Method, source.Host
	r.URL = t.url(source.Target)
	r.Header = a.Head.attempt(a.Number, a.Remaining)
	switch {
	case len(a.Payload) > 0:
		p := new(payload)
		p.Reset(a.Payload)
		r.Body, r.ContentLength = p, int64(len(a.Payload))
		delete(r.Header, "Expect") // the body is here already
	case a.Stream != nil && a.Payload == nil:
		try.upload = &upload{source: a.Stream, trailer: a.Trailer, clock: &try.clock}
		r.Body, r.ContentLength = try.upload, source.Length
		if a.Trailer != nil {
			r.Trailer = announced(a.Trailer())
			try.upload.sent = r.Trailer
		}
	default:
		r.Body = http.NoBody
		delete(r.Header, "Expect")
	}
	return r
}

// url makes the URL from the request's target. The target is sent exactly as the client sent it.
func (t *Transport) url(target string) *url.URL {
	u := &url.URL{Scheme: t.scheme, Host: t.target.URL.Host}
	if t.prefix != "" && target != "*" {
		target = t.prefix + target
	}
	if strings.HasPrefix(target, "//") {
		// net/http would take an opaque "//a/b" for an address without its scheme, but leaves a path alone.
		raw, query, asked := strings.Cut(target, "?")
		if path, err := url.PathUnescape(raw); err == nil {
			u.Path, u.RawPath, u.RawQuery, u.ForceQuery = path, raw, query, asked
			return u
		}
	}
	u.Opaque = target
	return u
}

// announced are the names of trailers, still without values; nil when there are none.
func announced(h exchange.Header) http.Header {
	fields, ok := h.(exchange.Fields)
	if !ok || len(fields) == 0 {
		return nil
	}
	names := make(http.Header, len(fields))
	for name := range fields {
		names[name] = nil
	}
	return names
}

// expire ends the attempt when its time is over.
func (a *attempt) expire() { a.cancel(errTimeout) }

// gotConn is called when there is a connection, before anything is written to it.
func (a *attempt) gotConn(info httptrace.GotConnInfo) {
	if a.conn != nil && a.conn.touched() {
		a.sent = true
	}
	a.count++
	a.conn = nil
	raw := info.Conn
	a.half, _ = raw.(halfCloser)
	if encrypted, ok := raw.(*tls.Conn); ok {
		if encrypted.ConnectionState().NegotiatedProtocol == "h2" {
			return
		}
		raw = encrypted.NetConn()
	}
	if c, ok := raw.(*conn); ok && a.transport.target.URL.Scheme != "h2c" {
		a.conn = c
		c.begin(a.upload)
	}
}

// inform passes an informational answer on, except 100, which the front has given when it was due.
func (a *attempt) inform(status int, h textproto.MIMEHeader) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.informational++
	if a.informational > maxInformational {
		return errTooManyInf
	}
	if !a.headed && status != http.StatusContinue {
		a.x.Client.Inform(status, exchange.Fields(h))
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
		a.cancel(errReleased)
		a.transport.ended()
	}
}
