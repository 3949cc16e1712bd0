package front

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// seen is what a handler saw of a request.
type seen struct {
	exchange.Request
	fields http.Header
	text   string
	err    error
	record int64
}

// watch keeps what was seen, and answers.
func watch(to chan<- seen) func(*exchange.Exchange) {
	return func(x *exchange.Exchange) {
		s := seen{Request: x.Request, fields: http.Header(x.Request.Header.(exchange.Fields)).Clone()}
		if x.Request.Body != nil {
			text, err := io.ReadAll(x.Request.Body)
			s.text, s.err = string(text), err
		}
		if p, ok := exchange.ProblemOf(s.err); ok {
			_ = x.Refuse(p) // what the client gets is looked at
		} else {
			_ = x.Client.Send(&exchange.Answer{Status: 200, Header: exchange.NewFields()})
		}
		s.record = x.Record.Received
		to <- s
	}
}

func TestRequestIsUnderstood(t *testing.T) {
	got := make(chan seen, 1)
	b := setup(t, watch(got))
	for name, c := range map[string]struct {
		text string
		want exchange.Request
		body string
	}{
		"plain":         {"GET /a/b?c=d%2F HTTP/1.1\r\nHost: x.example:80\r\n\r\n", exchange.Request{Method: "GET", Host: "x.example:80", Path: "/a/b", Target: "/a/b?c=d%2F"}, ""},
		"escaped":       {"GET /a%20b%41?x HTTP/1.1\r\nHost: x\r\n\r\n", exchange.Request{Method: "GET", Host: "x", Path: "/a bA", Target: "/a%20b%41?x"}, ""},
		"encoded slash": {"GET /a%2Fb%20c HTTP/1.1\r\nHost: x\r\n\r\n", exchange.Request{Method: "GET", Host: "x", Path: "/a%2Fb c", Target: "/a%2Fb%20c"}, ""},
		"absolute":      {"GET http://x/a?b HTTP/1.1\r\nHost: x\r\n\r\n", exchange.Request{Method: "GET", Host: "x", Path: "/a", Target: "/a?b"}, ""},
		"bare absolute": {"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n", exchange.Request{Method: "GET", Host: "x", Path: "/", Target: "/"}, ""},
		"IPv6":          {"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", exchange.Request{Method: "GET", Host: "[::1]:80", Path: "/", Target: "/"}, ""},
		"HTTP/1.0":      {"GET / HTTP/1.0\r\n\r\n", exchange.Request{Method: "GET", Path: "/", Target: "/", Proto: "HTTP/1.0"}, ""},
		"with a length": {"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", exchange.Request{Method: "PUT", Host: "x", Path: "/", Target: "/", Length: 5}, "hello"},
		"in chunks":     {"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", exchange.Request{Method: "PUT", Host: "x", Path: "/", Target: "/", Length: -1}, "hello"},
		"empty body":    {"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", exchange.Request{Method: "PUT", Host: "x", Path: "/", Target: "/"}, ""},
		"upgrade":       {"GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n", exchange.Request{Method: "GET", Host: "x", Path: "/", Target: "/", Upgrade: "websocket"}, ""},
		"no upgrade":    {"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n", exchange.Request{Method: "GET", Host: "x", Path: "/", Target: "/"}, ""},
		"to HTTP/2":     {"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n", exchange.Request{Method: "GET", Host: "x", Path: "/", Target: "/"}, ""},
		"with a body":   {"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx", exchange.Request{Method: "GET", Host: "x", Path: "/", Target: "/", Length: 1}, "x"},
	} {
		if c.want.Proto == "" {
			c.want.Proto = "HTTP/1.1"
		}
		dial(t, b.address).send(c.text)
		s := await(t, name, got)
		is := exchange.Request{Method: s.Method, Host: s.Host, Path: s.Path, Target: s.Target, Proto: s.Proto, Length: s.Length, Upgrade: s.Upgrade}
		if !reflect.DeepEqual(is, c.want) || s.text != c.body || s.err != nil || s.Scheme != "http" || s.Peer.String() != "127.0.0.1" || s.record != int64(len(c.body)) {
			t.Errorf("%s: %+v, body %q %v", name, s, s.text, s.err)
		}
	}
}

func TestOnlyTrustedHopsAreBelieved(t *testing.T) {
	const head = "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.7\r\nForwarded: for=192.0.2.8\r\nGabion-Hop: 1\r\n" +
		"X-Gabion-Attempt: 2\r\nX-Gabion-Timeout-Ms: 50\r\nX-Real-Ip: 192.0.2.9\r\nX-Own: 1\r\n\r\n"
	for _, trusted := range []bool{true, false} {
		got := make(chan seen, 1)
		b := setup(t, watch(got), func(c *Config) {
			if trusted {
				c.Trusted = prefixes(t, "127.0.0.0/8")
			}
		})
		dial(t, b.address).send(head)
		s := await(t, "request", got)
		want := "127.0.0.1"
		if trusted {
			want = "192.0.2.7"
		}
		if s.Client.String() != want || s.From != want || s.Peer.String() != "127.0.0.1" {
			t.Errorf("trusted %v: client %v, %s, peer %v", trusted, s.Client, s.From, s.Peer)
		}
		for name, always := range map[string]bool{
			"X-Forwarded-For": false, "Forwarded": false, "Gabion-Hop": false, "X-Gabion-Attempt": false, "X-Real-Ip": false,
			"X-Gabion-Timeout-Ms": true, "X-Own": true,
		} {
			if there := s.fields.Get(name) != ""; there != (always || trusted) {
				t.Errorf("trusted %v: %s there: %v", trusted, name, there)
			}
		}
	}
}

func TestForwardedIsReadLikeXForwardedFor(t *testing.T) {
	for text, want := range map[string]string{
		"for=192.0.2.7": "192.0.2.7",
		"proto=https ; For=\"[2001:db8::7]:4711\";by=10.0.0.1": "2001:db8::7",
		"for=1.1.1.1, for=192.0.2.7, for=127.0.0.2":            "192.0.2.7",
		`for="a,b", for=192.0.2.7`:                             "192.0.2.7",
		`for="\",", for=192.0.2.7`:                             "192.0.2.7",
		"for=192.0.2.7, for=_hidden":                           "127.0.0.1",
		"for=192.0.2.7, by=10.0.0.1":                           "127.0.0.1",
		`for=192.0.2.7;x=", for=192.0.2.8`:                     "192.0.2.7",
		"":                                                     "127.0.0.1",
		" , ":                                                  "127.0.0.1",
	} {
		got := make(chan seen, 1)
		b := setup(t, watch(got), func(c *Config) { c.Trusted = prefixes(t, "127.0.0.0/8") })
		dial(t, b.address).send("GET / HTTP/1.1\r\nHost: x\r\nForwarded: " + text + "\r\n\r\n")
		if s := await(t, text, got); s.Client.String() != want {
			t.Errorf("%s: %v, want %s", text, s.Client, want)
		}
	}
}

func FuzzForwarded(f *testing.F) {
	f.Add(`for="[::1]:80";by=x, for=192.0.2.7`, `for="\"`)
	f.Fuzz(func(t *testing.T, a, b string) {
		nodes := forwardedFor([]string{a, b})
		if len(nodes) > strings.Count(a+b, ",")+2 {
			t.Errorf("%q, %q: more nodes than elements: %q", a, b, nodes)
		}
		// What a trusted hop adds in a line of its own always counts.
		if last := forwardedFor([]string{a, b, "for=192.0.2.7"}); last[len(last)-1] != "192.0.2.7" {
			t.Errorf("%q, %q: %q", a, b, last)
		}
	})
}

func TestBodyThatIsTooLarge(t *testing.T) {
	got := make(chan seen, 1)
	b := setup(t, watch(got))
	for name, ask := range versions(t, b) {
		exact := bytes.Repeat([]byte("x"), 64<<10)
		if r, _, err := ask("POST", "/", bytes.NewReader(exact)); err != nil || r.StatusCode != 200 {
			t.Errorf("%s: the largest that is allowed: %v %v", name, r, err)
		}
		if s := await(t, name, got); len(s.text) != len(exact) || s.err != nil {
			t.Errorf("%s: %d bytes, %v", name, len(s.text), s.err)
		}
		// Without a length it turns out only while it comes.
		r, text, err := ask("POST", "/", struct{ io.Reader }{bytes.NewReader(append(exact, 'y'))})
		if err != nil || r.StatusCode != 413 || !strings.Contains(text, exchange.BodyTooLarge) {
			t.Errorf("%s: %v %q %v", name, r, text, err)
		}
		if s := await(t, name, got); !errors.Is(s.err, exchange.ErrBodyTooLarge) {
			t.Errorf("%s: %v", name, s.err)
		}
	}
}

func TestBrokenBodies(t *testing.T) {
	got := make(chan seen, 1)
	b := setup(t, watch(got))
	const head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, chunks := range []string{"xyz\r\nhello\r\n0\r\n\r\n", "5\r\nhelloworld\r\n0\r\n\r\n", "5\nhello\r\n0\r\n\r\n", "0\r\nX: y\n\r\n", "ffffffffffffffffff\r\n"} {
		w := dial(t, b.address).send(head + chunks)
		if s := await(t, chunks, got); !errors.Is(s.err, exchange.ErrBodyBroken) {
			t.Errorf("%q: %q, %v", chunks, s.text, s.err)
		}
		refused(t, w, exchange.BadRequest)
	}
	dial(t, b.address).send(head + "5\r\nhel").Close()
	if s := await(t, "half a chunk", got); !errors.Is(s.err, exchange.ErrClientGone) {
		t.Errorf("half a chunk: %v", s.err)
	}
}

// TestUploadThatIsCutShort: a client that goes away in the middle of its body is gone, whatever it speaks. Nobody is
// left to answer, and nothing is wrong with the request.
func TestUploadThatIsCutShort(t *testing.T) {
	came, ended := make(chan string, 1), make(chan seen, 1)
	b := setup(t, func(x *exchange.Exchange) {
		first := make([]byte, 5)
		_, err := io.ReadFull(x.Request.Body, first)
		came <- string(first)
		if err == nil {
			_, err = io.ReadAll(x.Request.Body)
		}
		ended <- seen{err: err, record: x.Received()}
	})
	// upload sends a part of a body over HTTP/2 and gives what is left of the client.
	upload := func() (context.CancelFunc, net.Conn) {
		conns := make(chan net.Conn, 1)
		c := client2(t, nil)
		c.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			conns <- conn
			return conn, err
		}
		read, write := io.Pipe()
		t.Cleanup(func() { write.Close() })
		ctx, cancel := context.WithCancel(t.Context())
		request, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+b.address, read)
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = 10
		go func() {
			if r, err := c.Do(request); err == nil {
				t.Errorf("answered with %s", r.Status)
				r.Body.Close()
			}
		}()
		io.WriteString(write, "hello")
		return cancel, await(t, "the connection", conns)
	}
	for name, cut := range map[string]func(){
		"HTTP/1.1, a length": func() {
			w := dial(t, b.address).send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello")
			await(t, "the first part", came)
			w.Close()
		},
		"HTTP/1.1, chunks": func() {
			w := dial(t, b.address).send("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
			await(t, "the first part", came)
			w.Close()
		},
		"HTTP/2, the stream": func() {
			cancel, _ := upload()
			await(t, "the first part", came)
			cancel()
		},
		"HTTP/2, the connection": func() {
			cancel, conn := upload()
			await(t, "the first part", came)
			conn.Close()
			cancel()
		},
	} {
		cut()
		if s := await(t, name, ended); !errors.Is(s.err, exchange.ErrClientGone) || s.record != 5 {
			t.Errorf("%s: %d bytes, %v", name, s.record, s.err)
		}
	}
}

func TestBodyErrIsKnownWhenTheContextEnds(t *testing.T) {
	known := make(chan error, 1)
	b := setup(t, func(x *exchange.Exchange) {
		go io.Copy(io.Discard, x.Request.Body)
		<-x.Context.Done()
		known <- x.BodyErr()
	})
	w := dial(t, b.address).send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").send("xyz\r\n")
	if err := await(t, "context", known); !errors.Is(err, exchange.ErrBodyBroken) {
		t.Errorf("%v", err)
	}
	// Nobody has answered, but the client is there and deserves to know.
	refused(t, w, exchange.BadRequest)
}

func TestContinueIsSaidOnlyWhenTheBodyIsWanted(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
	got := make(chan seen, 1)
	b := setup(t, watch(got))
	w := dial(t, b.address).send(head)
	if r, _, err := w.read("POST"); err != nil || r.StatusCode != 100 {
		t.Errorf("%v %v", r, err)
	}
	w.send("hello")
	if r, _, err := w.read("POST"); err != nil || r.StatusCode != 200 {
		t.Errorf("%v %v", r, err)
	}
	if s := await(t, "body", got); s.text != "hello" {
		t.Errorf("%q %v", s.text, s.err)
	}
	b = setup(t, func(x *exchange.Exchange) { _ = x.Refuse(exchange.Problem{Type: exchange.RateLimited}) })
	if r, _, err := dial(t, b.address).send(head).read("POST"); err != nil || r.StatusCode != 429 || !r.Close {
		t.Errorf("%v %v", r, err)
	}
}

func TestEarlyAnswerToAnUpload(t *testing.T) {
	b := setup(t, func(x *exchange.Exchange) { _ = x.Refuse(exchange.Problem{Type: exchange.RateLimited}) })
	w := dial(t, b.address).send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
	// The answer comes although half of the body is still missing.
	if r, _, err := w.read("POST"); err != nil || r.StatusCode != 429 {
		t.Fatalf("%v %v", r, err)
	}
	w.send("67890" + get)
	if r, _, err := w.read("GET"); err != nil || r.StatusCode != 429 {
		t.Errorf("the connection is of use afterwards: %v %v", r, err)
	}
}

func TestReadingAfterTheEndFails(t *testing.T) {
	bodies := make(chan io.Reader, 1)
	b := setup(t, func(x *exchange.Exchange) {
		bodies <- x.Request.Body
		_ = x.Client.Send(&exchange.Answer{Status: 200, Header: exchange.NewFields()})
	})
	for name, ask := range versions(t, b) {
		if _, _, err := ask("POST", "/", strings.NewReader("hello")); err != nil {
			t.Error(name, err)
		}
		body := await(t, name, bodies)
		eventually(t, "the exchange ends", func() bool { return b.inFlight.Load() == 0 })
		if n, err := body.Read(make([]byte, 5)); n > 0 || err == nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
}

func TestPipelining(t *testing.T) {
	b := setup(t, func(x *exchange.Exchange) { respond(200, nil, x.Request.Path)(x) })
	w := dial(t, b.address)
	var all strings.Builder
	for _, path := range []string{"/1", "/2", "/3"} {
		all.WriteString("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
		all.WriteString("POST " + path + "p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
	}
	w.send(all.String())
	for _, want := range []string{"/1", "/1p", "/2", "/2p", "/3", "/3p"} {
		if r, body, err := w.read("GET"); err != nil || r.StatusCode != 200 || body != want {
			t.Fatalf("%v %q %v, want %s", r, body, err, want)
		}
	}
}

func TestRestOfAnInterruptedBodyIsNoRequest(t *testing.T) {
	asked := make(chan string, 2)
	b := setup(t, func(x *exchange.Exchange) {
		asked <- x.Request.Path
		if x.Request.Body != nil {
			x.Request.Body.(interface{ Interrupt() }).Interrupt()
			if _, err := x.Request.Body.Read(make([]byte, 1)); err == nil || x.BodyErr() != nil {
				t.Errorf("%v, %v", err, x.BodyErr())
			}
		}
		respond(200, nil, "")(x)
	})
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	w := dial(t, b.address).send("POST /first HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
	if r, _, err := w.read("POST"); err != nil || r.StatusCode != 200 {
		t.Fatal(r, err)
	}
	if _, err := io.WriteString(w.Conn, smuggled); err == nil {
		if rest, _ := io.ReadAll(w.in); len(rest) > 0 {
			t.Errorf("answered %q", rest)
		}
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if first := <-asked; first != "/first" || len(asked) > 0 {
		t.Errorf("asked for %s, and %d more", first, len(asked))
	}
}
