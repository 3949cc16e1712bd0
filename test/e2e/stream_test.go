package e2e

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/gabion-io/gabion/test/process"
)

func harnessUntil(t *testing.T, what string, holds func() bool) {
	t.Helper()
	process.Until(t, 20*time.Second, what, holds)
}

// serveStreams serves a WebSocket that echoes at /stream/socket and events, ten a second, at /stream/events.
func serveStreams(t *testing.T) (url string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/stream/socket", func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for {
			kind, message, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			if err := conn.Write(r.Context(), kind, message); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/stream/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			fmt.Fprintf(w, "data: %d\n\n", i)
			if http.NewResponseController(w).Flush() != nil {
				return
			}
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// socket is an open WebSocket through the gateway.
type socket struct {
	conn   *websocket.Conn
	echoes int
}

func openSocket(t *testing.T, address string) *socket {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), "ws://"+address+"/stream/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	s := &socket{conn: conn}
	if !s.alive(t) {
		t.Fatal("the WebSocket does not echo")
	}
	return s
}

// alive says whether a message still comes back.
func (s *socket) alive(t *testing.T) bool {
	t.Helper()
	want := fmt.Sprintf("message %d", s.echoes)
	if err := s.conn.Write(t.Context(), websocket.MessageText, []byte(want)); err != nil {
		t.Logf("WebSocket: %v", err)
		return false
	}
	_, got, err := s.conn.Read(t.Context())
	if err != nil || string(got) != want {
		t.Logf("WebSocket: %q, %v", got, err)
		return false
	}
	s.echoes++
	return true
}

// events is an open stream of events through the gateway.
type events struct {
	count atomic.Int64
	ended chan struct{}
}

func openEvents(t *testing.T, address string) *events {
	t.Helper()
	resp, err := http.Get("http://" + address + "/stream/events")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", resp, err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	e := &events{ended: make(chan struct{})}
	go func() {
		defer close(e.ended)
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if number, ok := strings.CutPrefix(lines.Text(), "data: "); ok && number == fmt.Sprint(e.count.Load()) {
				e.count.Add(1)
			}
		}
	}()
	harnessUntil(t, "events come", func() bool { return e.count.Load() > 2 })
	return e
}

// alive says whether events still come, none missing.
func (e *events) alive() bool {
	before := e.count.Load()
	timer := time.NewTimer(5 * time.Second)
	defer timer.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for e.count.Load() == before {
		select {
		case <-e.ended:
			return false
		case <-timer.C:
			return false
		case <-again.C:
		}
	}
	return true
}
