package front

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// tunnels are the connections that changed protocols: net/http does not know them any more.
type tunnels struct {
	mu   sync.Mutex
	open map[*tunnel]struct{}
	none chan struct{} // closed when the last one has ended; nil when nobody waits
}

// tunnel joins a client and an endpoint.
type tunnel struct {
	client net.Conn
	server io.ReadWriteCloser
}

func (t *tunnel) close() {
	// Both ends are given up: that one of them is closed already does not matter.
	_ = t.client.Close()
	_ = t.server.Close()
}

func (s *tunnels) add(t *tunnel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[*tunnel]struct{}{}
	}
	s.open[t] = struct{}{}
}

func (s *tunnels) remove(t *tunnel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, t)
	if len(s.open) == 0 && s.none != nil {
		close(s.none)
		s.none = nil
	}
}

// wait waits until all have ended, or ctx ends.
func (s *tunnels) wait(ctx context.Context) error {
	s.mu.Lock()
	if len(s.open) == 0 {
		s.mu.Unlock()
		return nil
	}
	if s.none == nil {
		s.none = make(chan struct{})
	}
	none := s.none
	s.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// cut ends all of them.
func (s *tunnels) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t := range s.open {
		t.close()
	}
}

// upgrade passes the endpoint's change of protocols on and joins the two connections until both directions have ended.
func (s *session) upgrade(a *exchange.Answer) error {
	conn, buffered, err := http.NewResponseController(s.w).Hijack()
	if err != nil {
		_ = a.Conn.Close() // nothing has been said on it yet
		return errors.Join(s.x.Refuse(exchange.Problem{Type: exchange.UpgradeRefused}), err)
	}
	t := &tunnel{conn, a.Conn}
	s.front.tunnels.add(t)
	defer s.front.tunnels.remove(t)
	defer t.close()
	s.began = true
	s.x.Record.Status, s.x.Record.Upgraded = a.Status, true
	if err := s.writeSwitch(buffered.Writer, a); err != nil {
		return fmt.Errorf("%w: %w", exchange.ErrClientGone, err)
	}
	var sent, received atomic.Int64
	var up sync.WaitGroup
	up.Go(func() {
		t.pump(a.Conn, io.MultiReader(io.LimitReader(buffered, int64(buffered.Reader.Buffered())), conn), &received)
	})
	t.pump(conn, a.Conn, &sent)
	up.Wait()
	s.x.Record.Sent, s.x.Record.Received = sent.Load(), received.Load()
	return nil
}

// writeSwitch writes the head of the answer. The connection's own fields belong to it here.
func (s *session) writeSwitch(w *bufio.Writer, a *exchange.Answer) error {
	header := http.Header{}
	for name, value := range a.Header.All() {
		header.Add(name, value)
	}
	for name, values := range s.reply {
		header[name] = values
	}
	header.Set("Connection", "Upgrade")
	if header.Get("Upgrade") == "" {
		header.Set("Upgrade", s.x.Request.Upgrade)
	}
	if _, err := fmt.Fprintf(w, "HTTP/1.1 %d %s\r\n", a.Status, http.StatusText(a.Status)); err != nil {
		return err
	}
	if err := header.Write(w); err != nil {
		return err
	}
	if _, err := w.WriteString("\r\n"); err != nil {
		return err
	}
	return w.Flush()
}

// pump copies one direction. When it ends well, only that direction is closed; otherwise both are.
func (t *tunnel) pump(to io.Writer, from io.Reader, count *atomic.Int64) {
	n, err := io.Copy(to, from)
	count.Add(n)
	half, ok := to.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		t.close()
	}
}
