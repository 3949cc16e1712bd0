package upstream

import (
	"bufio"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

func TestInformational(t *testing.T) {
	transport := to(t, "http", raw(t, func(c net.Conn, _ int) {
		readHead(c)
		io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}))
	x := newExchange(t, "GET", "/")
	r, failure := send(t, transport, x, Attempt{})
	if failure != nil {
		t.Fatal(failure)
	}
	if body := mustRead(t, r); r.Status != 200 || body != "ok" {
		t.Errorf("got %d %q", r.Status, body)
	}
	if informed := x.Client.(*client).informed; !slices.Equal(informed, []int{103}) {
		t.Errorf("the client was informed of %v, must be of 103 alone", informed)
	}
}

// TestEarlyAnswer: the endpoint refuses an upload after its head, and closes the connection on the rest of it.
func TestEarlyAnswer(t *testing.T) {
	for _, end := range []struct {
		name  string
		after func(c net.Conn)
	}{
		{"keeps reading", waitClose},
		{"closes on the body", func(net.Conn) {}}, // which is answered with a reset
	} {
		t.Run(end.name, func(t *testing.T) {
			for range 20 {
				transport := to(t, "http", raw(t, func(c net.Conn, _ int) {
					readHead(c)
					io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
					end.after(c)
				}))
				x := newExchange(t, "POST", "/")
				x.Request.Length = 64 << 20
				r, failure := send(t, transport, x, Attempt{Stream: io.LimitReader(endless{}, x.Request.Length)})
				if failure != nil {
					t.Fatal(failure)
				}
				if body := mustRead(t, r); r.Status != 413 || body != "no" {
					t.Fatalf("got %d %q", r.Status, body)
				}
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestDuplex: the answer is read while the request's body is still being sent, each side waiting for the other.
func TestDuplex(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		if r.ProtoMajor == 1 {
			if err := c.EnableFullDuplex(); err != nil {
				t.Error(err)
			}
		}
		c.Flush()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			fmt.Fprintln(w, lines.Text())
			c.Flush()
		}
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	}
	for _, scheme := range []string{"http", "h2c", "https"} {
		t.Run(scheme, func(t *testing.T) {
			transport := serveOver(t, scheme, echo)
			up, feed := io.Pipe()
			x := newExchange(t, "POST", "/pkg.Service/Method")
			x.Request.Length = -1
			x.Request.Header.Set("Content-Type", "application/grpc")
			r, failure := send(t, transport, x, Attempt{Stream: up})
			if failure != nil {
				t.Fatal(failure)
			}
			answers := bufio.NewReader(r.Body)
			for _, word := range []string{"one\n", "two\n", "three\n"} {
				io.WriteString(feed, word)
				if got, err := answers.ReadString('\n'); got != word || err != nil {
					t.Fatalf("got %q, %v, must be %q", got, err, word)
				}
			}
			feed.Close()
			if rest, err := io.ReadAll(answers); len(rest) > 0 || err != nil {
				t.Fatalf("after the end: %q, %v", rest, err)
			}
			if got := r.Trailer().Get("Grpc-Status"); got != "0" {
				t.Errorf("trailer %q, must be 0", got)
			}
			if !r.Stream {
				t.Error("the answer is not marked as a stream")
			}
			r.Body.Close()
		})
	}
}

func serveOver(t *testing.T, scheme string, h http.HandlerFunc) *Transport {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetHTTP2(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	target := Target{Connect: long}
	if scheme == "https" {
		s.EnableHTTP2 = true
		s.StartTLS()
		target.Roots = x509.NewCertPool()
		target.Roots.AddCert(s.Certificate())
		// The certificate is for this name, and dialling it would lead elsewhere.
		target.URL = &url.URL{Scheme: scheme, Host: "example.com"}
	} else {
		s.Start()
		target.URL = &url.URL{Scheme: scheme, Host: s.Listener.Addr().String()}
	}
	t.Cleanup(s.Close)
	target.Address = s.Listener.Addr().String()
	transport := New(target)
	t.Cleanup(func() {
		transport.Drop()
		transport.Close()
	})
	return transport
}

func TestVersionSpoken(t *testing.T) {
	for scheme, version := range map[string]string{"http": "HTTP/1.1", "h2c": "HTTP/2.0", "https": "HTTP/2.0"} {
		transport := serveOver(t, scheme, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto+" "+r.Host) })
		for _, method := range []string{"GET", "POST"} {
			r, failure := send(t, transport, newExchange(t, method, "/"), Attempt{Payload: []byte("x")})
			if failure != nil {
				t.Fatalf("%s: %v", scheme, failure)
			}
			if got, want := mustRead(t, r), version+" shop.example"; got != want {
				t.Errorf("%s: the endpoint saw %q, must be %q", scheme, got, want)
			}
		}
	}
}

func TestUpgrade(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Connection") != "Upgrade" {
			t.Errorf("the endpoint got Upgrade %q, Connection %q", r.Header.Get("Upgrade"), r.Header.Get("Connection"))
		}
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.Copy(c, rw)
	}
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			transport := serveOver(t, scheme, echo)
			x := newExchange(t, "GET", "/chat")
			x.Request.Upgrade = "websocket"
			r, failure := send(t, transport, x, Attempt{Timeout: time.Second})
			if failure != nil {
				t.Fatal(failure)
			}
			if r.Status != 101 || r.Conn == nil {
				t.Fatalf("got %d, connection %v", r.Status, r.Conn)
			}
			transport.Close() // as a reload does
			io.WriteString(r.Conn, "hello")
			got := make([]byte, 5)
			if _, err := io.ReadFull(r.Conn, got); err != nil || string(got) != "hello" {
				t.Errorf("got %q, %v", got, err)
			}
			if err := r.Conn.(halfCloser).CloseWrite(); err != nil {
				t.Error(err)
			}
			if rest, err := io.ReadAll(r.Conn); len(rest) > 0 || err != nil {
				t.Errorf("after this half was closed: %q, %v", rest, err)
			}
			if err := r.Conn.Close(); err != nil {
				t.Error(err)
			}
			eventually(t, "the connection is closed", func() bool { return transport.open() == 0 })
		})
	}
}

// TestTargets: the endpoint gets the target as the client sent it.
func TestTargets(t *testing.T) {
	transport := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RequestURI) })
	for _, target := range []string{
		"/", "/a/b?c=d", "/a?", "/a%2Fb%20c", "/a//b/", "//a/b?c", "/a;b=c,d", "/?a=b;c&&", "/%C3%A9", "//a%2Fb", "/a'b(c)!*",
	} {
		r, failure := send(t, transport, newExchange(t, "GET", target), Attempt{})
		if failure != nil {
			t.Errorf("%s: %v", target, failure)
			continue
		}
		if got := mustRead(t, r); got != target {
			t.Errorf("the endpoint got %q, must be %q", got, target)
		}
	}
	transport.prefix = "/base"
	r, failure := send(t, transport, newExchange(t, "GET", "/a?b"), Attempt{})
	if failure != nil {
		t.Fatal(failure)
	}
	if got := mustRead(t, r); got != "/base/a?b" {
		t.Errorf("with a path in the endpoint's URL the endpoint got %q", got)
	}
}

// TestFraming: lengths and trailers come through as they are.
func TestFraming(t *testing.T) {
	var got struct {
		length  int64
		coding  []string
		trailer string
	}
	transport := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		got.length, got.coding, got.trailer = r.ContentLength, r.TransferEncoding, r.Trailer.Get("X-Sum")
	})
	tests := []struct {
		method  string
		payload []byte
		stream  io.Reader
		length  int64
		trailer bool
		want    string
	}{
		{method: "GET", want: `0 [] ""`},
		{method: "POST", want: `0 [] ""`},
		{method: "POST", payload: []byte("abc"), want: `3 [] ""`},
		{method: "DELETE", payload: []byte("abc"), want: `3 [] ""`},
		{method: "PUT", stream: strings.NewReader("abc"), length: 3, want: `3 [] ""`},
		{method: "PUT", stream: strings.NewReader("abc"), length: -1, want: `-1 [chunked] ""`},
		{method: "GET", stream: strings.NewReader("abc"), length: -1, want: `-1 [chunked] ""`},
		{method: "POST", stream: strings.NewReader("abc"), length: -1, trailer: true, want: `-1 [chunked] "7"`},
	}
	for _, test := range tests {
		x := newExchange(t, test.method, "/")
		x.Request.Length = test.length
		a := Attempt{Payload: test.payload, Stream: test.stream}
		if test.trailer {
			known := exchange.Fields{"X-Sum": nil}
			a.Trailer = func() exchange.Header {
				defer func() { known = exchange.Fields{"X-Sum": {"7"}, "X-Unannounced": {"1"}} }()
				return known
			}
		}
		r, failure := send(t, transport, x, a)
		if failure != nil {
			t.Fatal(failure)
		}
		mustRead(t, r)
		if s := fmt.Sprintf("%d %v %q", got.length, got.coding, got.trailer); s != test.want {
			t.Errorf("%s %q: the endpoint saw %s, must be %s", test.method, test.payload, s, test.want)
		}
	}
}

// TestExpectContinue: the body of a client that waits for leave is not asked for before the endpoint gives it.
func TestExpectContinue(t *testing.T) {
	transport := to(t, "http", raw(t, func(c net.Conn, _ int) {
		if head := readHead(c); !strings.Contains(head, "Expect: 100-continue") {
			t.Errorf("Expect is missing in %q", head)
		}
		io.WriteString(c, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	}))
	x := newExchange(t, "POST", "/")
	x.Request.Header.Set("Expect", "100-continue")
	x.Request.Length = 1 << 20
	body := stall(t, "abc")
	r, failure := send(t, transport, x, Attempt{Stream: body})
	if failure != nil || r.Status != 417 {
		t.Fatalf("got %v %v", r, failure)
	}
	if n := body.reads.Load(); n != 0 {
		t.Errorf("the body was read %d times", n)
	}
}

// TestConnectionsAreReused: none of the ways an answer can end costs the connection.
func TestConnectionsAreReused(t *testing.T) {
	transport := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/none":
			w.WriteHeader(204)
		case "/large":
			io.WriteString(w, strings.Repeat("a", 100_000))
		default:
			io.WriteString(w, "ok")
		}
	})
	for range 5 {
		for _, x := range []*exchange.Exchange{
			newExchange(t, "GET", "/"), newExchange(t, "GET", "/none"), newExchange(t, "HEAD", "/large"), newExchange(t, "GET", "/large"),
		} {
			r, failure := send(t, transport, x, Attempt{})
			if failure != nil {
				t.Fatal(failure)
			}
			mustRead(t, r)
		}
	}
	if n := transport.open(); n != 1 {
		t.Errorf("%d connections were needed, must be 1", n)
	}
	transport.Close()
	if n := transport.open(); n != 0 {
		t.Errorf("%d connections are open after Close", n)
	}
}
