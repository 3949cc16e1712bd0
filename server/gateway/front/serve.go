package front

import (
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// session is an exchange and this side of it. It is used again and again.
type session struct {
	front *Front
	x     exchange.Exchange
	reply exchange.Fields

	w     http.ResponseWriter
	r     *http.Request
	body  *body // nil when the request has none
	began bool  // the answer has been begun
	cut   bool  // the answer broke: it must not look complete
}

// ServeHTTP implements http.Handler.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := f.sessions.Get().(*session)
	s.w, s.r = w, r
	s.serve()
	cut := s.cut
	s.release()
	f.sessions.Put(s)
	if cut {
		panic(http.ErrAbortHandler) // this is how net/http closes the connection, or resets the stream
	}
}

// serve leads the request through the gateway.
func (s *session) serve() {
	defer s.recover()
	problem := s.receive()
	if problem != nil {
		s.refuse(*problem)
		return
	}
	s.front.handle(&s.x)
}

// receive makes the exchange of the request. It returns the problem of one that is not acceptable.
func (s *session) receive() *exchange.Problem {
	cfg := s.front.config.Load()
	x, r := &s.x, s.r
	if s.reply == nil {
		s.reply = exchange.NewFields()
	}
	x.Context, x.Client, x.Reply = r.Context(), s, s.reply
	x.Wall = time.Now().UTC()
	x.Started = gabion.Now()
	x.Request = exchange.Request{
		Method: r.Method, Scheme: "http", Host: r.Host, Target: r.RequestURI, Proto: r.Proto,
		Header: exchange.Fields(r.Header), Length: r.ContentLength,
	}
	if r.TLS != nil {
		x.Request.Scheme = "https"
	}
	if problem := s.path(); problem != nil {
		return problem
	}
	if ambiguous(r) {
		return &exchange.Problem{Type: exchange.BadRequest, Detail: "The request has both Content-Length and Transfer-Encoding."}
	}
	if r.ContentLength > int64(cfg.MaxBody) {
		problem, _ := exchange.ProblemOf(exchange.ErrBodyTooLarge)
		return &problem
	}
	s.addresses(cfg)
	if r.ContentLength != 0 {
		s.body = &body{from: r.Body, left: int64(cfg.MaxBody), w: s.w, received: &x.Record.Received}
		x.Request.Body = s.body
		if len(r.Trailer) > 0 {
			x.Request.Trailer = s.trailer
			r.Header["Trailer"] = slices.Collect(maps.Keys(r.Trailer)) // net/http has moved it away
		}
		if r.ProtoMajor == 1 {
			// Without it net/http reads the rest of the body before it lets an answer out. Other engines need no asking.
			_ = http.NewResponseController(s.w).EnableFullDuplex()
		}
	}
	if r.ProtoMajor == 1 && len(r.Header["Upgrade"]) > 0 && exchange.HasToken(r.Header["Connection"], "upgrade") {
		x.Request.Upgrade = r.Header["Upgrade"][0]
	}
	return nil
}

// trailer gives the trailers of the request.
func (s *session) trailer() exchange.Header { return exchange.Fields(s.r.Trailer) }

// refuse answers a request that is not led through the gateway.
func (s *session) refuse(p exchange.Problem) {
	if s.r.ProtoMajor == 1 {
		s.reply["Connection"] = []string{"close"} // where this request ends is not to be trusted
	}
	// The client may be gone: there is nobody left to tell.
	_ = s.x.Refuse(p)
}

// recover answers with 500 when handling panicked, or cuts the answer when it has begun.
func (s *session) recover() {
	failure := recover()
	if failure == nil {
		return
	}
	s.front.config.Load().Log.Error("a request panicked", "panic", fmt.Sprint(failure), "request_id", s.x.RequestID,
		"route", s.x.Record.Route, "stack", string(debug.Stack()))
	if s.began {
		s.cut = true
		return
	}
	// The client may be gone: there is nobody left to tell.
	_ = s.x.Refuse(exchange.Problem{Type: exchange.InternalError})
}

// release lets go of everything that belongs to the request.
func (s *session) release() {
	s.x.Reset()
	clear(s.reply)
	*s = session{front: s.front, x: s.x, reply: s.reply}
}

// peer is the address of the connection.
func peer(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}
