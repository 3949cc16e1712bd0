// Package trace gives every request its name: the request id, and the trace context of W3C Trace Context.
//
// What the client sends is kept when it is well formed. Otherwise both are made anew, from the same random number, so
// that one can be found by the other.
package trace

import (
	"encoding/hex"
	"math/rand/v2"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// maxID bounds a request id that comes from a client.
const maxID = 128

// Step is the first step of every route.
type Step struct{}

// Enter implements [exchange.Step].
func (Step) Enter(x *exchange.Exchange) bool {
	x.TraceParent = x.Request.Header.Get("Traceparent")
	if !validParent(x.TraceParent) {
		x.TraceParent = newParent()
		x.Request.Header.Del("Tracestate") // it belongs to the context that was refused
	}
	x.RequestID = x.Request.Header.Get("X-Request-Id")
	if !validID(x.RequestID) {
		x.RequestID = ID(x.TraceParent)
	}
	x.Reply.Set("X-Request-Id", x.RequestID)
	return true
}

// Leave implements [exchange.Step].
func (Step) Leave(*exchange.Exchange) {}

// ID is the trace id of a valid traceparent.
func ID(parent string) string { return parent[3:35] }

// newParent makes a trace context. It is marked as sampled: a gateway that traces nothing itself must not switch off
// the tracing of the services behind it.
func newParent() string {
	var raw [24]byte
	for i := range 3 {
		for n, shift := rand.Uint64()|1, 0; shift < 8; shift++ { // never all zero, which is invalid
			raw[8*i+shift] = byte(n >> (8 * shift))
		}
	}
	var text [55]byte
	copy(text[:], "00-")
	hex.Encode(text[3:], raw[:16])
	text[35] = '-'
	hex.Encode(text[36:], raw[16:])
	copy(text[52:], "-01")
	return string(text[:])
}

// validParent checks version, trace id, parent id and flags. A version that is not known yet may have more behind them.
func validParent(s string) bool {
	if len(s) < 55 || s[2] != '-' || s[35] != '-' || s[52] != '-' || s[:2] == "ff" {
		return false
	}
	if len(s) > 55 && (s[:2] == "00" || s[55] != '-') || len(s) > 512 {
		return false
	}
	return isHex(s[:2]) && nonZeroHex(s[3:35]) && nonZeroHex(s[36:52]) && isHex(s[53:55])
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func nonZeroHex(s string) bool {
	for i := range len(s) {
		if s[i] != '0' {
			return isHex(s)
		}
	}
	return false
}

// validID keeps what could break a log line or a header out.
func validID(s string) bool {
	for i := range len(s) {
		c := s[i]
		if alnum := '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'; !alnum && c != '-' && c != '_' && c != '.' && c != ':' && c != '/' && c != '+' && c != '=' {
			return false
		}
	}
	return s != "" && len(s) <= maxID
}
