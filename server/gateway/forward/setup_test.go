package forward

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/gateway/service"
	"github.com/gabion-io/gabion/server/gateway/upstream"
)

// short is a timeout that tests wait for, long is one that must not be reached.
const short, long = 100 * time.Millisecond, 20 * time.Second

// got is what a client got.
type got struct {
	status int
	header exchange.Header
	body   string
	err    error // of the endpoint's answer, once begun
	x      *exchange.Exchange
}

// client takes answers as a front engine does.
type client struct {
	got
	x       *exchange.Exchange
	calls   int
	took    func(part string) // is told of every part of a body
	join    func(io.ReadWriteCloser)
	bodyErr atomic.Pointer[error]
}

func (c *client) Send(a *exchange.Answer) error {
	c.calls++
	c.status, c.header = a.Status, a.Header
	c.x.Record.Status = a.Status
	if a.Conn != nil {
		defer a.Conn.Close()
		c.join(a.Conn)
		return nil
	}
	if a.Body == nil {
		return nil
	}
	defer a.Body.Close()
	var body strings.Builder
	buffer := make([]byte, 32<<10)
	for {
		n, err := a.Body.Read(buffer)
		body.Write(buffer[:n])
		if c.took != nil && n > 0 {
			c.took(string(buffer[:n]))
		}
		if err != nil {
			c.body = body.String()
			switch {
			case c.x.Context.Err() != nil:
				c.err = exchange.ErrClientGone
			case err != io.EOF:
				c.err = fmt.Errorf("%w: %w", exchange.ErrUpstreamBroke, err)
			case a.Length >= 0 && a.Length != int64(body.Len()):
				c.err = errors.New("the length of the answer is wrong")
			}
			return c.err
		}
	}
}

func (c *client) Inform(int, exchange.Header) {}

func (c *client) BodyErr() error {
	if err := c.bodyErr.Load(); err != nil {
		return *err
	}
	return nil
}

func newExchange(t *testing.T, method string) *exchange.Exchange {
	t.Helper()
	x := &exchange.Exchange{
		Context: t.Context(),
		Request: exchange.Request{
			Method: method, Scheme: "http", Host: "shop.example", Path: "/", Target: "/", Proto: "HTTP/1.1",
			Header: exchange.NewFields(), Peer: netip.MustParseAddr("192.0.2.7"), Client: netip.MustParseAddr("192.0.2.7"),
		},
		Reply:   exchange.NewFields(),
		Started: gabion.Now(), Wall: time.Now().UTC(),
	}
	x.Client = &client{x: x}
	return x
}

// withBody gives the request a body of known length.
func withBody(x *exchange.Exchange, body string) *exchange.Exchange {
	x.Request.Body, x.Request.Length = strings.NewReader(body), int64(len(body))
	return x
}

// run leads an exchange through the step.
func run(t *testing.T, s exchange.Step, x *exchange.Exchange) got {
	t.Helper()
	if s.Enter(x) {
		t.Error("the step left an exchange unanswered")
	}
	s.Leave(x)
	c := x.Client.(*client)
	if c.calls > 1 {
		t.Errorf("the client was answered %d times", c.calls)
	}
	c.got.x = x
	return c.got
}

// endpoint is a server that counts what it gets.
type endpoint struct {
	address string
	count   atomic.Int64
}

// raw is an endpoint that gets each connection, and closes it afterwards. It must read a request before it misbehaves.
func raw(t *testing.T, serve func(c net.Conn)) *endpoint {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &endpoint{address: l.Addr().String()}
	var wg sync.WaitGroup
	var open sync.Map
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Store(c, true)
			wg.Go(func() {
				defer c.Close()
				for r := bufio.NewReader(c); ; {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					if line == "\r\n" {
						break
					}
				}
				e.count.Add(1)
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		open.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
		wg.Wait()
	})
	return e
}

func serve(t *testing.T, h http.HandlerFunc) *endpoint {
	t.Helper()
	e := &endpoint{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.count.Add(1)
		h(w, r)
	}))
	t.Cleanup(s.Close)
	e.address = s.Listener.Addr().String()
	return e
}

// good answers ok.
func good(t *testing.T) *endpoint {
	return serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
}

// says answers with a status.
func says(t *testing.T, status int) *endpoint {
	return serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, "no")
	})
}

// dead refuses connections.
func dead(t *testing.T) *endpoint {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return &endpoint{address: l.Addr().String()}
}

// hangs takes requests and says nothing.
func hangs(t *testing.T) *endpoint {
	return raw(t, func(c net.Conn) { io.Copy(io.Discard, c) })
}

// resets takes requests and resets the connection.
func resets(t *testing.T) *endpoint { return raw(t, reset) }

func reset(c net.Conn) {
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// setting is a change of the service's configuration.
type setting func(*config.Service)

func noRetry(c *config.Service)  { c.Retry.Off = true }
func breakers(c *config.Service) { c.Breaker.Off = false }

// attemptTimeout bounds each try.
func attemptTimeout(d time.Duration) setting {
	return func(c *config.Service) { c.Timeout.Config.Attempt = d }
}

func totalTimeout(d time.Duration) setting {
	return func(c *config.Service) { c.Timeout.Config.Total = d }
}

// quiet takes events and drops them.
type quiet struct{}

func (quiet) Add(event.Event) {}

// serviceOf makes a service without breakers and ejection, whose retries have no budget.
func serviceOf(t *testing.T, endpoints []*endpoint, settings ...setting) *service.Service {
	t.Helper()
	c := config.Service{Kind: "http", Balance: "round_robin"}
	c.Timeout.Config.Total, c.Timeout.Config.Attempt, c.Timeout.Config.Connect = long, long, time.Second
	c.Retry.Config.Budget, c.Retry.Config.Backoff.Initial = gabion.Off, time.Millisecond
	c.Breaker.Off, c.Bulkhead.Off, c.Hedge.Off, c.Health.Active.Off, c.Health.Passive.Off = true, true, true, true, true
	for _, e := range endpoints {
		c.Endpoints = append(c.Endpoints, config.Endpoint{URL: "http://" + e.address, Weight: 1})
	}
	for _, set := range settings {
		set(&c)
	}
	s, err := service.New("catalog", c, service.Options{Events: quiet{}, Transport: func(t service.Target) service.Transport {
		return upstream.New(upstream.Target{URL: t.URL, Address: t.Address, Name: t.Name, Connect: t.Connect})
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.Start(ctx)
	t.Cleanup(func() {
		cancel()
		s.Close()
	})
	return s
}

func targetOf(s *service.Service) Target {
	return Target{
		Name: "catalog", Service: s, Methods: []string{"GET", "HEAD", "OPTIONS"},
		On: []string{"connect", "reset", "timeout", "502", "503", "504"},
	}
}

func stepOf(t *testing.T, cfg Config) exchange.Step {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// forwardTo is a step over a service of the given endpoints.
func forwardTo(t *testing.T, endpoints []*endpoint, settings ...setting) exchange.Step {
	t.Helper()
	return stepOf(t, Config{Target: targetOf(serviceOf(t, endpoints, settings...))})
}

// wantProblem checks one of Gabion's own answers.
func (g got) wantProblem(t *testing.T, kind string, status int) {
	t.Helper()
	if g.status != status || g.x.Record.Problem != kind {
		t.Fatalf("got %d %q (%v), must be %d %q", g.status, g.x.Record.Problem, g.x.Record.Err, status, kind)
	}
	if strings.Contains(g.body, "127.0.0.1") {
		t.Errorf("the answer leaks an address: %s", g.body)
	}
}
