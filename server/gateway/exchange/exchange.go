// Package exchange holds one request and its answer on their way through the gateway.
//
// Everything that decides about a request (a [Step]) sees an [Exchange] and nothing of the HTTP engine that
// carries it, so that the engine can be replaced without touching a step. An engine at the front makes the
// Exchange and writes the [Answer]; an engine behind sends the request to an endpoint and makes the Answer.
package exchange

import (
	"context"
	"io"
	"iter"
	"net/netip"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/ratelimit"
)

// Exchange is one request and its answer. It belongs to one goroutine at a time and is reused afterwards: a
// step keeps nothing of it after Leave.
type Exchange struct {
	// Context ends when the client goes away or the gateway stops.
	Context context.Context
	// Request is what the client sent, with what the gateway changed of it.
	Request Request
	// Reply holds header fields that steps add to whatever answer is sent, Gabion's own included. A name in it
	// replaces the answer's field of that name, except where both make sense side by side (Set-Cookie, Vary, Link,
	// Via, Server-Timing, Warning). It may not be touched after Send.
	Reply Header
	// Client takes the answer. It is called once.
	Client Client

	// Started is when the head of the request had been read; Wall is the same on the wall clock, in UTC.
	Started gabion.Instant
	Wall    time.Time
	// Deadline is when the answer is worth nothing any more; 0: none.
	Deadline gabion.Instant

	// RequestID, TraceParent identify the request; set by the first step.
	RequestID, TraceParent string
	// Identity is who is asking, as the route's identity list says ("" when none is present), and
	// IdentityFrom is the entry that gave it, such as "header:X-Api-Key".
	Identity, IdentityFrom string
	// Params are the path parameters of the matched route.
	Params []Param

	// Allowed are the methods that routes would take, when none takes the request.
	Allowed []string
	// Holds are what limits have granted to it, for settlement.
	Holds []Hold

	// Record is what happened, for metrics, access log and settlement.
	Record Record

	// own is room for Gabion's own answer, so that refusing allocates next to nothing.
	own own
}

// Hold is what a limit granted to an exchange: a request of a key, or a charge of server time.
type Hold struct {
	Requests *ratelimit.Requests
	Key      string
	Charge   ratelimit.Charge
}

// Param is a path parameter: {id} in the route's path and what stood there.
type Param struct{ Name, Value string }

// Request is the head of a request and the way to its body.
type Request struct {
	Method string
	// Scheme is "http" or "https", as the client reached the gateway. Host is as sent, port included.
	Scheme, Host string
	// Path is the decoded, cleaned path, for matching. Target is the path and query as sent, for forwarding.
	Path, Target string
	// Proto is "HTTP/1.1", "HTTP/2.0", ….
	Proto string
	// Header holds the fields as sent, hop-by-hop fields included: whoever sends the request on removes those. What only
	// a trusted hop may say (Forwarded, X-Forwarded-*, X-Real-Ip, Gabion-*, X-Gabion-* except X-Gabion-Timeout-Ms) is
	// gone when Peer is not one.
	Header Header
	// Peer is the address of the connection; Client is the one the request comes from: the same, or, behind
	// trusted hops, what they say in X-Forwarded-For.
	Peer, Client netip.Addr
	// From is the text of Client.
	From string
	// Body is nil when there is none. Length is its length, -1 when not known before the end. When reading fails, it is
	// the client's doing and [ProblemOf] knows what to say about it. Reading after the exchange has ended fails.
	Body   io.Reader
	Length int64
	// Trailer gives the trailers, after Body has been read to its end; nil when none were announced.
	Trailer func() Header
	// Upgrade is the protocol that the client asks to change to, such as "websocket"; "" when it does not.
	Upgrade string
}

// Answer is what goes back to the client.
type Answer struct {
	Status int
	Header Header
	// Body is nil when there is none. Length is its length, -1 when not known before the end.
	Body   io.ReadCloser
	Length int64
	// Trailer gives the trailers after Body has been read to its end; nil when there are none.
	Trailer func() Header
	// Stream asks to flush after every read, as server-sent events and gRPC need.
	Stream bool
	// Conn is the connection to the endpoint after it changed protocols (status 101); nil otherwise.
	Conn io.ReadWriteCloser
}

// Client is the front engine's side of an exchange.
type Client interface {
	// Send writes the answer with the Reply fields added, copies its body, or joins the connections after a
	// change of protocols, and returns when that has ended; it closes the answer's Body and Conn in every case. It
	// removes hop-by-hop fields from the answer. Any error has cut the client's connection or stream in a way that it
	// cannot take for a complete answer, or, where the endpoint's answer could not even be begun, has sent a problem
	// instead; the error says which side broke (errors.Is(err, ErrClientGone) or ErrUpstreamBroke). It sets
	// Record.Status, Sent and Upgraded.
	Send(a *Answer) error
	// Inform writes an informational answer (1xx) ahead of the final one.
	Inform(status int, h Header)
}

// Header is the fields of a message's head. Names are in canonical form, such as "X-Request-Id".
type Header interface {
	Get(name string) string
	Values(name string) []string
	Set(name, value string)
	Add(name, value string)
	Del(name string)
	// All yields every field line; the order among different names is not defined.
	All() iter.Seq2[string, string]
}

// Record is what happened to an exchange. Steps write it, the record step reads it.
type Record struct {
	// Route, Service and Endpoint are names ("" when it did not come to that). Owner is the route's.
	Route, Service, Endpoint, Owner string
	// Status is what the client got; 0 when it went away before anything was sent.
	Status int
	// Received and Sent are body bytes.
	Received, Sent int64
	// Attempts is how many times the request was sent to an endpoint.
	Attempts int
	// Upstream is how long the endpoints worked on it, in all attempts together.
	Upstream time.Duration
	// Cost is the server time that the service itself states in X-Gabion-Cost-Ms; when Stated is set, it is charged
	// in place of Upstream.
	Cost   time.Duration
	Stated bool
	// Degraded names the fallback that served, "" when none did.
	Degraded string
	// Problem is the type of Gabion's own answer ("rate-limited"), "" when the answer came from an endpoint.
	Problem string
	// Err is why it failed; nil when it did not. It is for logs, never for the client.
	Err error
	// Upgraded is set when the connection changed protocols.
	Upgraded bool
}

// Step is one thing the gateway does with every exchange of a route.
type Step interface {
	// Enter is called on the way in. It returns false when it has answered the exchange, or could not: the
	// steps further in are not entered then.
	Enter(x *Exchange) bool
	// Leave is called in reverse order, after the answer has been sent, for every step whose Enter returned true
	// or answered.
	Leave(x *Exchange)
}
