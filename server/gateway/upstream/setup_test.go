package upstream

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// short is the attempt timeout of tests that wait for it, long is one that must not be reached.
const short, long = 100 * time.Millisecond, 20 * time.Second

// client records what it is told.
type client struct {
	mu       sync.Mutex
	informed []int
}

func (c *client) Send(*exchange.Answer) error { return nil }

func (c *client) Inform(status int, _ exchange.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.informed = append(c.informed, status)
}

func newExchange(t *testing.T, method, target string) *exchange.Exchange {
	t.Helper()
	return &exchange.Exchange{
		Context: t.Context(),
		Request: exchange.Request{
			Method: method, Scheme: "http", Host: "shop.example", Path: target, Target: target, Proto: "HTTP/1.1",
			Header: exchange.NewFields(), Peer: netip.MustParseAddr("192.0.2.7"), Client: netip.MustParseAddr("192.0.2.7"),
		},
		Reply:  exchange.NewFields(),
		Client: &client{},
	}
}

// raw is a server that misbehaves as a test wants: serve gets each connection and its number, 1, 2, ….
func raw(t *testing.T, serve func(c net.Conn, number int)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var open sync.Map
	wg.Go(func() {
		for number := 1; ; number++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Store(c, true)
			wg.Go(func() {
				defer c.Close()
				serve(c, number)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		open.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
		wg.Wait()
	})
	return l.Addr().String()
}

// readHead reads a request's head and returns it.
func readHead(c net.Conn) string {
	r := bufio.NewReader(c)
	var head strings.Builder
	for {
		line, err := r.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String()
		}
	}
}

// reset closes a connection so that the other side sees a reset.
func reset(c net.Conn) {
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

func to(t *testing.T, scheme, address string) *Transport {
	t.Helper()
	transport := New(Target{URL: &url.URL{Scheme: scheme, Host: address}, Address: address, Name: "a", Connect: 5 * time.Second})
	t.Cleanup(func() {
		transport.Drop()
		transport.Close()
	})
	return transport
}

func serve(t *testing.T, h http.HandlerFunc) *Transport {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return to(t, "http", s.Listener.Addr().String())
}

func send(t *testing.T, transport *Transport, x *exchange.Exchange, a Attempt) (*Reply, *Error) {
	t.Helper()
	if a.Head == nil {
		a.Head = Prepare(x)
	}
	if a.Number == 0 {
		a.Number = 1
	}
	if a.Timeout == 0 {
		a.Timeout = long
	}
	return transport.Send(x.Context, x, a)
}

// mustRead is the whole body, which must be complete.
func mustRead(t *testing.T, r *Reply) string {
	t.Helper()
	if r.Body == nil {
		return ""
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	if err := r.Body.Close(); err != nil {
		t.Fatalf("closing the answer: %v", err)
	}
	return string(text)
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("did not happen: %s", what)
		}
	}
}

// stalled is a request body that gives its first bytes and then nothing until the test ends.
type stalled struct {
	first   string
	release chan struct{}
	reads   atomic.Int32
}

func stall(t *testing.T, first string) *stalled {
	s := &stalled{first: first, release: make(chan struct{})}
	t.Cleanup(func() { close(s.release) })
	return s
}

func (s *stalled) Read(p []byte) (int, error) {
	s.reads.Add(1)
	if s.first != "" {
		n := copy(p, s.first)
		s.first = s.first[n:]
		return n, nil
	}
	<-s.release
	return 0, io.ErrUnexpectedEOF
}
