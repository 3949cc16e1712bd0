package upstream

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// engine speaks HTTP with the endpoint.
type engine interface {
	// send sends the request of a once and waits for the head of the answer, whose Body must be closed. While it is at
	// work, and until the Body has been read or closed, ending a breaks it off.
	send(a *attempt, what *Attempt) (*http.Response, error)
	// closeIdle closes the connections that no request uses.
	closeIdle()
}

// standard is net/http's Transport. It speaks HTTP/2, and HTTP/1 over TLS.
type standard struct {
	*http.Transport
	tls bool // without it, it is HTTP/2
}

func (s standard) closeIdle() { s.CloseIdleConnections() }

func (s standard) send(a *attempt, what *Attempt) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(a.parent)
	if !a.interrupted(func() { cancel(a.cause) }) {
		return nil, a.cause
	}
	trace := &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { s.gotConn(a, info) },
		Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
			return a.inform(status, exchange.Fields(h))
		},
	}
	return s.RoundTrip(a.transport.request(httptrace.WithClientTrace(ctx, trace), a, what))
}

func (s standard) gotConn(a *attempt, info httptrace.GotConnInfo) {
	half, _ := info.Conn.(halfCloser)
	raw := info.Conn
	shared := !s.tls
	if encrypted, ok := raw.(*tls.Conn); ok {
		shared = encrypted.ConnectionState().NegotiatedProtocol == "h2"
		raw = encrypted.NetConn()
	}
	c, ok := raw.(*conn)
	if shared || !ok {
		c = nil
	}
	a.took(c, half)
}

// blank has what all requests have in common.
var blank = http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}

// request makes the request for net/http.
func (t *Transport) request(ctx context.Context, try *attempt, a *Attempt) *http.Request {
	source := &try.x.Request
	r := blank.WithContext(ctx)
	r.Method, r.Host = source.Method, source.Host
	r.URL = t.url(source.Target)
	r.Header = a.Head.attempt(a.Number, a.Remaining)
	switch {
	case len(a.Payload) > 0:
		p := new(payload)
		p.Reset(a.Payload)
		r.Body, r.ContentLength = p, int64(len(a.Payload))
		delete(r.Header, "Expect") // the body is here already
	case try.upload != nil:
		r.Body, r.ContentLength = try.upload, source.Length
		if a.Trailer != nil {
			r.Trailer = announced(a.Trailer())
			try.upload.sent = r.Trailer
		}
	default:
		r.Body = http.NoBody
		delete(r.Header, "Expect")
	}
	return r
}

// url makes the URL from the request's target. The target is sent exactly as the client sent it.
func (t *Transport) url(target string) *url.URL {
	u := &url.URL{Scheme: t.scheme, Host: t.target.URL.Host}
	target = t.path(target)
	if strings.HasPrefix(target, "//") {
		// net/http would take an opaque "//a/b" for an address without its scheme, but leaves a path alone.
		raw, query, asked := strings.Cut(target, "?")
		if path, err := url.PathUnescape(raw); err == nil {
			u.Path, u.RawPath, u.RawQuery, u.ForceQuery = path, raw, query, asked
			return u
		}
	}
	u.Opaque = target
	return u
}

// path is the target with the path of the endpoint in front of it.
func (t *Transport) path(target string) string {
	if t.prefix != "" && target != "*" {
		return t.prefix + target
	}
	return target
}

// announced are the names of trailers, still without values; nil when there are none.
func announced(h exchange.Header) http.Header {
	fields, ok := h.(exchange.Fields)
	if !ok || len(fields) == 0 {
		return nil
	}
	names := make(http.Header, len(fields))
	for name := range fields {
		names[name] = nil
	}
	return names
}
