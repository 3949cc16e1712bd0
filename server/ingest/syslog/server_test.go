package syslog

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/logs/entry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf hands on what it gets.
type shelf struct {
	mu  sync.Mutex
	err error
	got chan entry.Entry
}

func (s *shelf) Append(_ context.Context, _ string, lines []entry.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		for _, e := range lines {
			s.got <- e
		}
	}
	return s.err
}

func (s *shelf) next(t *testing.T) entry.Entry {
	t.Helper()
	select {
	case e := <-s.got:
		return e
	case <-time.After(10 * time.Second):
		t.Fatal("no line came")
		return entry.Entry{}
	}
}

// start runs a server on both protocols until the test ends.
func start(t *testing.T, s *Server) (*shelf, net.Conn, string) {
	t.Helper()
	sink := &shelf{got: make(chan entry.Entry, 10000)}
	s.Sink = sink
	ctx, stop := context.WithCancel(context.Background())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 2)
	go func() { done <- s.ServeTCP(ctx, l) }()
	go func() { done <- s.ServeUDP(ctx, p) }()
	udp, err := net.Dial("udp", p.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		udp.Close()
		stop()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
	return sink, udp, l.Addr().String()
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// until waits for a condition of the counts.
func until(t *testing.T, s *Server, want Counts) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for s.Counts() != want {
		if time.Now().After(deadline) {
			t.Fatalf("%+v, want %+v", s.Counts(), want)
		}
		<-time.After(time.Millisecond)
	}
}

func TestUDP(t *testing.T) {
	s := &Server{MaxLine: 30}
	sink, udp, _ := start(t, s)
	for _, text := range []string{"<13>1 - h app - - - one", "<13>bad: x", "<999>x", "<13>" + strings.Repeat("x", 100)} {
		io.WriteString(udp, text)
	}
	if e := sink.next(t); e.Service != "app" || e.Message != "one" {
		t.Errorf("%+v", e)
	}
	if e := sink.next(t); e.Instance != "127.0.0.1" { // the sender, since it does not say
		t.Errorf("%+v", e)
	}
	if e := sink.next(t); len(e.Message) != 26 {
		t.Errorf("%+v", e)
	}
	until(t, s, Counts{Taken: 3, Malformed: 1, Cut: 1})
	sink.mu.Lock()
	sink.err = ingest.ErrFull
	sink.mu.Unlock()
	io.WriteString(udp, "<13>x")
	until(t, s, Counts{Taken: 3, Malformed: 1, Cut: 1, Dropped: 1})
}

func TestTCP(t *testing.T) {
	s := &Server{MaxLine: 30}
	sink, _, address := start(t, s)
	c := dial(t, address)
	counted := "<13>1 - h app - - - a\nb"
	long := "<13>" + strings.Repeat("y", 100)
	fmt.Fprintf(c, "<13>x: one\r\n\n%d %s%d %s<13>x: two\x00%s\n<13>x: end", len(counted), counted, len(long), long, long)
	c.(*net.TCPConn).CloseWrite()
	var got []string
	for range 6 {
		got = append(got, sink.next(t).Message)
	}
	y := strings.Repeat("y", 26)
	if want := []string{"one", "a\nb", y, "two", y, "end"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	until(t, s, Counts{Taken: 6, Cut: 2})
}

func TestManyMessages(t *testing.T) {
	s := &Server{}
	sink, _, address := start(t, s)
	c := dial(t, address)
	go io.WriteString(c, strings.Repeat("<13>app: x\n", 3000))
	for range 3000 {
		sink.next(t)
	}
	until(t, s, Counts{Taken: 3000})
}

func TestBadSenders(t *testing.T) {
	s := &Server{MaxConns: 1, Idle: 200 * time.Millisecond}
	_, _, address := start(t, s)
	for i, text := range []string{"99999999999999999999 x", "12x", "160000000 "} {
		c := dial(t, address)
		io.WriteString(c, text)
		if b, _ := io.ReadAll(c); len(b) > 0 { // ends when the server closes
			t.Errorf("%q", b)
		}
		until(t, s, Counts{Refused: uint64(i + 1)})
		for s.conns.Load() > 0 {
			<-time.After(time.Millisecond)
		}
	}
	silent := dial(t, address)
	for s.conns.Load() == 0 {
		<-time.After(time.Millisecond)
	}
	more := dial(t, address)
	more.Read(make([]byte, 1)) // one too many: closed
	silent.Read(make([]byte, 1))
	until(t, s, Counts{Refused: 4})
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("<13>a\n5 <13>b12 x"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		fr, n := framer{in: bufio.NewReader(bytes.NewReader(stream)), max: 64}, 0
		for {
			text, _, err := fr.next()
			if len(text) > fr.max {
				t.Fatalf("%d bytes", len(text))
			}
			if n += len(text); n > len(stream) {
				t.Fatal("more comes out than went in")
			}
			if err != nil {
				return
			}
		}
	})
}
