package upstream

import (
	"bufio"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// maxInline is the largest body that is sent on the goroutine of the exchange: so much fits into the buffers of a
// connection even when the endpoint answers without reading it.
const maxInline = 16 << 10

// line is a connection on which the plain engine sends requests, one after another.
type line struct {
	*conn
	in   *bufio.Reader
	text []byte // what is to be written
	// room is how many bytes may still be read: the head of an answer is bounded.
	room  int64
	heard bool           // anything came of the answer
	since gabion.Instant // since when it is idle
}

func newLine(c *conn) *line {
	l := &line{conn: c, room: math.MaxInt64}
	l.in = bufio.NewReader((*reader)(l))
	return l
}

// reader is what the buffer of a line reads from.
type reader line

var (
	errHead    = errors.New("the head of the answer is too large")
	errRequest = errors.New("the request holds a character that would end a line of its head")
)

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if r.room <= 0 {
		return 0, errHead
	}
	n, err := r.conn.Read(p[:min(int64(len(p)), r.room)])
	r.room -= int64(n)
	if n > 0 {
		r.heard = true
	}
	return n, err
}

// clean tells whether the connection is as it has to be for the next request.
func (l *line) clean() bool { return l.in.Buffered() == 0 && !l.deaf.Load() && !l.closed.Load() }

// request writes the request, and starts the sending of its body when that is not done in one.
func (l *line) request(a *attempt, what *Attempt, t *Transport) (*sending, error) {
	l.heard = false
	if err := l.head(a, what, t); err != nil {
		return nil, err
	}
	body := a.outgoing(what)
	if body == nil {
		l.text = append(l.text, what.Payload...)
	}
	_, err := l.Write(l.text)
	if l.text = l.text[:0]; cap(l.text) > 2*chunk {
		l.text = nil
	}
	if err != nil || body == nil {
		return nil, err
	}
	return l.start(a, body, a.length(what), a.upload != nil && len(what.Head.fields["Expect"]) > 0), nil
}

// outgoing is what a goroutine has to send after the head; nil: nothing.
func (a *attempt) outgoing(what *Attempt) io.Reader {
	switch {
	case a.upload != nil:
		return a.upload
	case len(what.Payload) > maxInline:
		p := new(payload)
		p.Reset(what.Payload)
		return p
	}
	return nil
}

// length is how long the body of the request is; -1: nobody knows yet.
func (a *attempt) length(what *Attempt) int64 {
	if a.upload != nil {
		return a.x.Request.Length
	}
	return int64(len(what.Payload))
}

// head puts the head of the request together.
func (l *line) head(a *attempt, what *Attempt, t *Transport) error {
	r := &a.x.Request
	fields := what.Head.attempt(what.Number, what.Remaining)
	if a.upload == nil {
		delete(fields, "Expect") // there is no body, or it is here already
	}
	target, host := t.path(r.Target), r.Host
	if host == "" {
		host = t.target.URL.Host
	}
	l.text = append(l.text[:0], r.Method...)
	l.text = append(l.text, ' ')
	l.text = append(l.text, target...)
	l.text = append(l.text, " HTTP/1.1\r\n"...)
	l.field("Host", host)
	sound := oneWord(r.Method) && oneWord(target) && oneLine(host)
	for name, values := range fields {
		for _, value := range values {
			if value == "" && name == "User-Agent" {
				continue // it stands for none, see Prepare
			}
			l.field(name, value)
			sound = sound && oneLine(value)
		}
	}
	if !sound {
		return errRequest
	}
	l.framing(a, what)
	return nil
}

// field appends a field.
func (l *line) field(name, value string) {
	l.text = append(l.text, name...)
	l.text = append(l.text, ": "...)
	l.text = append(l.text, value...)
	l.text = append(l.text, "\r\n"...)
}

// framing says how long the body is, and ends the head.
func (l *line) framing(a *attempt, what *Attempt) {
	length := a.length(what)
	switch {
	case length < 0:
		l.field("Transfer-Encoding", "chunked")
		if what.Trailer != nil {
			a.upload.sent = announced(what.Trailer())
			for name := range a.upload.sent {
				l.field("Trailer", name)
			}
		}
	case length > 0 || expectsBody(a.x.Request.Method):
		l.text = append(l.text, "Content-Length: "...)
		l.text = strconv.AppendInt(l.text, length, 10)
		l.text = append(l.text, "\r\n"...)
	}
	l.text = append(l.text, "\r\n"...)
}

// expectsBody tells whether a request with this method says so when it has no body.
func expectsBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// oneLine tells whether a value can stand in a field.
func oneLine(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// oneWord tells whether s can stand in the first line of a request.
func oneWord(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == 0x7f {
			return false
		}
	}
	return s != ""
}

// What net/http's parser has to know of the request.
var (
	askedHead = &http.Request{Method: http.MethodHead}
	askedMore = &http.Request{Method: http.MethodGet}
)

// answer reads the head of the answer. Informational ones before it are passed on.
func (l *line) answer(a *attempt, s *sending) (*http.Response, error) {
	defer s.skip()
	asked := askedMore
	if a.x.Request.Method == http.MethodHead {
		asked = askedHead
	}
	for {
		l.room = maxHead
		r, err := http.ReadResponse(l.in, asked)
		if err != nil {
			return nil, err
		}
		if r.StatusCode < 100 || r.StatusCode > 199 || r.StatusCode == http.StatusSwitchingProtocols {
			l.room = math.MaxInt64
			return r, nil
		}
		if r.StatusCode == http.StatusContinue {
			s.proceed()
		}
		if err := a.inform(r.StatusCode, exchange.Fields(r.Header)); err != nil {
			return nil, err
		}
	}
}
