package front

import (
	"context"
	"net"
	"net/http"
	"net/netip"

	"github.com/gabion-io/gabion/server/gateway/front/framing"
)

// link is what is known about a connection, for its requests.
type link struct {
	conn *framing.Conn // nil when HTTP/2 was agreed on in TLS
	peer netip.Addr
}

type linkKey struct{}

// withLink puts the link of a connection into the context of its requests.
func withLink(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, linkKey{}, &link{conn: framing.Of(conn), peer: peerOf(conn)})
}

// peerOf is the address on the other side. Without one, as on a socket of another kind, the peer stays unknown and is
// nobody's trusted hop.
func peerOf(conn net.Conn) netip.Addr {
	at, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}

// linkOf gives the link of a request.
func linkOf(r *http.Request) *link { return r.Context().Value(linkKey{}).(*link) }

// begin says that what is written on the connection from here on is an answer.
func (l *link) begin(r *http.Request) {
	if l.conn != nil && r.ProtoMajor == 1 {
		l.conn.Begin()
	}
}

// cut sees to it that a client of HTTP/1.0 notices that its answer broke: for it, the end of the connection is the
// end of the answer.
func (l *link) cut(r *http.Request) {
	if l.conn != nil && !r.ProtoAtLeast(1, 1) {
		l.conn.Reset()
	}
}

// answered tells a connection that has answered a request that what is written next is none.
func answered(conn net.Conn, state http.ConnState) {
	if c := framing.Of(conn); c != nil && state == http.StateIdle {
		c.End()
	}
}
