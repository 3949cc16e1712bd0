package upstream

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// Reply is an endpoint's answer and the attempt that brought it.
type Reply struct {
	exchange.Answer
	// Head is how long the endpoint took to the head of the answer.
	Head time.Duration
	// Endless is set when the answer is a stream by its type: of server-sent events, or of gRPC.
	Endless bool
	// Sends is how often the request was sent: more than once when a connection from the pool was closed by the
	// endpoint before it took the request, and the request could be sent again.
	Sends int
	try   *attempt
}

// StandIn is an answer without a body that no endpoint gave.
func StandIn(status int, head time.Duration) *Reply {
	return &Reply{Answer: exchange.Answer{Status: status, Header: exchange.NewFields()}, Head: head, Sends: 1, try: &attempt{}}
}

// unsound says what is wrong with a head that net/http has let pass. asked is the protocol that a change was asked to.
func unsound(r *http.Response, asked string) error {
	if r.ProtoMajor != 1 && r.ProtoMajor != 2 {
		return errVersion
	}
	for name := range r.Header {
		if strings.IndexByte(name, ' ') >= 0 { // net/http accepts this one byte too many
			return errField
		}
	}
	if r.StatusCode == http.StatusSwitchingProtocols && (asked == "" || !strings.EqualFold(r.Header.Get("Upgrade"), asked)) {
		return errSwitch
	}
	return nil
}

// answered makes the reply.
func (a *attempt) answered(r *http.Response) *Reply {
	a.reply = Reply{
		Answer: exchange.Answer{Status: r.StatusCode, Header: exchange.Fields(r.Header), Length: r.ContentLength},
		Head:   gabion.Now() - a.began,
		Sends:  a.count,
		try:    a,
	}
	answer := &a.reply.Answer
	if r.StatusCode == http.StatusSwitchingProtocols {
		if conn, ok := r.Body.(io.ReadWriteCloser); ok {
			answer.Conn, answer.Length = &changed{conn, a}, 0
			a.reply.Extend(0)
			return &a.reply
		}
	}
	if r.Body == http.NoBody || a.x.Request.Method == http.MethodHead {
		_ = r.Body.Close() // there is nothing in it
		a.free()
		return &a.reply
	}
	a.body = r.Body
	answer.Body = a
	if r.ContentLength < 0 || len(r.Trailer) > 0 { // in HTTP/2 an answer of known length can have trailers, too
		answer.Trailer = func() exchange.Header { return exchange.Fields(r.Trailer) }
	}
	contentType := r.Header.Get("Content-Type")
	a.reply.Endless = strings.HasPrefix(contentType, "text/event-stream") || exchange.IsGRPC(contentType)
	answer.Stream = a.reply.Endless || r.ContentLength < 0
	return &a.reply
}

// Read reads the answer's body. Its errors are io.EOF at the true end and else an [Error].
func (a *attempt) Read(p []byte) (int, error) {
	a.clock.wait()
	n, err := a.body.Read(p)
	a.clock.got()
	if err == nil {
		return n, nil
	}
	if err == io.EOF {
		// By now the connection is back in the pool, and ending the attempt does not touch it.
		a.free()
		return n, io.EOF
	}
	var known *Error
	if !errors.As(err, &known) {
		kind, cause := a.classify(err)
		known = &Error{Kind: kind, Sent: true, Reached: true, Err: cause}
	}
	return n, known
}

// Close ends the reading of the body, at once when another goroutine is in the middle of it. Before the body's end
// this closes the connection.
func (a *attempt) Close() error {
	err := a.body.Close()
	a.free()
	return err
}

// discardTime and discardSize bound what is done to keep the connection of an answer that nobody wants.
const discardTime, discardSize = 10 * time.Millisecond, 64 << 10

// Discard ends an answer that is not passed on.
func (r *Reply) Discard() {
	if r.Conn != nil {
		_ = r.Conn.Close() // it is given up
	}
	if r.Body == nil {
		return
	}
	if r.Length <= discardSize {
		r.Extend(discardTime)
		_, _ = io.CopyN(io.Discard, r.Body, discardSize+1) // when it does not come to the end, the connection is closed
	}
	_ = r.Body.Close() // it is given up
}

// changed is the connection to an endpoint after a change of protocols.
type changed struct {
	io.ReadWriteCloser
	try *attempt
}

// CloseWrite ends this side's half of the connection.
func (c *changed) CloseWrite() error {
	if c.try.half == nil {
		return errors.ErrUnsupported
	}
	return c.try.half.CloseWrite()
}

// Close closes the connection.
func (c *changed) Close() error {
	err := c.ReadWriteCloser.Close()
	c.try.free()
	return err
}
