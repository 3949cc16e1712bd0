package front

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
)

// net/http drops Content-Length when Transfer-Encoding is there too. That is harmless for what is passed on, but a
// request with both is an attempt to be read in two ways by two programs, and must be refused. So the head's bytes are
// looked at as they come in.

// headListener makes every connection a headConn.
type headListener struct{ net.Listener }

// Accept implements net.Listener.
func (l headListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &headConn{Conn: conn}
	c.expect()
	return c, nil
}

// headConn notes whether the head of the present request has a Content-Length.
type headConn struct {
	net.Conn
	inHead    atomic.Bool // the next bytes belong to the head of a request
	hasLength atomic.Bool
	tail      [20]byte // the last bytes read, in case a line is split between two reads
	tailLen   int
}

// expect says that a request comes next.
func (c *headConn) expect() {
	c.tailLen = 0
	c.hasLength.Store(false)
	c.inHead.Store(true)
}

// Read implements io.Reader.
func (c *headConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.inHead.Load() {
		c.scan(p[:n])
	}
	return n, err
}

// scan looks for the end of the head and for Content-Length in it.
func (c *headConn) scan(b []byte) {
	if c.tailLen > 0 || len(b) < len(c.tail) {
		b = append(append(make([]byte, 0, c.tailLen+len(b)), c.tail[:c.tailLen]...), b...)
	}
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end >= 0 {
		c.inHead.Store(false)
	} else {
		end = len(b)
		c.tailLen = copy(c.tail[:], b[max(0, len(b)-len(c.tail)):])
	}
	for line := b[:end]; ; {
		at := bytes.IndexByte(line, '\n')
		if at < 0 {
			return
		}
		line = line[at+1:]
		if len(line) >= len("content-length") && line[0]|0x20 == 'c' && strings.EqualFold(string(line[:len("content-length")]), "content-length") {
			c.hasLength.Store(true)
			return
		}
	}
}

type connKey struct{}

// keepConn keeps the connection in the context of its requests.
func keepConn(ctx context.Context, conn net.Conn) context.Context {
	if c, ok := conn.(*headConn); ok {
		return context.WithValue(ctx, connKey{}, c)
	}
	return ctx
}

// watchHeads tells a connection that has answered a request that another head may follow.
func watchHeads(conn net.Conn, state http.ConnState) {
	if c, ok := conn.(*headConn); ok && state == http.StateIdle {
		c.expect()
	}
}

// ambiguous says whether a request came with both a Content-Length and a Transfer-Encoding.
func ambiguous(r *http.Request) bool {
	if len(r.TransferEncoding) == 0 || r.ProtoMajor != 1 {
		return false
	}
	c, ok := r.Context().Value(connKey{}).(*headConn)
	return ok && c.hasLength.Load()
}
