package exchange

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Problem is an answer that Gabion itself gives: application/problem+json (RFC 9457). Only Type is needed.
type Problem struct {
	// Status is the HTTP status. Default: the one that goes with Type, or 500.
	Status int
	// Type is one of the types of [Kinds].
	Type string
	// Title is a short summary. Default: the one that goes with Type.
	Title string
	// Detail explains this occurrence to a person. It must not hold addresses, secrets or errors of the inside.
	Detail string
	// RetryAfter is when to come back; 0: not said. Retry-After has it in whole seconds, rounded up, and the member
	// retry_after_ms exactly, in milliseconds rounded up.
	RetryAfter time.Duration
	// Allow are the methods that are possible, for [MethodNotAllowed].
	Allow []string
	// Extensions are further members. A value that is no JSON, or a name that is already taken, is left out.
	Extensions map[string]any
}

// own is room for one of Gabion's own answers.
type own struct {
	answer Answer
	header Fields
	body   memory
	buffer []byte
}

// Values that are the same in every problem, shared and never changed.
var (
	problemJSON = []string{"application/problem+json"}
	noStore     = []string{"no-store"}
)

// Answer makes the answer and notes the type in x.Record.Problem. A client of gRPC gets it in the form that it
// understands. The answer lives in the exchange: it is good until the
// next one is made or the exchange ends.
func (p Problem) Answer(x *Exchange) *Answer {
	p.complete()
	x.Record.Problem = p.Type
	if h := x.Request.Header; h != nil && IsGRPC(h.Get("Content-Type")) {
		return p.grpc(x)
	}
	o := &x.own
	if o.header == nil {
		o.header = NewFields()
	}
	clear(o.header)
	o.header["Content-Type"] = problemJSON
	o.header["Cache-Control"] = noStore
	if p.RetryAfter > 0 {
		o.header["Retry-After"] = []string{strconv.FormatInt(int64(roundUp(p.RetryAfter, time.Second)), 10)}
	}
	if p.Status == 405 {
		// RFC 9110 §15.5.6 wants the field even when it is empty.
		o.header["Allow"] = []string{strings.Join(p.Allow, ", ")}
	}
	o.buffer = p.AppendJSON(o.buffer[:0], x.RequestID)
	o.body = memory{rest: o.buffer}
	o.answer = Answer{Status: p.Status, Header: o.header, Body: &o.body, Length: int64(len(o.buffer))}
	return &o.answer
}

// Refuse answers an exchange with a problem. It returns what [Client].Send returned.
func (x *Exchange) Refuse(p Problem) error { return x.Client.Send(p.Answer(x)) }

// AppendJSON appends the problem as JSON to b. instance is the request's id; "" leaves it out.
func (p Problem) AppendJSON(b []byte, instance string) []byte {
	p.complete()
	b = append(b, `{"type":`...)
	b = appendString(b, URN+p.Type)
	b = append(b, `,"title":`...)
	b = appendString(b, p.Title)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(p.Status), 10)
	if p.Detail != "" {
		b = append(b, `,"detail":`...)
		b = appendString(b, p.Detail)
	}
	if instance != "" {
		b = append(b, `,"instance":`...)
		b = appendString(b, instance)
	}
	if p.RetryAfter > 0 {
		b = append(b, `,"retry_after_ms":`...)
		b = strconv.AppendInt(b, int64(roundUp(p.RetryAfter, time.Millisecond)), 10)
	}
	b = p.appendExtensions(b)
	return append(b, "}\n"...)
}

func (p Problem) appendExtensions(b []byte) []byte {
	if len(p.Extensions) == 0 {
		return b
	}
	for _, name := range slices.Sorted(maps.Keys(p.Extensions)) {
		switch name {
		case "type", "title", "status", "detail", "instance", "retry_after_ms":
			continue
		}
		value, err := json.Marshal(p.Extensions[name])
		if err != nil {
			continue // The rest of the problem is worth more than this member.
		}
		b = append(b, ',')
		b = appendString(b, name)
		b = append(b, ':')
		b = append(b, value...)
	}
	return b
}

// complete fills in what goes with the type.
func (p *Problem) complete() {
	k := kinds[p.Type]
	if k == nil {
		k = kinds[InternalError]
		if p.Type == "" {
			p.Type = k.Type
		}
	}
	if p.Status == 0 {
		p.Status = k.Status
	}
	if p.Title == "" {
		p.Title = k.Title
	}
}

// roundUp is how many whole units d has, rounded up; at least 1 for a positive d.
func roundUp(d, unit time.Duration) time.Duration {
	n := d / unit
	if d%unit > 0 {
		n++
	}
	return n
}

// appendString appends s as a JSON string.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil { // Marshal has no error for a string.
				return append(b, `""`...)
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// memory is a body that lies in memory.
type memory struct{ rest []byte }

// Read implements io.Reader.
func (m *memory) Read(p []byte) (int, error) {
	if len(m.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// Close implements io.Closer.
func (m *memory) Close() error { return nil }

// Bytes gives the whole of the body, so that it can be written without being copied.
func (m *memory) Bytes() []byte { return m.rest }
