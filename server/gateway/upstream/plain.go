package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// plain is the engine for HTTP/1.1 without TLS. Answers are parsed by net/http; what is its own is the way of a
// request: it is written, and its answer is read, on the goroutine of the exchange. That costs half of what net/http's
// Transport does with two more goroutines for each connection. Only a body that does not fit into the buffers of the
// connection is sent by a goroutine, because the endpoint may answer before it has taken all of it.
type plain struct {
	transport *Transport
	idle      pool
}

func (p *plain) closeIdle() { p.idle.closeAll() }

// send implements engine. The endpoint may have closed a connection from the pool just now: then the request is sent
// once more, on a new connection, if nothing of it was sent or it is safe to repeat.
func (p *plain) send(a *attempt, what *Attempt) (*http.Response, error) {
	for l := p.idle.take(); ; l = nil {
		pooled := l != nil
		if !pooled {
			var err error
			if l, err = p.dial(a); err != nil {
				return nil, err
			}
		}
		answer, err := p.exchange(a, what, l)
		if err == nil {
			return answer, nil
		}
		a.interrupted(nil)
		_ = l.Close() // it is given up
		unsure := a.conn.touched() && (a.upload != nil || !repeatable(a.x.Request.Method))
		if !pooled || l.heard || unsure || a.ended() != nil {
			return nil, err
		}
	}
}

// repeatable tells whether a request may be sent again when nobody knows whether the endpoint took it.
func repeatable(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// dial makes a connection.
func (p *plain) dial(a *attempt) (*line, error) {
	ctx, cancel := context.WithCancel(a.parent)
	defer cancel()
	if !a.interrupted(cancel) {
		return nil, a.ended()
	}
	c, err := p.transport.dialer.connection(ctx)
	if err != nil {
		return nil, err
	}
	return newLine(c), nil
}

// exchange sends the request and reads the head of the answer.
func (p *plain) exchange(a *attempt, what *Attempt, l *line) (*http.Response, error) {
	a.took(l.conn, l.conn)
	if !a.interrupted(l.abort) {
		return nil, a.ended()
	}
	if a.unwatch == nil {
		a.unwatch = context.AfterFunc(a.parent, func() { a.end(context.Cause(a.parent)) })
	}
	sending, err := l.request(a, what, p.transport)
	if err != nil {
		return nil, err
	}
	answer, err := l.answer(a, sending)
	if err != nil {
		return nil, err
	}
	in := &incoming{plain: p, try: a, line: l, sending: sending, from: answer.Body, keep: !answer.Close}
	switch {
	case answer.StatusCode == http.StatusSwitchingProtocols:
		answer.Body = &switched{in}
	case answer.Body == http.NoBody:
		in.finish(in.keep)
	default:
		answer.Body = in
	}
	return answer, nil
}

// incoming is the body of an answer. At its end the connection goes back to the pool.
type incoming struct {
	plain   *plain
	try     *attempt
	line    *line
	sending *sending
	from    io.Reader
	keep    bool        // the endpoint keeps the connection open
	over    atomic.Bool // the connection is not this answer's any more
}

// Read implements io.Reader.
func (in *incoming) Read(p []byte) (int, error) {
	n, err := in.from.Read(p)
	if errors.Is(err, io.EOF) {
		in.finish(in.keep)
	}
	return n, err
}

// Close implements io.Closer. It may be called while another goroutine reads. Before the end of the body it closes the
// connection.
func (in *incoming) Close() error {
	in.finish(false)
	return nil
}

// finish lets go of the connection: it goes back to the pool when it is to be kept, and can be.
func (in *incoming) finish(keep bool) {
	if in.over.Swap(true) {
		return
	}
	keep = keep && in.sending.whole() && in.line.clean()
	// From here on nothing that ends the attempt can touch the connection.
	if in.try.interrupted(nil) && keep && !in.plain.transport.closed.Load() {
		in.plain.idle.put(in.line)
		return
	}
	_ = in.line.Close() // it is given up
}

// switched is the connection after a change of protocols.
type switched struct{ *incoming }

// Read implements io.Reader. What came with the head is in the buffer.
func (s *switched) Read(p []byte) (int, error) { return s.line.in.Read(p) }

// Write implements io.Writer.
func (s *switched) Write(p []byte) (int, error) { return s.line.Write(p) }
