// Package protocol shows that what clients and services speak passes the gateway unharmed: HTTP/1.1 with all its corners,
// HTTP/2, gRPC, WebSocket and server-sent events, with stock clients and servers.
package protocol

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// before is a gateway before one service at url; more are further keys of the service.
func before(t *testing.T, url, more string) *harness.Gateway {
	t.Helper()
	return harness.Start(t, harness.Config{Gateway: "drain: 2s", Rest: "services:\n  one:\n    endpoints: [" + url + "]\n" + indent(more) +
		"routes:\n  - {name: all, match: {path: /}, service: one}\n"})
}

func indent(keys string) string {
	if keys == "" {
		return ""
	}
	return "    " + keys + "\n"
}

// behind serves a handler behind a gateway.
func behind(t *testing.T, handler http.HandlerFunc) *harness.Gateway {
	t.Helper()
	return before(t, serve(t, handler), "")
}

// serve serves a handler and gives its URL.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// serveH2C serves a handler over HTTP/2 without TLS and gives its URL, with the scheme that says so.
func serveH2C(t *testing.T, handler http.Handler) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: handler, Protocols: protocols}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return "h2c://" + listener.Addr().String()
}

// clientH2C speaks nothing but HTTP/2 without TLS.
func clientH2C(t *testing.T) *http.Client {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}

// fetch sends a request and reads the whole answer.
func fetch(t *testing.T, client *http.Client, req *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: %v", req.URL.Path, err)
	}
	return resp, string(body)
}

func request(t *testing.T, method, url string, body io.Reader, fields ...string) *http.Request {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	return req
}

// pattern is a body of n bytes whose every part tells its place.
type pattern struct{ at, n int64 }

// period is prime, so that no buffer's size divides it.
const period = 65_521

// block holds the pattern's period, and what follows after it.
var block = sync.OnceValue(func() []byte {
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]byte, 2*period)
	for i := range period {
		all[i] = byte(random.Uint32())
	}
	copy(all[period:], all[:period])
	return all
})

// Read implements io.Reader.
func (p *pattern) Read(b []byte) (int, error) {
	if p.at == p.n {
		return 0, io.EOF
	}
	n := copy(b[:min(int64(len(b)), p.n-p.at, period)], block()[p.at%period:])
	p.at += int64(n)
	return n, nil
}

// same reads r to its end and says how it differs from the pattern of n bytes.
func same(r io.Reader, n int64) error {
	want := &pattern{n: n}
	got, expected := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		k, err := r.Read(got)
		if m, _ := io.ReadFull(want, expected[:k]); m < k {
			return fmt.Errorf("more than %d bytes", n)
		}
		if string(got[:k]) != string(expected[:k]) {
			return fmt.Errorf("other bytes before %d", want.at)
		}
		if err == io.EOF && want.at == n {
			return nil
		}
		if err != nil {
			return fmt.Errorf("ended after %d of %d bytes: %w", want.at, n, err)
		}
	}
}
