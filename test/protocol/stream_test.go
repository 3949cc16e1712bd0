package protocol

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestServerSentEvents(t *testing.T) {
	t.Parallel()
	seen, gone := make(chan int), make(chan struct{})
	g := behind(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 50 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			if err := http.NewResponseController(w).Flush(); err != nil {
				return
			}
			select { // the next event is sent when this one has arrived: so nothing holds it back
			case <-seen:
			case <-r.Context().Done():
				return
			}
		}
		<-r.Context().Done()
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req := request(t, "GET", "http://"+g.Address, nil).WithContext(ctx)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for i := range 50 {
		for lines.Scan() && lines.Text() == "" {
		}
		if lines.Text() != fmt.Sprintf("data: %d", i) {
			t.Fatalf("event %d is %q, %v", i, lines.Text(), lines.Err())
		}
		seen <- i
	}
	cancel()
	select {
	case <-gone:
	case <-time.After(20 * time.Second):
		t.Error("the service was not told that the client has gone")
	}
}

// sockets serves WebSockets: an echo that is refused at /refused and ended by the service when it gets "end".
func sockets(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/refused" {
		http.Error(w, "not you", http.StatusForbidden)
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"chat.v2"}, InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	conn.SetReadLimit(8 << 20)
	for {
		kind, message, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		if string(message) == "end" {
			conn.Close(4321, "as you like")
			return
		}
		if err := conn.Write(r.Context(), kind, message); err != nil {
			return
		}
	}
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	g := behind(t, sockets)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, "ws://"+g.Address+"/chat", &websocket.DialOptions{Subprotocols: []string{"chat.v1", "chat.v2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	conn.SetReadLimit(8 << 20)
	if conn.Subprotocol() != "chat.v2" || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("subprotocol %q, %s", conn.Subprotocol(), resp.Status)
	}
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 4 << 20} {
		sent, err := io.ReadAll(&pattern{n: int64(size)})
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Write(ctx, websocket.MessageBinary, sent); err != nil {
			t.Fatal(err)
		}
		kind, got, err := conn.Read(ctx)
		if err != nil || kind != websocket.MessageBinary || !bytes.Equal(got, sent) {
			t.Fatalf("%d bytes: got %d, %v", size, len(got), err)
		}
	}
	if err := conn.Write(ctx, websocket.MessageText, []byte("end")); err != nil {
		t.Fatal(err)
	}
	_, _, err = conn.Read(ctx)
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != 4321 || closed.Reason != "as you like" {
		t.Errorf("ended with %v", err)
	}
}

func TestWebSocketThatIsRefused(t *testing.T) {
	t.Parallel()
	g := behind(t, sockets)
	_, resp, err := websocket.Dial(t.Context(), "ws://"+g.Address+"/refused", nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("%v, %v", resp, err)
	}
	down := before(t, "http://127.0.0.1:9", "")
	_, resp, err = websocket.Dial(t.Context(), "ws://"+down.Address+"/chat", nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusBadGateway && resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("without a service: %v, %v", resp, err)
	}
}

// An open WebSocket outlives the timeouts of requests, and its end at one side is its end at the other.
func TestWebSocketOutlivesTimeouts(t *testing.T) {
	t.Parallel()
	left := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		sockets(w, r)
		close(left)
	})
	g := before(t, url, "timeout: {total: 300ms, attempt: 200ms}")
	conn, _, err := websocket.Dial(t.Context(), "ws://"+g.Address+"/chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	timer := time.NewTimer(time.Second)
	<-timer.C
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("still there?")); err != nil {
		t.Error(err)
	}
	if _, got, err := conn.Read(t.Context()); err != nil || string(got) != "still there?" {
		t.Errorf("%q, %v", got, err)
	}
	conn.CloseNow()
	select {
	case <-left:
	case <-time.After(20 * time.Second):
		t.Error("the service was not told that the client has gone")
	}
	if log := strings.ToLower(g.Log()); strings.Contains(log, "panic") {
		t.Error(log)
	}
}
