package upstream

import (
	"maps"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// Names of header fields, in canonical form.
const (
	headerAttempt = "X-Gabion-Attempt"
	headerTimeout = "X-Gabion-Timeout-Ms"
	headerGRPC    = "Grpc-Timeout"
)

// Head is the head of a request as endpoints get it, but for what differs between attempts. It is made once for an
// exchange.
type Head struct {
	// GRPC is set when the request is one of gRPC.
	GRPC   bool
	fields http.Header
	used   bool
	// lines are the values that this side adds, one for each field, so that they need no memory of their own.
	lines [9]string
	line  int
}

// Prepare makes the head of what is sent for x. What only a trusted hop may say is believed: the front has removed it
// from the requests of others.
func Prepare(x *exchange.Exchange) *Head {
	r := &x.Request
	h := &Head{}
	h.copy(r.Header)
	if exchange.HasToken(r.Header.Values("Te"), "trailers") {
		h.fields["Te"] = trailers
	}
	if r.Upgrade != "" {
		h.fields["Connection"], h.fields["Upgrade"] = upgrade, h.value(r.Upgrade)
	}
	if _, ok := h.fields["User-Agent"]; !ok {
		h.fields["User-Agent"] = none // else net/http invents one
	}
	if x.RequestID != "" {
		h.fields["X-Request-Id"] = h.value(x.RequestID)
	}
	if x.TraceParent != "" {
		h.fields["Traceparent"] = h.value(x.TraceParent)
	}
	h.GRPC = exchange.IsGRPC(r.Header.Get("Content-Type"))
	h.forwarded(r)
	return h
}

// Values that are the same in every request, shared and never changed.
var (
	trailers = []string{"trailers"}
	upgrade  = []string{"Upgrade"}
	none     = []string{""}
)

// added is how many fields this side adds at most.
const added = 12

// value makes the values of a field that has one.
func (h *Head) value(v string) []string {
	if h.line == len(h.lines) {
		return []string{v}
	}
	h.lines[h.line] = v
	h.line++
	return h.lines[h.line-1 : h.line : h.line]
}

// copy takes over all fields that are not about the client's connection. Values are shared, not copied.
func (h *Head) copy(from exchange.Header) {
	if fields, ok := from.(exchange.Fields); ok {
		h.fields = make(http.Header, len(fields)+added)
		for name, values := range fields {
			if !ours(name) {
				h.fields[name] = values
			}
		}
	} else {
		h.fields = make(http.Header, 2*added)
		for name, value := range from.All() {
			if !ours(name) {
				h.fields[name] = append(h.fields[name], value)
			}
		}
	}
	for name := range exchange.Tokens(from.Values("Connection")) {
		delete(h.fields, textproto.CanonicalMIMEHeaderKey(name))
	}
}

// ours tells whether a field is about one connection only, or is written by net/http.
func ours(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade", "Http2-Settings", "Content-Length", "Host":
		return true
	}
	return false
}

// forwarded adds this hop to what is left of the fields that name the hops before.
func (h *Head) forwarded(r *exchange.Request) {
	peer, node := "unknown", "unknown"
	if r.Peer.IsValid() {
		peer = r.Peer.Unmap().WithZone("").String()
		node = peer
		if r.Peer.Unmap().Is6() {
			node = `"[` + peer + `]"`
		}
	}
	h.join("X-Forwarded-For", peer)
	h.join("Forwarded", "for="+node+";host="+quoted(r.Host)+";proto="+r.Scheme)
	h.byDefault("X-Forwarded-Proto", r.Scheme)
	h.byDefault("X-Forwarded-Host", r.Host)
}

// join appends a member to a list that stands in one field line.
func (h *Head) join(name, member string) {
	if earlier := h.fields[name]; len(earlier) > 0 {
		member = strings.Join(earlier, ", ") + ", " + member
	}
	h.fields[name] = h.value(member)
}

func (h *Head) byDefault(name, value string) {
	if len(h.fields[name]) == 0 {
		h.fields[name] = h.value(value)
	}
}

// attempt is the head for the given attempt, of which remaining is left (0: no bound). An earlier attempt's may be
// still being written when the next one's is made, so each has its own.
func (h *Head) attempt(number int, remaining time.Duration) http.Header {
	fields := h.fields
	if h.used {
		fields = maps.Clone(fields)
	}
	h.used = true
	fields[headerAttempt] = ordinal(number)
	delete(fields, headerTimeout)
	if remaining > 0 {
		fields[headerTimeout] = h.value(strconv.FormatInt(max(1, remaining.Milliseconds()), 10))
		if h.GRPC {
			fields[headerGRPC] = h.value(grpcTimeout(remaining))
		}
	}
	return fields
}

// first are the values of X-Gabion-Attempt that nearly all attempts have.
var first = [][]string{{"1"}, {"2"}, {"3"}}

func ordinal(number int) []string {
	if number >= 1 && number <= len(first) {
		return first[number-1]
	}
	return []string{strconv.Itoa(number)}
}

// grpcTimeout writes a time as gRPC does: at most eight digits and a unit.
func grpcTimeout(d time.Duration) string {
	const most = 99_999_999
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{time.Nanosecond, "n"}, {time.Microsecond, "u"}, {time.Millisecond, "m"}, {time.Second, "S"}, {time.Minute, "M"}} {
		if n := d / u.unit; n <= most {
			return strconv.FormatInt(int64(n), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(min(d/time.Hour, most)), 10) + "H"
}

// quoted writes a host as a value of Forwarded (RFC 7239): a token as it is, others in quotes.
func quoted(host string) string {
	for i := range len(host) {
		if c := host[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-') {
			return strconv.Quote(host)
		}
	}
	if host == "" {
		return `""`
	}
	return host
}
