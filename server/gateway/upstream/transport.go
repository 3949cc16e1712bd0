package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// maxIdle bounds the idle connections kept to one endpoint.
	maxIdle = 1024
	// idleTimeout is shorter than the keep-alive time of most servers, so that it is mostly this side that closes an
	// idle connection: a server that does it may cross with a request.
	idleTimeout = 50 * time.Second
	// maxHead bounds the head of an answer.
	maxHead = 256 << 10
	// continueTimeout is how long an endpoint may take to ask for the body of a request with Expect: 100-continue
	// before the body is sent unasked.
	continueTimeout = time.Second
	// A connection of HTTP/2 that was silent for pingAfter is asked for a sign of life and closed without one. One of
	// HTTP/1 carries a single request, whose timeout closes it.
	pingAfter, pingTimeout = 10 * time.Second, 3 * time.Second
	// sessionCache is how many TLS sessions are kept for resumption.
	sessionCache = 32
)

// defaultConnect bounds a connection's making when the Target does not.
const defaultConnect = 200 * time.Millisecond

// Target is the endpoint that a Transport sends to.
type Target struct {
	// URL has the scheme (http, https or h2c) and the host that the endpoint is known by, for TLS. A path is put in
	// front of every request's.
	URL *url.URL
	// Address is the host:port to dial: one of the addresses that URL's host stands for.
	Address string
	// Name names the endpoint in records.
	Name string
	// Connect bounds how long a new connection may take, TLS included. Default: 200 ms.
	Connect time.Duration
	// Roots are the certificate authorities that are believed. Default: the system's.
	Roots *x509.CertPool
}

// Transport sends requests to one endpoint and keeps connections to it. It is safe for concurrent use.
type Transport struct {
	target Target
	scheme string // of the URLs given to net/http
	prefix string // in front of every path
	dialer dialer
	main   engine
	// upgrade sends requests that change the protocol, which HTTP/2 cannot. Same as main where that is HTTP/1.
	upgrade engine
	closed  atomic.Bool
}

// New makes the transport of one endpoint. It dials nothing yet.
func New(target Target) *Transport {
	if target.Connect <= 0 {
		target.Connect = defaultConnect
	}
	t := &Transport{target: target, scheme: target.URL.Scheme}
	if path := strings.TrimSuffix(target.URL.EscapedPath(), "/"); path != "" {
		t.prefix = path
	}
	t.dialer.init(target)
	switch target.URL.Scheme {
	case "h2c":
		t.scheme = "http"
		t.main = t.standard(func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) })
		t.upgrade = t.main
	case "https":
		t.main = t.standard(func(p *http.Protocols) { p.SetHTTP1(true); p.SetHTTP2(true) }, "h2", "http/1.1")
		t.upgrade = t.standard(func(p *http.Protocols) { p.SetHTTP1(true) }, "http/1.1")
	default:
		t.main = &plain{transport: t}
		t.upgrade = t.main
	}
	return t
}

// standard makes an engine of net/http that speaks the given protocols, which are offered by ALPN where there is TLS.
func (t *Transport) standard(protocols func(*http.Protocols), offered ...string) engine {
	e := &http.Transport{
		DialContext:            t.dialer.dial,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHead,
		ExpectContinueTimeout:  continueTimeout,
		DisableCompression:     true,
		Protocols:              new(http.Protocols),
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
	protocols(e.Protocols)
	if len(offered) > 0 {
		e.DialTLSContext = t.dialer.dialTLS(&tls.Config{
			ServerName:         t.target.URL.Hostname(),
			RootCAs:            t.target.Roots,
			NextProtos:         offered,
			ClientSessionCache: tls.NewLRUClientSessionCache(sessionCache),
			MinVersion:         tls.VersionTLS12,
		})
	}
	return standard{Transport: e, tls: len(offered) > 0}
}

// Name is the endpoint's name.
func (t *Transport) Name() string { return t.target.Name }

// Drop closes every connection to the endpoint at once, those in use included: their requests fail with [Reset].
// Later requests dial new ones.
func (t *Transport) Drop() {
	t.closeIdle() // so that none of them is picked for the next request
	t.dialer.drop()
}

// Close closes the idle connections; those in use are closed when their requests have ended. Requests may still be
// sent, on connections that are not kept.
func (t *Transport) Close() {
	t.closed.Store(true)
	t.closeIdle()
}

func (t *Transport) closeIdle() {
	t.main.closeIdle()
	t.upgrade.closeIdle()
}

// ended is called when a request has given its connection back.
func (t *Transport) ended() {
	if t.closed.Load() {
		t.closeIdle()
	}
}
