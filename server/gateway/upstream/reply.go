package upstream

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// Reply is an endpoint's answer and the attempt that brought it.
type Reply struct {
	exchange.Answer
	// Sends is how often the request was sent: more than once when a connection from the pool was closed by the
	// endpoint before it took the request, and the request could be sent again.
	Sends int
	try   *attempt
}

// answered makes the reply.
func (a *attempt) answered(r *http.Response) *Reply {
	a.reply = Reply{
		Answer: exchange.Answer{Status: r.StatusCode, Header: exchange.Fields(r.Header), Length: r.ContentLength},
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
	if r.ContentLength < 0 {
		answer.Stream = true
		answer.Trailer = func() exchange.Header { return exchange.Fields(r.Trailer) }
	}
	if contentType := r.Header.Get("Content-Type"); strings.HasPrefix(contentType, "text/event-stream") || IsGRPC(contentType) {
		answer.Stream = true
	}
	return &a.reply
}

// Extend gives the rest of the answer this long from now, in place of what is left of the attempt's time; 0: no bound.
// An attempt whose time is over stays over.
func (r *Reply) Extend(d time.Duration) {
	a := r.try
	if a.freed || a.ctx.Err() != nil {
		return
	}
	switch {
	case d <= 0:
		if a.timer != nil {
			a.timer.Stop()
		}
	case a.timer == nil:
		a.timer = time.AfterFunc(d, a.expire)
	default:
		a.timer.Reset(d)
	}
}

// Read reads the answer's body. Its errors are io.EOF at the true end and else an [Error].
func (a *attempt) Read(p []byte) (int, error) {
	n, err := a.body.Read(p)
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
		known = &Error{Kind: kind, Sent: true, Err: cause}
	}
	return n, known
}

// Close ends the reading of the body. Before its end this closes the connection.
func (a *attempt) Close() error {
	err := a.body.Close()
	a.free()
	return err
}

// changed is the connection to an endpoint after a change of protocols.
type changed struct {
	io.ReadWriteCloser
	try *attempt
}

// Close closes the connection.
func (c *changed) Close() error {
	err := c.ReadWriteCloser.Close()
	c.try.free()
	return err
}
