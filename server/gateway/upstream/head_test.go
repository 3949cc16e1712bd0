package upstream

import (
	"net/netip"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

func TestPrepare(t *testing.T) {
	x := newExchange(t, "GET", "/")
	for _, field := range [][2]string{
		{"Accept", "a"},
		{"Accept", "b"},
		{"Accept-Encoding", "br"},
		{"Authorization", "secret"},
		{"Cookie", "c=d"},
		{"Connection", "close, X-Private"},
		{"Connection", "x-other"},
		{"X-Private", "1"},
		{"X-Other", "1"},
		{"Keep-Alive", "5"},
		{"Proxy-Connection", "a"},
		{"Proxy-Authorization", "a"},
		{"Transfer-Encoding", "chunked"},
		{"Te", "gzip, trailers"},
		{"Upgrade", "h2c"},
		{"Content-Length", "7"},
		{"Trailer", "X-A"},
		{"Http2-Settings", "A"},
	} {
		x.Request.Header.Add(field[0], field[1])
	}
	x.RequestID, x.TraceParent = "id-1", "00-trace-span-01"
	h := Prepare(x)
	want := exchange.Fields{
		"Accept": {"a", "b"}, "Accept-Encoding": {"br"}, "Authorization": {"secret"}, "Cookie": {"c=d"},
		"Te": {"trailers"}, "User-Agent": {""}, "X-Request-Id": {"id-1"}, "Traceparent": {"00-trace-span-01"},
		"X-Forwarded-For": {"192.0.2.7"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"shop.example"},
		"Forwarded": {"for=192.0.2.7;host=shop.example;proto=http"},
	}
	same(t, want, h.fields)
	fields := x.Request.Header.(exchange.Fields)
	if len(fields["X-Private"]) != 1 || len(fields["X-Forwarded-For"]) != 0 {
		t.Error("Prepare changed the request of the exchange")
	}
}

func same(t *testing.T, want exchange.Fields, got map[string][]string) {
	t.Helper()
	for name, values := range want {
		if g := got[name]; len(g) != len(values) || len(g) > 0 && g[0] != values[0] {
			t.Errorf("%s is %q, must be %q", name, g, values)
		}
	}
	for name, values := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %q must not be there", name, values)
		}
	}
}

func TestForwardedAppends(t *testing.T) {
	x := newExchange(t, "GET", "/")
	x.Request.Scheme, x.Request.Host, x.Request.Peer = "https", "shop.example:8443", netip.MustParseAddr("2001:db8::1")
	x.Request.Header.Add("X-Forwarded-For", "198.51.100.1")
	x.Request.Header.Add("X-Forwarded-For", "198.51.100.2, 198.51.100.3")
	x.Request.Header.Set("X-Forwarded-Proto", "http")
	x.Request.Header.Set("Forwarded", "for=198.51.100.1")
	h := Prepare(x)
	for name, want := range map[string]string{
		"X-Forwarded-For":   "198.51.100.1, 198.51.100.2, 198.51.100.3, 2001:db8::1",
		"X-Forwarded-Proto": "http", "X-Forwarded-Host": "shop.example:8443",
		"Forwarded": `for=198.51.100.1, for="[2001:db8::1]";host="shop.example:8443";proto=https`,
	} {
		if got := h.fields[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, must be %q", name, got, want)
		}
	}
}

func TestHeadOfAttempts(t *testing.T) {
	x := newExchange(t, "POST", "/")
	x.Request.Header.Set("X-Gabion-Timeout-Ms", "999999")
	x.Request.Header.Set("Content-Type", "application/grpc+proto")
	x.Request.Header.Set("Grpc-Timeout", "99H")
	h := Prepare(x)
	one := h.attempt(1, 1500*time.Millisecond)
	two := h.attempt(2, 900*time.Microsecond)
	for i, want := range []map[string]string{
		{"X-Gabion-Attempt": "1", "X-Gabion-Timeout-Ms": "1500", "Grpc-Timeout": "1500000u"},
		{"X-Gabion-Attempt": "2", "X-Gabion-Timeout-Ms": "1", "Grpc-Timeout": "900000n"},
	} {
		for name, value := range want {
			if got := []map[string][]string{one, two}[i][name]; len(got) != 1 || got[0] != value {
				t.Errorf("attempt %d: %s is %q, must be %q", i+1, name, got, value)
			}
		}
	}
	if got := h.attempt(3, 0)["X-Gabion-Timeout-Ms"]; got != nil {
		t.Errorf("without a deadline the endpoint is told %q", got)
	}
}

func TestGRPCTimeout(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1: "1n", 99_999_999: "99999999n", 100 * time.Millisecond: "100000u", 100 * time.Second: "100000m",
		30 * time.Hour: "108000S", 1 << 62: "76861433M",
	} {
		if got := grpcTimeout(d); got != want {
			t.Errorf("%v is %q, must be %q", d, got, want)
		}
	}
}
