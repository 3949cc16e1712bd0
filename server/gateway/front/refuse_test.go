package front

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// badRequests are that are refused before they are led through the gateway.
var badRequests = map[string]struct {
	text string
	kind string
}{
	"no HTTP":                   {"hello\r\n\r\n", exchange.BadRequest},
	"HTTP/0.9":                  {"GET /\r\n\r\n", exchange.BadRequest},
	"another version":           {"GET / HTTP/1.9\r\nHost: a\r\n\r\n", exchange.Version},
	"HTTP/2 as text":            {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", exchange.Version},
	"line without CR":           {"GET / HTTP/1.1\nHost: a\n\n", exchange.BadRequest},
	"folded field":              {"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", exchange.BadRequest},
	"no host":                   {"GET / HTTP/1.1\r\n\r\n", exchange.BadRequest},
	"empty host":                {"GET / HTTP/1.1\r\nHost: \r\n\r\n", exchange.BadRequest},
	"two hosts":                 {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", exchange.BadRequest},
	"host with a user":          {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", exchange.BadRequest},
	"host with a path":          {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", exchange.BadRequest},
	"list of hosts":             {"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", exchange.BadRequest},
	"another host in target":    {"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", exchange.BadRequest},
	"space before the colon":    {"GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n", exchange.BadRequest},
	"NUL in a value":            {"GET / HTTP/1.1\r\nHost: a\r\nX: 1\x002\r\n\r\n", exchange.BadRequest},
	"CR in a value":             {"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r2\r\n\r\n", exchange.BadRequest},
	"NUL in the path":           {"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", exchange.BadRequest},
	"encoded NUL":               {"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", exchange.BadRequest},
	"half an escape":            {"GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", exchange.BadRequest},
	"dots":                      {"GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", exchange.BadRequest},
	"encoded dots":              {"GET /a/%2e%2E/b HTTP/1.1\r\nHost: a\r\n\r\n", exchange.BadRequest},
	"dots before encoded slash": {"GET /a/..%2fb HTTP/1.1\r\nHost: a\r\n\r\n", exchange.BadRequest},
	"dots with a parameter":     {"GET /a/..;x/b HTTP/1.1\r\nHost: a\r\n\r\n", exchange.BadRequest},
	"backslash":                 {"GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", exchange.BadRequest},
	"fragment":                  {"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", exchange.BadRequest},
	"asterisk":                  {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", exchange.BadRequest},
	"tunnel":                    {"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", exchange.MethodNotAllowed},
	"echo":                      {"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", exchange.MethodNotAllowed},
	"impossible method":         {"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", exchange.BadRequest},
	"length and coding":         {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", exchange.BadRequest},
	"two lengths":               {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", exchange.BadRequest},
	"other coding":              {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", exchange.BadRequest},
	"coding in HTTP/1.0":        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", exchange.BadRequest},
	"announced large body":      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", exchange.BodyTooLarge},
	"large header":              {"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 9<<10) + "\r\n\r\n", exchange.HeaderTooLarge},
	"long target":               {"GET /" + strings.Repeat("x", 9<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n", exchange.HeaderTooLarge},
	"other expectation":         {"POST / HTTP/1.1\r\nHost: a\r\nExpect: cake\r\nContent-Length: 1\r\n\r\nx", exchange.ExpectationFailed},
}

func TestBadRequestsAreRefused(t *testing.T) {
	id := newIdentity(t, t.TempDir(), "a")
	plain := setup(t, unreached(t))
	secure := setup(t, unreached(t), withTLS(id))
	for name, c := range badRequests {
		t.Run(name, func(t *testing.T) {
			refused(t, dial(t, plain.address).send(c.text), c.kind)
		})
		t.Run(name+", TLS", func(t *testing.T) {
			conn, err := tls.Dial("tcp", secure.address, id.trust)
			if err != nil {
				t.Fatal(err)
			}
			refused(t, overlay(t, conn).send(c.text), c.kind)
		})
	}
}

// refused checks that the answer is a problem, and that nothing more is served on the connection.
func refused(t *testing.T, w *wire, kind string) {
	t.Helper()
	r, body, err := w.read("POST")
	var problem struct {
		Type   string
		Status int
	}
	if err != nil || json.Unmarshal([]byte(body), &problem) != nil {
		t.Fatalf("answered %s %q %v", r.Status, body, err)
	}
	if problem.Type != exchange.URN+kind || r.StatusCode != exchange.StatusOf(kind) || problem.Status != r.StatusCode || r.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("answered %s %q %s, want %s", r.Status, r.Header.Get("Content-Type"), body, kind)
	}
	if !r.Close {
		t.Error("the connection goes on")
	}
	if kind == exchange.MethodNotAllowed && r.Header.Get("Allow") == "" {
		t.Error("405 without Allow")
	}
	if n, err := w.in.ReadByte(); err == nil {
		t.Errorf("more came: %q", n)
	}
}

func TestPipelinedGarbageAfterAGoodRequest(t *testing.T) {
	b := setup(t, respond(200, nil, "good"))
	w := dial(t, b.address).send(get + "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n" + get)
	if r, body, err := w.read("GET"); r.StatusCode != 200 || body != "good" || err != nil {
		t.Errorf("the good one: %s %q %v", r.Status, body, err)
	}
	refused(t, w, exchange.BadRequest)
}

func TestSlowHeadIsAnswered(t *testing.T) {
	b := setup(t, unreached(t), func(c *Config) { c.HeaderTimeout = 50 * time.Millisecond })
	refused(t, dial(t, b.address).send("GET / HTTP/1.1\r\nHost"), exchange.RequestTimeout)
}

func TestIdleConnectionIsClosedWithoutAWord(t *testing.T) {
	b := setup(t, respond(200, nil, ""), func(c *Config) { c.IdleTimeout = 50 * time.Millisecond })
	w := dial(t, b.address).send(get)
	if r, _, _ := w.read("GET"); r.Close {
		t.Error("the connection was to stay")
	}
	if c, err := w.in.ReadByte(); err == nil {
		t.Errorf("got %q", c)
	}
}

func TestHTTPOnTheTLSPort(t *testing.T) {
	b := setup(t, unreached(t), withTLS(newIdentity(t, t.TempDir(), "a")))
	refused(t, dial(t, b.address).send(get), exchange.BadRequest)
}

// TestBadRequestsWithHTTP2 sends fields that no proper client would send.
func TestBadRequestsWithHTTP2(t *testing.T) {
	b := setup(t, unreached(t))
	good := []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "a"}, {Name: ":path", Value: "/"}}
	with := func(fields ...hpack.HeaderField) []hpack.HeaderField {
		all := append([]hpack.HeaderField(nil), good...)
		for _, f := range fields {
			if f.Name[0] == ':' {
				for i := range all {
					if all[i].Name == f.Name {
						all[i] = f
					}
				}
				continue
			}
			all = append(all, f)
		}
		return all
	}
	for name, fields := range map[string][]hpack.HeaderField{
		"another host":          with(hpack.HeaderField{Name: "host", Value: "b"}),
		"host with a user":      with(hpack.HeaderField{Name: ":authority", Value: "u@a"}),
		"host with a path":      with(hpack.HeaderField{Name: ":authority", Value: "a/b"}),
		"host with a blank":     with(hpack.HeaderField{Name: ":authority", Value: "a b"}),
		"absolute path":         with(hpack.HeaderField{Name: ":path", Value: "http://b/"}),
		"dots":                  with(hpack.HeaderField{Name: ":path", Value: "/../x"}),
		"blank in the path":     with(hpack.HeaderField{Name: ":path", Value: "/ HTTP/1.1\r\nX: y"}),
		"transfer-encoding":     with(hpack.HeaderField{Name: "transfer-encoding", Value: "chunked"}),
		"connection":            with(hpack.HeaderField{Name: "connection", Value: "x"}),
		"upper case":            with(hpack.HeaderField{Name: "X-A", Value: "y"}),
		"line break in a value": with(hpack.HeaderField{Name: "x-a", Value: "y\r\nX-B: z"}),
		"two lengths":           with(hpack.HeaderField{Name: "content-length", Value: "0"}, hpack.HeaderField{Name: "content-length", Value: "5"}),
		"tunnel":                {{Name: ":method", Value: "CONNECT"}, {Name: ":authority", Value: "a:443"}},
	} {
		t.Run(name, func(t *testing.T) {
			if status := ask2(t, b.address, fields); status != "reset" && status[0] != '4' {
				t.Errorf("got %s", status)
			}
		})
	}
}

// ask2 sends a head with HTTP/2 and gives the status, or "reset".
func ask2(t *testing.T, address string, fields []hpack.HeaderField) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	w := overlay(t, conn).send(http2.ClientPreface)
	framer := http2.NewFramer(w, w.in)
	framer.ReadMetaHeaders = hpack.NewDecoder(4<<10, nil)
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range fields {
		if err := encoder.WriteField(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true}); err != nil {
		t.Fatal(err)
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return "reset"
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			return f.PseudoValue("status")
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return "reset"
		}
	}
}

func TestRefusalsDoNotEndAConnectionOfHTTP2(t *testing.T) {
	b := setup(t, respond(200, nil, "good"))
	c := client2(t, nil)
	for path, want := range map[string]int{"/a;x=1": 200, "/a\\b": 400, "/b": 200} {
		r, _, err := do(t, c, http.MethodGet, "http://"+b.address+strings.ReplaceAll(path, "\\", "%5c"), nil)
		if err != nil || r.StatusCode != want || r.ProtoMajor != 2 {
			t.Errorf("%s: %v %v", path, r, err)
		}
	}
}
