package front

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

const upgradeHead = "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

// tcpPair is a connection and its other end.
func tcpPair(t testing.TB) (ours, theirs *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	other, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); other.Close() })
	return conn.(*net.TCPConn), other.(*net.TCPConn)
}

// switching answers with a change of protocols. The endpoint's end of each connection comes out of the channel.
func switching(t testing.TB, records chan<- exchange.Record) (func(*exchange.Exchange), <-chan *net.TCPConn) {
	endpoints := make(chan *net.TCPConn, 1)
	return func(x *exchange.Exchange) {
		ours, theirs := tcpPair(t)
		endpoints <- theirs
		x.Reply.Set("X-Request-Id", "1")
		x.Record.Err = x.Client.Send(&exchange.Answer{
			Status: 101, Conn: ours,
			Header: exchange.Fields{"Connection": {"Upgrade, X-Hop"}, "X-Hop": {"1"}, "Upgrade": {"websocket"}, "Sec-Websocket-Accept": {"abc"}},
		})
		records <- x.Record
	}, endpoints
}

// switched reads the head of the answer.
func (w *wire) switched() {
	w.t.Helper()
	r, _, err := w.read("GET")
	if err != nil || r.StatusCode != 101 || r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Connection") != "Upgrade" ||
		r.Header.Get("Sec-Websocket-Accept") != "abc" || r.Header.Get("X-Request-Id") != "1" || r.Header.Get("X-Hop") != "" {
		w.t.Fatalf("%v %v", r, err)
	}
}

func expect(t testing.TB, from io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(from, got); err != nil || string(got) != want {
		t.Fatalf("got %q %v, want %q", got, err, want)
	}
}

func TestTunnel(t *testing.T) {
	for name, early := range map[string]string{"": "", "with early bytes": "early "} {
		t.Run(name, func(t *testing.T) {
			records := make(chan exchange.Record, 1)
			handle, endpoints := switching(t, records)
			b := setup(t, handle)
			w := dial(t, b.address).send(upgradeHead + early)
			endpoint := await(t, "endpoint", endpoints)
			w.switched()
			w.send("ping")
			expect(t, endpoint, early+"ping")
			io.WriteString(endpoint, "pong")
			expect(t, w.in, "pong")

			// The client has said all; the endpoint has not.
			if err := w.Conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if rest, err := io.ReadAll(endpoint); err != nil || len(rest) > 0 {
				t.Fatal(rest, err)
			}
			io.WriteString(endpoint, "last words")
			endpoint.Close()
			expect(t, w.in, "last words")
			r := await(t, "record", records)
			if r.Status != 101 || !r.Upgraded || r.Sent != 14 || r.Received != int64(4+len(early)) || r.Err != nil {
				t.Errorf("recorded %+v", r)
			}
		})
	}
}

func TestTunnelEndsWithTheEndpoint(t *testing.T) {
	records := make(chan exchange.Record, 1)
	handle, endpoints := switching(t, records)
	b := setup(t, handle)
	w := dial(t, b.address).send(upgradeHead)
	endpoint := await(t, "endpoint", endpoints)
	w.switched()
	if err := endpoint.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	endpoint.Close() // with a reset
	if rest, _ := io.ReadAll(w.in); len(rest) > 0 {
		t.Errorf("got %q", rest)
	}
	await(t, "record", records)
}

func TestSwitchThatNobodyAskedFor(t *testing.T) {
	records := make(chan exchange.Record, 1)
	handle, endpoints := switching(t, records)
	b := setup(t, handle)
	r, body, err := dial(t, b.address).send(get).read("GET")
	if err != nil || r.StatusCode != 502 || !strings.Contains(body, exchange.UpstreamBroken) {
		t.Errorf("%v %q %v", r, body, err)
	}
	endpoint := await(t, "endpoint", endpoints)
	if _, err := io.ReadAll(endpoint); err != nil {
		t.Errorf("the endpoint's connection: %v", err)
	}
	if record := await(t, "record", records); record.Upgraded || record.Status != 502 || !errors.Is(record.Err, exchange.ErrUpstreamBroke) {
		t.Errorf("recorded %+v", record)
	}
}

func TestDrainWaitsForTunnelsAndThenCutsThem(t *testing.T) {
	records := make(chan exchange.Record, 1)
	handle, endpoints := switching(t, records)
	b := setup(t, handle)
	w := dial(t, b.address).send(upgradeHead)
	endpoint := await(t, "endpoint", endpoints)
	w.switched()
	ctx, cancel := context.WithCancel(t.Context())
	drained := make(chan error, 1)
	go func() { drained <- b.Drain(ctx) }()
	eventually(t, "nothing listens", func() bool {
		conn, err := net.Dial("tcp", b.address)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	io.WriteString(endpoint, "still here")
	expect(t, w.in, "still here")
	cancel()
	if err := await(t, "drained", drained); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := io.ReadAll(w.in); err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
		t.Errorf("%v", err)
	}
	await(t, "record", records)
	if n := b.inFlight.Load(); n != 0 {
		t.Errorf("%d in flight after Drain", n)
	}
}

func TestDrainEndsWithTheLastTunnel(t *testing.T) {
	records := make(chan exchange.Record, 1)
	handle, endpoints := switching(t, records)
	b := setup(t, handle)
	w := dial(t, b.address).send(upgradeHead)
	endpoint := await(t, "endpoint", endpoints)
	w.switched()
	drained := make(chan error, 1)
	go func() { drained <- b.Drain(t.Context()) }()
	w.Close()
	endpoint.Close()
	if err := await(t, "drained", drained); err != nil {
		t.Errorf("%v", err)
	}
	await(t, "record", records)
}

func TestUpgradeOverTLS(t *testing.T) {
	records := make(chan exchange.Record, 1)
	handle, endpoints := switching(t, records)
	id := newIdentity(t, t.TempDir(), "a")
	b := setup(t, handle, withTLS(id))
	w := dialTLS(t, b.address, id).send(upgradeHead)
	endpoint := await(t, "endpoint", endpoints)
	w.switched()
	large := strings.Repeat("0123456789", 100<<10)
	go io.WriteString(w.Conn, large)
	expect(t, endpoint, large)
	go io.WriteString(endpoint, large)
	expect(t, w.in, large)
	w.Close()
	endpoint.Close()
	if r := await(t, "record", records); r.Sent != int64(len(large)) || r.Received != int64(len(large)) {
		t.Errorf("%+v", r)
	}
}
