package front

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
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
	link  *link
	body  *body // nil when the request has none
	late  alarm // while writing the answer
	began bool  // the answer has been begun
	cut   bool  // the answer broke: it must not look complete
}

// ServeHTTP implements http.Handler.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.inFlight.Add(1)
	defer f.inFlight.Add(-1)
	s := f.sessions.Get().(*session)
	s.w, s.r, s.link = w, r, linkOf(r)
	s.link.begin(r)
	s.serve()
	s.drain()
	cut := s.cut
	if cut {
		s.link.cut(r)
	}
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
		s.x.Request.Client = s.link.peer
		s.front.refused(&s.x)
		return
	}
	s.front.handle(&s.x)
	if !s.began {
		s.unanswered()
	}
}

// unanswered ends an exchange that nobody has answered. net/http would take it for an empty answer with status 200.
func (s *session) unanswered() {
	if problem, ok := exchange.ProblemOf(s.BodyErr()); ok {
		s.refuse(problem)
		return
	}
	s.cut = true
}

// receive makes the exchange of the request. It returns the problem of one that is not acceptable.
func (s *session) receive() *exchange.Problem {
	cfg := s.front.config.Load()
	x, r := &s.x, s.r
	if s.reply == nil {
		s.reply = exchange.NewFields()
	}
	x.Context, x.Client, x.Reply = r.Context(), s, s.reply
	now := time.Now()
	x.Wall, x.Started = now.UTC(), gabion.InstantOf(now)
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
	if problem := s.host(); problem != nil {
		return problem
	}
	if r.ContentLength > int64(cfg.MaxBody) {
		problem, _ := exchange.ProblemOf(exchange.ErrBodyTooLarge)
		return &problem
	}
	s.addresses(cfg)
	if r.ContentLength != 0 {
		s.takeBody(cfg)
	} else {
		x.Request.Upgrade = upgrade(r)
	}
	return nil
}

// takeBody makes the body of the request available.
func (s *session) takeBody(cfg *Config) {
	r, request := s.r, &s.x.Request
	s.body = &body{from: r.Body, left: int64(cfg.MaxBody), w: s.w, gone: r.Context().Done()}
	if r.ProtoMajor == 1 {
		s.body.conn = s.link.conn
	}
	s.body.endless = exchange.IsGRPC(request.Header.Get("Content-Type"))
	request.Body = s.body
	if len(r.Trailer) > 0 {
		request.Trailer = s.trailer
		r.Header["Trailer"] = slices.Collect(maps.Keys(r.Trailer)) // net/http has moved it away
	}
}

// ahead lets the answer out before the body has been read to its end. Otherwise net/http would read the rest of it
// first.
func (s *session) ahead() {
	if s.body != nil && s.r.ProtoMajor == 1 && !s.body.over.Load() {
		// Only engines that need no asking do not know it.
		_ = http.NewResponseController(s.w).EnableFullDuplex()
	}
}

// enough is how much of a body that nobody wants is read, so that the connection can be used again.
const enough = 256 << 10

// abandons says whether more is left of the body than drain will read, so that the connection ends with this answer.
func (s *session) abandons() bool {
	return s.body != nil && !s.body.over.Load() && s.r.ContentLength-s.body.received.Load() > enough
}

// drain reads the rest of the body, after the answer. net/http would do it by itself, but when the answer came first it
// then breaks the connection.
func (s *session) drain() {
	if s.r.ProtoMajor != 1 || s.r.ContentLength == 0 || s.x.Record.Upgraded {
		return
	}
	if s.link.conn != nil {
		s.link.conn.Hurry()
	}
	if s.cut || s.body == nil || s.body.over.Load() || s.body.err() != nil || len(s.r.Header["Expect"]) > 0 {
		return
	}
	// When the client is gone, or too slow, the connection is closed as it should be.
	if http.NewResponseController(s.w).Flush() == nil {
		_, _ = io.CopyN(io.Discard, s.body.from, enough)
	}
}

// upgrade is the protocol that the client asks to change to. Whoever sends a body along, or means HTTP/2, is served
// without the change, as RFC 9110 §7.8 allows.
func upgrade(r *http.Request) string {
	asked := r.Header["Upgrade"]
	if len(asked) == 0 || r.ProtoMajor != 1 || r.ProtoMinor == 0 || !exchange.HasToken(r.Header["Connection"], "upgrade") {
		return ""
	}
	if strings.EqualFold(asked[0], "h2c") {
		return ""
	}
	return asked[0]
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
	if s.body != nil {
		s.body.end()
	}
	s.x.Reset()
	clear(s.reply)
	*s = session{front: s.front, x: s.x, reply: s.reply}
}
