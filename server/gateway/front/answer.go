package front

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// Send implements [exchange.Client].
func (s *session) Send(a *exchange.Answer) error {
	defer s.close(a)
	switch {
	case a.Status == http.StatusSwitchingProtocols && a.Conn != nil:
		return s.upgrade(a)
	case a.Status < 200 || a.Status > 999: // net/http has no way to send it
		return errors.Join(exchange.ErrUpstreamBroke, s.Send(exchange.Problem{Type: exchange.UpstreamBroken}.Answer(&s.x)))
	}
	s.began = true
	s.ahead()
	s.head(a)
	s.x.Record.Status = a.Status
	s.w.WriteHeader(a.Status)
	if s.r.ProtoMajor != 1 {
		defer s.finish()
	}
	if a.Body == nil || s.r.Method == http.MethodHead {
		return nil
	}
	if m, ok := a.Body.(interface{ Bytes() []byte }); ok {
		n, err := s.w.Write(m.Bytes())
		s.x.Record.Sent += int64(n)
		s.trailers(a)
		return s.gone(err)
	}
	if err := s.copy(a); err != nil {
		s.cut = true
		return err
	}
	s.trailers(a)
	return nil
}

// finish bounds how long a client of HTTP/2 may take for what is still to be written when the exchange has ended: it can
// hold back a stream for as long as it likes. (With HTTP/1 the connection watches itself.)
func (s *session) finish() {
	// Engines that cannot set a deadline have one of their own.
	_ = http.NewResponseController(s.w).SetWriteDeadline(time.Now().Add(patience))
}

// close lets go of an answer that has been sent, and notes how much has been received until now.
func (s *session) close(a *exchange.Answer) {
	// The answer has been used up or given up: that closing it fails changes nothing.
	if a.Body != nil {
		_ = a.Body.Close()
	}
	if a.Conn != nil {
		_ = a.Conn.Close()
	}
	if s.body != nil {
		s.x.Record.Received = s.body.received.Load()
	}
}

// Inform implements [exchange.Client].
func (s *session) Inform(status int, h exchange.Header) {
	if s.began || status == http.StatusSwitchingProtocols || !s.r.ProtoAtLeast(1, 1) {
		return
	}
	to := s.w.Header()
	for name, value := range h.All() {
		to[name] = append(to[name], value)
	}
	s.w.WriteHeader(status)
	clear(to)
}

// head puts the fields of the answer and of the steps together.
func (s *session) head(a *exchange.Answer) {
	to := s.w.Header()
	fields, ok := a.Header.(exchange.Fields)
	if !ok && a.Header != nil {
		fields = exchange.NewFields()
		for name, value := range a.Header.All() {
			fields.Add(name, value)
		}
	}
	for name, values := range fields {
		if !exchange.HopByHop(name) {
			to[name] = values
		}
	}
	if listed := fields["Connection"]; len(listed) > 0 {
		for name := range exchange.Tokens(listed) {
			to.Del(name)
		}
	}
	for name, values := range s.reply {
		if beside(name) && len(to[name]) > 0 {
			to[name] = append(slices.Clip(to[name]), values...)
		} else {
			to[name] = values
		}
	}
	s.length(a, to)
	if to["Content-Type"] == nil {
		to["Content-Type"] = nil // or net/http would guess one
	}
	if s.front.leaving.Load() || s.r.ProtoMajor == 1 && (s.BodyErr() != nil || s.abandons()) {
		to["Connection"] = closing // for HTTP/2, net/http makes GOAWAY of it
	}
}

// length sets Content-Length to what the body has. Where an answer has no body, it may still say how long it would be.
func (s *session) length(a *exchange.Answer, to http.Header) {
	const name = "Content-Length"
	bodyless := a.Status == http.StatusNoContent || a.Status == http.StatusNotModified || s.r.Method == http.MethodHead
	switch {
	case bodyless && (len(to[name]) > 0 || a.Length < 0 || s.r.Method != http.MethodHead):
	case a.Trailer != nil && s.r.ProtoMajor == 1, a.Length < 0, a.Stream:
		delete(to, name) // only a chunked body has room for trailers
	default:
		var digits [20]byte
		text := strconv.AppendInt(digits[:0], a.Length, 10)
		if given := to[name]; len(given) != 1 || given[0] != string(text) {
			to[name] = []string{string(text)}
		}
	}
}

// closing is shared and never changed.
var closing = []string{"close"}

// beside says whether a field of the steps stands beside that of the answer instead of replacing it.
func beside(name string) bool {
	switch name {
	case "Set-Cookie", "Vary", "Link", "Via", "Server-Timing", "Warning":
		return true
	}
	return false
}

// buffers are for copying.
var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// copy copies the body. What has no known length, or is a stream, is flushed with every read.
func (s *session) copy(a *exchange.Answer) error {
	buffer := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buffer)
	control := http.NewResponseController(s.w)
	flush := a.Stream || a.Length < 0
	if a.Stream && a.Length != 0 { // the whole of an empty stream fits into its head, and gRPC wants it there
		if err := control.Flush(); err != nil {
			return s.gone(err)
		}
	}
	for {
		n, err := a.Body.Read(buffer[:])
		if a.Length >= 0 && !a.Stream && s.x.Record.Sent+int64(n) > a.Length {
			return fmt.Errorf("%w: more than %d bytes", exchange.ErrUpstreamBroke, a.Length)
		}
		if n > 0 {
			if err := s.write(buffer[:n], flush, control); err != nil {
				return s.gone(err)
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			if s.x.Record.Sent < a.Length {
				return fmt.Errorf("%w: %d of %d bytes", exchange.ErrUpstreamBroke, s.x.Record.Sent, a.Length)
			}
			return nil
		case err != nil && s.x.Context.Err() != nil:
			return s.gone(err)
		case err != nil:
			return fmt.Errorf("%w: %w", exchange.ErrUpstreamBroke, err)
		}
	}
}

// write writes a part of the body. A client that does not take it in time is cut.
func (s *session) write(b []byte, flush bool, control *http.ResponseController) error {
	if s.r.ProtoMajor != 1 {
		// That it cannot be set would mean that the stream has ended already.
		s.late.start(patience, func() { _ = control.SetWriteDeadline(time.Unix(1, 0)) })
		defer s.late.stop()
	}
	n, err := s.w.Write(b)
	s.x.Record.Sent += int64(n)
	if err == nil && flush {
		err = control.Flush()
	}
	return err
}

// gone makes the error of an answer that the client does not take.
func (s *session) gone(err error) error {
	switch {
	case err == nil || errors.Is(err, http.ErrBodyNotAllowed):
		return nil
	case errors.Is(err, http.ErrContentLength):
		s.cut = true
		return fmt.Errorf("%w: %w", exchange.ErrUpstreamBroke, err)
	}
	s.cut = true
	return fmt.Errorf("%w: %w", exchange.ErrClientGone, err)
}

// trailers sends the trailers, where the protocol has room for them.
func (s *session) trailers(a *exchange.Answer) {
	if a.Trailer == nil {
		return
	}
	if s.r.ProtoMajor == 1 && a.Length >= 0 {
		// Or net/http would announce the length of a small body after all. If the client is gone, it hears of nothing.
		_ = http.NewResponseController(s.w).Flush()
	}
	to := s.w.Header()
	for name, value := range a.Trailer().All() {
		to.Add(http.TrailerPrefix+name, value)
	}
}
