package upstream

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// idle are the idle connections of the plain engine.
func (t *Transport) idle() []*line {
	p := &t.main.(*plain).idle
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

// TestEndedAttemptsDoNotTouchTheNext: attempts end at every moment, by their time and by their client, while others use
// the same connections. No answer is another request's, and none of those that nobody ended breaks.
func TestEndedAttemptsDoNotTouchTheNext(t *testing.T) {
	transport := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if text, err := io.ReadAll(r.Body); err == nil {
			io.WriteString(w, r.URL.Path+string(text))
		}
	})
	var whole, broken atomic.Int32
	one := func(target string, kind int) {
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		x := newExchange(t, "POST", target)
		x.Context = ctx
		a := Attempt{Payload: []byte(strings.Repeat("x", rand.IntN(40<<10)))}
		soon := 1 + time.Duration(rand.IntN(2000))*time.Microsecond
		switch kind {
		case 0:
			a.Timeout = soon
		case 1:
			timer := time.AfterFunc(soon, leave)
			defer timer.Stop()
		}
		var text []byte
		r, failure := send(t, transport, x, a)
		err := error(failure)
		if failure == nil {
			text, err = io.ReadAll(r.Body)
			r.Body.Close()
		}
		switch {
		case err == nil && string(text) != target+string(a.Payload):
			t.Errorf("%s got the answer of another: %.20q", target, text)
		case err == nil:
			whole.Add(1)
		case kind > 1:
			t.Errorf("%s: %v", target, err)
		default:
			broken.Add(1)
		}
	}
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			for i := range 150 {
				one(fmt.Sprintf("/%d/%d", worker, i), i%4)
			}
		})
	}
	wg.Wait()
	if whole.Load() == 0 || broken.Load() == 0 {
		t.Errorf("%d answers came and %d broke: the test shows nothing", whole.Load(), broken.Load())
	}
}

// TestUnaskedAnswer: what an endpoint says while nobody has asked is not taken for the next answer.
func TestUnaskedAnswer(t *testing.T) {
	taken := make(chan struct{})
	transport := to(t, "http", raw(t, func(c net.Conn, _ int) {
		readHead(c)
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		<-taken
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
		waitClose(c)
	}))
	for range 10 {
		r, failure := send(t, transport, newExchange(t, "GET", "/"), Attempt{})
		if failure != nil {
			t.Fatal(failure)
		}
		if text := mustRead(t, r); text != "ok" {
			t.Fatalf("got %q", text)
		}
		taken <- struct{}{}
		eventually(t, "the second answer is here", func() bool { return !transport.idle()[0].silent() })
	}
}

// TestLineBreaksAreNotSent: nothing in a request can make another one of it.
func TestLineBreaksAreNotSent(t *testing.T) {
	for name, change := range map[string]func(*exchange.Exchange){
		"method": func(x *exchange.Exchange) { x.Request.Method = "GET / HTTP/1.1\r\nX: y\r\n\r\nGET" },
		"target": func(x *exchange.Exchange) { x.Request.Target = "/ HTTP/1.1\r\nX: y\r\n\r\nGET /" },
		"blank":  func(x *exchange.Exchange) { x.Request.Target = "/a b" },
		"host":   func(x *exchange.Exchange) { x.Request.Host = "a\r\nX: y" },
		"field":  func(x *exchange.Exchange) { x.Request.Header.Set("X", "a\r\nY: z") },
		"nul":    func(x *exchange.Exchange) { x.Request.Header.Set("X", "a\x00") },
	} {
		t.Run(name, func(t *testing.T) {
			heard := make(chan []byte, 1)
			transport := to(t, "http", raw(t, func(c net.Conn, _ int) {
				text, _ := io.ReadAll(c) // until the other side closes
				heard <- text
			}))
			x := newExchange(t, "GET", "/")
			change(x)
			if _, failure := send(t, transport, x, Attempt{}); failure == nil || failure.Kind != Protocol || failure.Sent {
				t.Errorf("got %v, must be protocol with nothing sent", failure)
			}
			if text := <-heard; len(text) > 0 {
				t.Errorf("the endpoint got %q", text)
			}
		})
	}
}

// TestContinue: the body is sent when the endpoint asks for it, or says nothing for a while.
func TestContinue(t *testing.T) {
	for name, first := range map[string]string{"asks": "HTTP/1.1 100 Continue\r\n\r\n", "says nothing": ""} {
		t.Run(name, func(t *testing.T) {
			transport := to(t, "http", raw(t, func(c net.Conn, _ int) {
				in := bufio.NewReader(c)
				for {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					io.WriteString(c, first)
					text, err := io.ReadAll(r.Body)
					if err != nil {
						t.Error(err)
					}
					fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
				}
			}))
			for range 2 {
				x := newExchange(t, "POST", "/")
				x.Request.Header.Set("Expect", "100-continue")
				x.Request.Length = 5
				r, failure := send(t, transport, x, Attempt{Stream: strings.NewReader("hello")})
				if failure != nil {
					t.Fatal(failure)
				}
				if text := mustRead(t, r); text != "hello" {
					t.Errorf("the endpoint got %q", text)
				}
			}
			if n := transport.open(); n != 1 {
				t.Errorf("%d connections were needed, must be 1", n)
			}
		})
	}
}

// TestLengthThatIsNotTrue: a body that is not as long as was said never looks complete, and the connection is not used
// again.
func TestLengthThatIsNotTrue(t *testing.T) {
	transport := serve(t, func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	for _, text := range []string{"shorter", "longer than it"} {
		x := newExchange(t, "PUT", "/")
		x.Request.Length = 10
		if r, failure := send(t, transport, x, Attempt{Stream: strings.NewReader(text)}); failure == nil {
			mustRead(t, r)
		}
		eventually(t, text+": the connection is closed", func() bool { return transport.open() == 0 })
	}
}

// TestIdleConnectionsGrowOld: what nobody needs is closed, the rest stays.
func TestIdleConnectionsGrowOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pool
		add := func() *line {
			near, far := net.Pipe()
			t.Cleanup(func() { far.Close() })
			c := &conn{Conn: near, dialer: new(dialer)}
			l := newLine(c)
			p.put(l)
			return l
		}
		old := add()
		time.Sleep(idleTimeout / 2)
		young := add()
		time.Sleep(idleTimeout/2 + time.Second)
		synctest.Wait()
		if !old.closed.Load() || young.closed.Load() {
			t.Errorf("after %v: old is closed: %v, young: %v", idleTimeout, old.closed.Load(), young.closed.Load())
		}
		time.Sleep(idleTimeout / 2)
		synctest.Wait()
		if !young.closed.Load() || len(p.lines) > 0 || p.timer != nil {
			t.Errorf("closed: %v, %d lines left, timer %v", young.closed.Load(), len(p.lines), p.timer)
		}
		last := add()
		p.closeAll()
		if !last.closed.Load() || p.timer != nil {
			t.Error("closeAll leaves something")
		}
	})
}

// TestPoolIsBounded: a connection that is too much is closed.
func TestPoolIsBounded(t *testing.T) {
	var p pool
	p.lines = make([]*line, maxIdle)
	near, far := net.Pipe()
	defer far.Close()
	l := newLine(&conn{Conn: near, dialer: new(dialer)})
	if p.put(l); !l.closed.Load() || len(p.lines) != maxIdle {
		t.Error("it was kept")
	}
}
