package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// TestBadEndpoints shows what becomes of each way in which an endpoint can misbehave before the head is complete.
func TestBadEndpoints(t *testing.T) {
	hang := func(c net.Conn) { io.Copy(io.Discard, c) } // until this side closes
	say := func(text string) func(net.Conn) {
		return func(c net.Conn) {
			readHead(c)
			io.WriteString(c, text)
		}
	}
	tests := []struct {
		name  string
		serve func(c net.Conn)
		kind  Kind
	}{
		{"accept and close", func(net.Conn) {}, Reset},
		{"accept and reset", reset, Reset},
		{"read and close", func(c net.Conn) { readHead(c) }, Reset},
		{"read and reset", func(c net.Conn) { readHead(c); reset(c) }, Reset},
		{"accept and hang", hang, Timeout},
		{"hang in the status line", func(c net.Conn) { readHead(c); io.WriteString(c, "HTTP/1.1 2"); hang(c) }, Timeout},
		{"hang in the head", func(c net.Conn) { readHead(c); io.WriteString(c, "HTTP/1.1 200 OK\r\nA: b\r\n"); hang(c) }, Timeout},
		{"close in the status line", say("HTTP/1.1 2"), Reset},
		{"close in the head", say("HTTP/1.1 200 OK\r\nContent-Le"), Reset},
		{"another protocol", say("SSH-2.0-OpenSSH_9.9\r\n"), Protocol},
		{"noise", say("\x00\x01\x02\x03\r\n\r\n"), Protocol},
		{"another version", say("HTTP/7.0 200 OK\r\n\r\n"), Protocol},
		{"no number", say("HTTP/1.1 abc OK\r\n\r\n"), Protocol},
		{"no field", say("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), Protocol},
		{"a blank in a name", say("HTTP/1.1 200 OK\r\nContent Length: 3\r\n\r\nabc"), Protocol},
		{"a switch that was not asked for", func(c net.Conn) {
			readHead(c)
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n")
			waitClose(c)
		}, Protocol},
		{"two lengths", say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"), Protocol},
		{"negative length", say("HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc"), Protocol},
		{"unknown coding", say("HTTP/1.1 200 OK\r\nTransfer-Encoding: what\r\n\r\nabc"), Protocol},
		{"endless line", func(c net.Conn) { readHead(c); io.WriteString(c, "HTTP/1.1 200 OK\r\nA: "); flood(c, "aaaaaaaa") }, Protocol},
		{"endless head", func(c net.Conn) { readHead(c); io.WriteString(c, "HTTP/1.1 200 OK\r\n"); flood(c, "A: b\r\n") }, Protocol},
		{"endless hints", func(c net.Conn) { readHead(c); flood(c, "HTTP/1.1 103 Early Hints\r\n\r\n") }, Protocol},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			transport := to(t, "http", raw(t, func(c net.Conn, _ int) { test.serve(c) }))
			timeout := long
			if test.kind == Timeout {
				timeout = short
			}
			_, err := send(t, transport, newExchange(t, "GET", "/"), Attempt{Timeout: timeout})
			if err == nil {
				t.Fatal("there was an answer")
			}
			if resetWhileDialling := test.kind == Reset && err.Kind == Connect && !err.Sent; err.Kind != test.kind && !resetWhileDialling {
				t.Errorf("failed with %v, must be %v", err, test.kind)
			}
			eventually(t, "the connection is closed", func() bool { return transport.open() == 0 })
		})
	}
}

// flood writes text until the connection is closed.
func flood(c net.Conn, text string) {
	block := strings.Repeat(text, 1000)
	for {
		if _, err := io.WriteString(c, block); err != nil {
			return
		}
	}
}

// open is how many connections there are.
func (t *Transport) open() int {
	t.dialer.mu.Lock()
	defer t.dialer.mu.Unlock()
	return len(t.dialer.open)
}

func TestConnectionRefusedSendsNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	body := stall(t, "")
	x := newExchange(t, "POST", "/")
	x.Request.Length = -1
	_, failure := send(t, to(t, "http", l.Addr().String()), x, Attempt{Stream: body})
	if failure == nil || failure.Kind != Connect || failure.Sent {
		t.Fatalf("got %v, must be connect with nothing sent", failure)
	}
	if n := body.reads.Load(); n != 0 {
		t.Errorf("the body was read %d times", n)
	}
}

func TestConnectTimeoutSendsNothing(t *testing.T) {
	transport := to(t, "https", raw(t, func(c net.Conn, _ int) { io.Copy(io.Discard, c) }))
	transport.dialer.connect = short // the handshake is never answered
	_, failure := send(t, transport, newExchange(t, "POST", "/"), Attempt{})
	if failure == nil || failure.Kind != Connect || failure.Sent {
		t.Fatalf("got %v, must be connect with nothing sent", failure)
	}
	transport.dialer.connect = long
	_, failure = send(t, transport, newExchange(t, "POST", "/"), Attempt{Timeout: short})
	if failure == nil || failure.Kind != Timeout || failure.Sent {
		t.Fatalf("got %v, must be timeout with nothing sent", failure)
	}
}

// TestBrokenBodies: an answer that breaks after its head is never complete.
func TestBrokenBodies(t *testing.T) {
	tests := []struct {
		name, answer string
		end          func(net.Conn)
		kind         Kind
	}{
		{"short body, close", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", func(net.Conn) {}, Reset},
		{"short body, reset", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", reset, Reset},
		{"in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", func(net.Conn) {}, Reset},
		{"between chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", func(net.Conn) {}, Reset},
		{"bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n", func(net.Conn) {}, Protocol},
		{"no length, reset", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc", func(c net.Conn) { waitClose(c); reset(c) }, Timeout},
		{"slow body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", waitClose, Timeout},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			transport := to(t, "http", raw(t, func(c net.Conn, _ int) {
				readHead(c)
				io.WriteString(c, test.answer)
				test.end(c)
			}))
			r, failure := send(t, transport, newExchange(t, "GET", "/"), Attempt{})
			if failure != nil {
				t.Fatal(failure)
			}
			if test.kind == Timeout {
				r.Extend(short)
			}
			_, err := io.ReadAll(r.Body)
			var broken *Error
			if !errors.As(err, &broken) || broken.Kind != test.kind {
				t.Errorf("reading gave %v, must be %v", err, test.kind)
			}
			if err := r.Body.Close(); err != nil {
				t.Errorf("closing: %v", err)
			}
			eventually(t, "the connection is closed", func() bool { return transport.open() == 0 })
		})
	}
}

func waitClose(c net.Conn) { io.Copy(io.Discard, c) }

// TestStalePooledConnection: the endpoint closes a connection while it is idle, and takes the next one.
func TestStalePooledConnection(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		t.Run(method, func(t *testing.T) {
			transport := to(t, "http", raw(t, func(c net.Conn, number int) {
				for request := 1; ; request++ {
					if readHead(c) == "" {
						return
					}
					if number == 1 && request == 2 {
						reset(c) // took the request and died
						return
					}
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			}))
			body := []byte(nil)
			r, failure := send(t, transport, newExchange(t, "GET", "/"), Attempt{})
			if failure != nil {
				t.Fatal(failure)
			}
			mustRead(t, r)
			if method == "POST" {
				body = []byte("x")
			}
			r, failure = send(t, transport, newExchange(t, method, "/"), Attempt{Payload: body})
			if method == "GET" {
				if failure != nil || mustRead(t, r) != "ok" || r.Sends != 2 {
					t.Errorf("GET: %v after %d sends", failure, r.Sends)
				}
				return
			}
			if failure == nil || failure.Kind != Reset || !failure.Sent {
				t.Errorf("POST: %v, must be a reset after it was sent", failure)
			}
		})
	}
}

// TestClosedWhileIdle: nothing of a POST is lost to a connection that the endpoint closed while it was idle.
func TestClosedWhileIdle(t *testing.T) {
	transport := to(t, "http", raw(t, func(c net.Conn, _ int) {
		readHead(c)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}))
	for i := range 20 {
		r, failure := send(t, transport, newExchange(t, "POST", "/"), Attempt{Payload: []byte("x")})
		if failure != nil {
			t.Fatalf("request %d: %v", i, failure)
		}
		mustRead(t, r)
		eventually(t, "the endpoint has closed the connection", func() bool {
			engine := transport.main.(*plain)
			engine.idle.mu.Lock()
			defer engine.idle.mu.Unlock()
			return len(engine.idle.lines) == 1 && !engine.idle.lines[0].silent()
		})
	}
}

func TestClientGone(t *testing.T) {
	arrived, released := make(chan struct{}), make(chan struct{})
	transport := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(released)
	})
	x := newExchange(t, "GET", "/")
	ctx, leave := context.WithCancel(t.Context())
	x.Context = ctx
	go func() {
		<-arrived
		leave()
	}()
	_, failure := send(t, transport, x, Attempt{})
	if failure == nil || failure.Kind != Canceled {
		t.Fatalf("got %v, must be canceled", failure)
	}
	select {
	case <-released:
	case <-time.After(long):
		t.Fatal("the endpoint still works for nobody")
	}
}

// TestStalledUpload: whatever ends an attempt does not wait for a client that stopped sending its body.
func TestStalledUpload(t *testing.T) {
	tests := []struct {
		name  string
		serve func(c net.Conn, end <-chan struct{})
		first io.Reader // what comes before the client stops
		kind  Kind
	}{
		{"the endpoint takes nothing", func(_ net.Conn, end <-chan struct{}) { <-end }, io.LimitReader(endless{}, 32<<20), Timeout},
		{"deadline", func(c net.Conn, _ <-chan struct{}) { waitClose(c) }, strings.NewReader("abc"), Timeout},
		{"reset", func(c net.Conn, _ <-chan struct{}) { readHead(c); reset(c) }, strings.NewReader("abc"), Reset},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			end := make(chan struct{})
			transport := to(t, "http", raw(t, func(c net.Conn, _ int) { test.serve(c, end) }))
			t.Cleanup(func() { close(end) })
			x := newExchange(t, "POST", "/")
			x.Request.Length = 64 << 20
			timeout := long
			switch test.name {
			case "deadline":
				ctx, cancel := context.WithTimeout(t.Context(), short)
				defer cancel()
				x.Context = ctx
			case "the endpoint takes nothing":
				timeout = short
			}
			_, failure := send(t, transport, x, Attempt{Stream: io.MultiReader(test.first, stall(t, "")), Timeout: timeout})
			if failure == nil || failure.Kind != test.kind || !failure.Sent {
				t.Fatalf("got %v, must be %v", failure, test.kind)
			}
		})
	}
}

// TestSlowClient: the time of an attempt is the endpoint's; a client may take longer to send a body and to take one.
func TestSlowClient(t *testing.T) {
	transport := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, strings.Repeat("a", 8<<20))
	})
	x := newExchange(t, "POST", "/")
	x.Request.Length = 6
	const timeout = 5 * short
	pause := func() { <-time.After(2 * timeout) }
	r, failure := send(t, transport, x, Attempt{Stream: io.MultiReader(strings.NewReader("abc"), pausing(pause), strings.NewReader("def")), Timeout: timeout})
	if failure != nil {
		t.Fatal(failure)
	}
	r.Extend(timeout)
	if _, err := io.ReadFull(r.Body, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	pause()
	if n := len(mustRead(t, r)); n != 8<<20-1 {
		t.Errorf("read %d bytes", n)
	}
	if w := r.Waited(); w > timeout {
		t.Errorf("the endpoint was waited for %v", w)
	}
}

// pausing is a body that takes a while to give nothing.
type pausing func()

func (p pausing) Read([]byte) (int, error) {
	p()
	return 0, io.EOF
}

// TestBrokenUpload: when the client's body breaks off it is not the endpoint's fault, and the endpoint does not take
// what came for a complete request.
func TestBrokenUpload(t *testing.T) {
	result := make(chan error, 1)
	transport := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		result <- err
	})
	for _, length := range []int64{-1, 1 << 20} {
		x := newExchange(t, "POST", "/")
		x.Request.Length = length
		cause := fmt.Errorf("reading: %w", exchange.ErrBodySlow)
		body := io.MultiReader(strings.NewReader("abc"), failing{cause})
		_, failure := send(t, transport, x, Attempt{Stream: body})
		if failure == nil || failure.Kind != Canceled || !errors.Is(failure, exchange.ErrBodySlow) {
			t.Fatalf("length %d: %v, must be canceled by the slow body", length, failure)
		}
		if err := <-result; err == nil {
			t.Errorf("length %d: the endpoint took the request for complete", length)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestDropClosesAll(t *testing.T) {
	arrived := make(chan struct{}, 8)
	transport := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			arrived <- struct{}{}
			<-r.Context().Done()
		}
	})
	results := make(chan *Error, 8)
	for range 4 {
		go func() {
			_, failure := transport.Send(t.Context(), newExchange(t, "GET", "/hang"), Attempt{Number: 1, Head: Prepare(newExchange(t, "GET", "/hang"))})
			results <- failure
		}()
	}
	for range 4 {
		<-arrived
	}
	if _, failure := send(t, transport, newExchange(t, "GET", "/"), Attempt{}); failure != nil {
		t.Fatal(failure)
	}
	if n := transport.open(); n != 5 {
		t.Fatalf("%d connections are open, must be 5", n)
	}
	transport.Drop()
	for range 4 {
		if failure := <-results; failure == nil || failure.Kind != Reset || !failure.Sent {
			t.Errorf("a request in flight ended with %v, must be reset", failure)
		}
	}
	if n := transport.open(); n != 0 {
		t.Errorf("%d connections are still open", n)
	}
	r, failure := send(t, transport, newExchange(t, "POST", "/"), Attempt{Payload: []byte("x")})
	if failure != nil || r.Sends != 1 {
		t.Errorf("the next request: %v", failure)
	}
}
