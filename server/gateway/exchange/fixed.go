package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/textproto"
	"strings"
)

// Fixed is an answer that is the same every time, such as a fallback. It is made once, when the configuration is
// read, so that giving it costs nothing and cannot fail. It is safe for concurrent use.
type Fixed struct {
	status int
	header Fields
	body   []byte
}

// NewFixed prepares an answer. status is 200 … 599; body is sent as it is, or, when value is not nil, value as
// application/json. Both may not be given. An error says what is wrong with which of them.
func NewFixed(status int, header map[string]string, value any, body string) (*Fixed, error) {
	if status < 200 || status > 599 {
		return nil, fmt.Errorf("status %d: must be from 200 to 599", status)
	}
	f := &Fixed{status: status, header: make(Fields, len(header)+2), body: []byte(body)}
	switch {
	case value != nil && body != "":
		return nil, errors.New("json and body: only one of them can be given")
	case value != nil:
		text, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("json: %w", err)
		}
		f.body = text
		f.header["Content-Type"] = []string{"application/json"}
	case body != "":
		f.header["Content-Type"] = []string{"text/plain; charset=utf-8"}
	}
	if bodyless := status == 204 || status == 304; bodyless && len(f.body) > 0 {
		return nil, fmt.Errorf("status %d: has no body", status)
	}
	if err := f.setHeader(header); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *Fixed) setHeader(header map[string]string) error {
	for name, value := range header {
		if !token(name) {
			return fmt.Errorf("header %q: is not the name of a field", name)
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return fmt.Errorf("header %s: the value has control characters", name)
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		if HopByHop(name) || name == "Content-Length" {
			return fmt.Errorf("header %s: is set by the gateway itself", name)
		}
		f.header[name] = []string{value}
	}
	return nil
}

// Status is the answer's status.
func (f *Fixed) Status() int { return f.status }

// Answer gives the answer. Its Header is shared: it must not be changed (use x.Reply). It lives in the exchange: it is
// good until the next one is made or the exchange ends.
func (f *Fixed) Answer(x *Exchange) *Answer {
	o := &x.own
	o.answer = Answer{Status: f.status, Header: f.header, Length: int64(len(f.body))}
	if len(f.body) > 0 {
		o.body = memory{rest: f.body}
		o.answer.Body = &o.body
	}
	return &o.answer
}

// token says whether s is a token (RFC 9110 §5.6.2), as the names of fields are.
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if alnum := '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'; !alnum && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}
