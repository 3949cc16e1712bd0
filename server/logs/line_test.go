package logs

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

func served() *exchange.Exchange {
	return &exchange.Exchange{
		Wall: time.Date(2026, 1, 2, 3, 4, 5, 6_999_999, time.FixedZone("", 3600)),
		Request: exchange.Request{
			Method: "GET", Path: "/product/7", Target: "/product/7?token=hidden", Proto: "HTTP/1.1",
			Client: netip.MustParseAddr("192.0.2.7"),
		},
		Identity: "test", RequestID: "order-7", TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		Record: exchange.Record{
			Route: "product", Service: "catalog", Endpoint: "127.0.0.1:9001", Status: 200, Received: 3, Sent: 1234,
			Attempts: 2, Upstream: 4*time.Millisecond + 50*time.Microsecond,
		},
	}
}

func TestLine(t *testing.T) {
	failed := served()
	failed.Record.Problem, failed.Record.Degraded = "upstream-broken", "respond-200"
	failed.Record.Err = errors.New("key test: \"refused\"\n\x1b[2J")
	zone := &exchange.Exchange{Request: exchange.Request{Client: netip.MustParseAddr("fe80::1").WithZone(`"`)}}
	for _, test := range []struct {
		name string
		x    *exchange.Exchange
		want string
	}{
		{"served", served(), `{"time":"2026-01-02T02:04:05.006Z","route":"product","service":"catalog","endpoint":"127.0.0.1:9001",` +
			`"method":"GET","path":"/product/7","proto":"HTTP/1.1","status":200,"duration_ms":5.007,"upstream_ms":4.050,"attempts":2,` +
			`"received":3,"sent":1234,"client":"192.0.2.7","identity":"sha256:9f86d081884c","request_id":"order-7",` +
			`"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}` + "\n"},
		{"failed", failed, `"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","problem":"upstream-broken","degraded":"respond-200",` +
			`"error":"key sha256:9f86d081884c: \"refused\"\u000a\u001b[2J"}` + "\n"},
		{"empty", &exchange.Exchange{TraceParent: "short"}, `{"time":"0001-01-01T00:00:00.000Z","status":0,"duration_ms":5.007,` +
			`"upstream_ms":0.000,"attempts":0,"received":0,"sent":0}` + "\n"},
		{"zone", zone, `"client":"fe80::1%\""}` + "\n"},
	} {
		got := string(appendLine(nil, test.x, 5007*time.Microsecond+999, newIdentities()))
		if !strings.HasSuffix(got, test.want) {
			t.Errorf("%s:\nhave %s\nwant %s", test.name, got, test.want)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("%s: no JSON: %s", test.name, got)
		}
		if strings.Contains(got, "hidden") {
			t.Errorf("%s: the query is shown: %s", test.name, got)
		}
	}
}

func TestMillis(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "0.000", 999: "0.000", time.Microsecond: "0.001", 1010 * time.Microsecond: "1.010", time.Hour: "3600000.000",
	} {
		if got := string(appendMillis(nil, "", d)); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}

func TestStringIsCutBetweenCharacters(t *testing.T) {
	for _, test := range []struct {
		value string
		limit int
		want  string
	}{
		{"abcdef", 6, `"abcdef"`},
		{"abcdef", 5, `"abcde…"`},
		{"aé", 2, `"a…"`},
		{"a€€", 6, `"a€…"`},
		{"a😀", 4, `"a…"`},
		{"a\xff", 2, "\"a\uFFFD\""},
		{"a\xff😀b", 6, "\"a\uFFFD😀…\""},
		{"\u0085\u2028\u007f", 99, `"\u0085\u2028\u007f"`},
	} {
		if got := string(appendString(nil, test.value, test.limit)); got != test.want {
			t.Errorf("%q cut to %d: have %s, want %s", test.value, test.limit, got, test.want)
		}
	}
}

func FuzzString(f *testing.F) {
	f.Add("a\"\\\n\x00\x7f\u0085\u2028€😀\xff", 9)
	f.Fuzz(func(t *testing.T, value string, limit int) {
		if limit < 0 {
			return
		}
		b := appendString([]byte("x"), value, limit)[1:]
		var back string
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatalf("%q: %v in %s", value, err, b)
		}
		if !utf8.Valid(b) || strings.ContainsFunc(string(b), func(r rune) bool { return r < ' ' || 0x7f <= r && r <= 0x9f }) {
			t.Fatalf("%q is written as %q", value, b)
		}
		if len(value) <= limit && back != strings.ToValidUTF8(value, "\uFFFD") && utf8.ValidString(value) {
			t.Fatalf("%q came back as %q", value, back)
		}
		if len(value) > limit && !strings.HasSuffix(back, "…") {
			t.Fatalf("%q was cut without a mark: %q", value, back)
		}
	})
}

func FuzzLine(f *testing.F) {
	f.Add("/p", "GET", "key", "failed", 200, int64(1))
	f.Add("/\xff\u2028\"", "\\", "\x00", "key \x00", -5, int64(-1))
	f.Fuzz(func(t *testing.T, path, method, identity, failure string, status int, took int64) {
		x := served()
		x.Request.Path, x.Request.Method, x.Identity = path, method, identity
		x.RequestID, x.TraceParent, x.Record.Endpoint = method, path, path
		x.Record.Status, x.Record.Err = status, errors.New(failure)
		b := appendLine(nil, x, time.Duration(took), newIdentities())
		if !json.Valid(b) || b[len(b)-1] != '\n' || strings.Count(string(b), "\n") != 1 {
			t.Fatalf("no line of JSON: %q", b)
		}
		if len(b) > 64<<10 {
			t.Fatalf("a line of %d bytes", len(b))
		}
	})
}
