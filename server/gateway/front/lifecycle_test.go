package front

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/exchange"
)

func dialTLS(t testing.TB, address string, id identity) *wire {
	t.Helper()
	conn, err := tls.Dial("tcp", address, id.trust)
	if err != nil {
		t.Fatal(err)
	}
	return overlay(t, conn)
}

func TestTLS(t *testing.T) {
	got := make(chan seen, 1)
	id := newIdentity(t, t.TempDir(), "a")
	b := setup(t, watch(got), withTLS(id))
	for want, c := range map[string]*http.Client{
		"HTTP/1.1": {Transport: &http.Transport{TLSClientConfig: id.trust.Clone()}, Timeout: within},
		"HTTP/2.0": client2(t, id.trust.Clone()),
	} {
		r, _, err := do(t, c, "POST", "https://"+b.address+"/", strings.NewReader("hello"))
		c.CloseIdleConnections()
		if err != nil || r.Proto != want {
			t.Errorf("%s: %v %v", want, r, err)
			continue
		}
		if s := await(t, want, got); s.Scheme != "https" || s.text != "hello" || s.Proto != want || s.Peer.String() != "127.0.0.1" {
			t.Errorf("%s: %+v", want, s)
		}
	}
	old := id.trust.Clone()
	old.MaxVersion = tls.VersionTLS11
	if _, err := tls.Dial("tcp", b.address, old); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

func TestHandshakeHasATimeLimit(t *testing.T) {
	b := setup(t, unreached(t), withTLS(newIdentity(t, t.TempDir(), "a")), func(c *Config) { c.HeaderTimeout = time.Millisecond })
	if _, err := io.ReadAll(dial(t, b.address)); err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stays open")
	}
}

// serial is the name in the certificate that a new connection gets.
func serial(t *testing.T, address string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	id := newIdentity(t, dir, "first")
	b := setup(t, respond(200, nil, ""), withTLS(id))
	w := dialTLS(t, b.address, id)
	if got := serial(t, b.address); got != "first" {
		t.Errorf("got %s", got)
	}
	newIdentity(t, dir, "second")
	eventually(t, "the second certificate", func() bool { return serial(t, b.address) == "second" })
	// What cannot be read does no harm.
	if err := os.WriteFile(id.files.Cert, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.listeners[b.config.Load().Listeners[0].Address].certificate.looked = time.Time{}
	if got := serial(t, b.address); got != "second" {
		t.Errorf("got %s", got)
	}
	if r, _, err := w.send(get).read("GET"); err != nil || r.StatusCode != 200 {
		t.Errorf("the first connection: %v %v", r, err)
	}
}

func TestStartTellsWhatIsWrong(t *testing.T) {
	taken := setup(t, unreached(t))
	for name, l := range map[string]config.Listener{
		"address in use": {Address: taken.address},
		"no certificate": {Address: "127.0.0.1:0", TLS: &config.TLS{Cert: "/nowhere/cert.pem", Key: "/nowhere/key.pem"}},
	} {
		f, err := New(Config{Listeners: config.Listeners{{Address: "127.0.0.1:0"}, l}, MaxHeader: 1 << 10, Log: taken.config.Load().Log}, unreached(t))
		if err != nil {
			t.Fatal(err)
		}
		if name == "no certificate" {
			f.config.Load().Listeners[0].Address = "127.0.0.1:00"
		}
		if err := f.Start(); err == nil || len(f.Addrs()) > 0 {
			t.Errorf("%s: %v, listens on %v", name, err, f.Addrs())
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestReload(t *testing.T) {
	b := setup(t, respond(200, nil, ""))
	cfg := *b.config.Load()
	w := dial(t, b.address).send(get)
	if r, _, err := w.read("GET"); err != nil || r.StatusCode != 200 {
		t.Fatal(r, err)
	}
	// Another listener, and another limit.
	cfg.Listeners = append(cfg.Listeners, config.Listener{Address: "localhost:0"})
	cfg.MaxBody = 5
	if err := b.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	if all := b.Addrs(); len(all) != 2 || all[0].String() != b.address {
		t.Fatalf("listens on %v", all)
	}
	second := b.Addrs()[1].String()
	for _, w := range []*wire{w, dial(t, second)} {
		w.send(get)
		if r, _, err := w.read("GET"); err != nil || r.StatusCode != 200 {
			t.Errorf("%v %v", r, err)
		}
		w.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nhello!")
		if r, _, err := w.read("POST"); err != nil || r.StatusCode != 413 {
			t.Errorf("%v %v", r, err)
		}
	}
	// The first one goes, its connections stay.
	w = dial(t, b.address).send(get)
	if r, _, err := w.read("GET"); err != nil || r.StatusCode != 200 {
		t.Fatal(r, err)
	}
	cfg.Listeners = cfg.Listeners[1:]
	if err := b.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", b.address); err == nil {
		t.Error("still listens")
	}
	if r, _, err := w.send(get).read("GET"); err != nil || r.StatusCode != 200 {
		t.Errorf("%v %v", r, err)
	}
	// What cannot be done changes nothing.
	broken := cfg
	broken.Listeners = config.Listeners{{Address: "127.0.0.1:0"}, {Address: "256.0.0.1:80"}}
	if err := b.Reload(broken); err == nil || len(b.Addrs()) != 1 || b.Addrs()[0].String() != second {
		t.Errorf("%v, listens on %v", err, b.Addrs())
	}
	broken = cfg
	broken.IdleTimeout++
	if err := b.Reload(broken); err == nil {
		t.Error("the idle time has changed")
	}
}

// A listener that a reload has closed is net/http's as well, until the goroutine that serves it has noticed.
func TestCloseRightAfterReload(t *testing.T) {
	for range 50 {
		b := setup(t, unreached(t), func(cfg *Config) {
			cfg.Listeners = config.Listeners{{Address: "127.0.0.1:0"}, {Address: "localhost:0"}}
		})
		cfg := *b.config.Load()
		cfg.Listeners = cfg.Listeners[:1]
		if err := b.Reload(cfg); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLeavingConnectionsAreToldSo(t *testing.T) {
	b := setup(t, respond(200, nil, ""))
	w := dial(t, b.address).send(get)
	if r, _, err := w.read("GET"); err != nil || r.Close {
		t.Errorf("before: %v %v", r, err)
	}
	c := client2(t, nil)
	ask := func() string {
		r, err := c.Get("http://" + b.address)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		return r.Proto
	}
	ask()
	b.Leave()
	if r, _, err := w.send(get).read("GET"); err != nil || !r.Close {
		t.Errorf("after: %v %v", r, err)
	}
	if _, err := w.in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection is still there: %v", err)
	}
	ask()
	// With HTTP/2 the connection ends after that answer: nothing is in the way of a drain.
	eventually(t, "HTTP/2 ends", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		return b.Drain(ctx) == nil
	})
}

func TestDrainFinishesWhatIsInFlight(t *testing.T) {
	for _, version := range []string{"HTTP/1.1", "HTTP/2"} {
		entered, leave := make(chan struct{}), make(chan struct{})
		b := setup(t, func(x *exchange.Exchange) {
			entered <- struct{}{}
			<-leave
			respond(200, nil, "done")(x)
		})
		ask := versions(t, b)[version]
		result := make(chan error, 1)
		go func() {
			r, body, err := ask("GET", "/", nil)
			if err == nil && (r.StatusCode != 200 || body != "done") {
				err = errors.New(r.Status + body)
			}
			result <- err
		}()
		await(t, "entered", entered)
		drained := make(chan error, 1)
		go func() { drained <- b.Drain(context.Background()) }()
		eventually(t, "nothing listens", func() bool {
			conn, err := net.Dial("tcp", b.address)
			if err == nil {
				conn.Close()
			}
			return err != nil
		})
		close(leave)
		if err := await(t, "answer", result); err != nil {
			t.Errorf("%s: %v", version, err)
		}
		if err := await(t, "drained", drained); err != nil {
			t.Errorf("%s: %v", version, err)
		}
	}
}

func TestDrainCutsWhatDoesNotEnd(t *testing.T) {
	entered := make(chan struct{}, 1)
	b := setup(t, func(x *exchange.Exchange) {
		entered <- struct{}{}
		<-x.Context.Done()
	})
	for range 2 {
		dial(t, b.address).send(get)
		await(t, "entered", entered)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := b.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if n := b.inFlight.Load(); n != 0 {
		t.Errorf("%d in flight", n)
	}
}

// TestStreamBothWays is what gRPC does: each side says something only after it has heard the other.
func TestStreamBothWays(t *testing.T) {
	b := setup(t, func(x *exchange.Exchange) {
		a := answer(200, exchange.Fields{"Content-Type": {"application/grpc"}}, x.Request.Body, -1)
		a.Stream = true
		a.Trailer = func() exchange.Header { return exchange.Fields{"Grpc-Status": {"0"}} }
		if err := x.Client.Send(a); err != nil {
			t.Error(err)
		}
	})
	body, say := io.Pipe()
	request, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+b.address, body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := client2(t, nil).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	for _, word := range []string{"one", "two", "three"} {
		go io.WriteString(say, word)
		expect(t, r.Body, word)
	}
	say.Close()
	if rest, err := io.ReadAll(r.Body); err != nil || len(rest) > 0 || r.Trailer.Get("Grpc-Status") != "0" {
		t.Errorf("%q %v %v", rest, err, r.Trailer)
	}
}
