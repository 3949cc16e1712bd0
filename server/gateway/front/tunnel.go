package front

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/gateway/front/framing"
)

// tunnels are the connections that changed protocols: net/http does not know them any more.
type tunnels struct {
	mu   sync.Mutex
	open map[*tunnel]struct{}
	over bool          // no more are taken
	none chan struct{} // closed when the last one has ended; nil when nobody waits
}

// tunnel joins a client and an endpoint.
type tunnel struct {
	client net.Conn
	server io.ReadWriteCloser
	ended  atomic.Bool                // one direction has
	late   atomic.Pointer[time.Timer] // ends the other one
}

func (t *tunnel) close() {
	if late := t.late.Load(); late != nil {
		late.Stop()
	}
	// Both ends are given up: that one of them is closed already does not matter.
	_ = t.client.Close()
	_ = t.server.Close()
}

// add takes a tunnel in, unless everything is being cut.
func (s *tunnels) add(t *tunnel) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	if s.open == nil {
		s.open = map[*tunnel]struct{}{}
	}
	s.open[t] = struct{}{}
	return true
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

// cut ends all of them, and those that would come.
func (s *tunnels) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for t := range s.open {
		t.close()
	}
}

// halfOpen is how long one direction may go on after the other has ended.
const halfOpen = 2 * time.Minute

// upgrade passes the endpoint's change of protocols on and joins the two connections until both directions have ended.
func (s *session) upgrade(a *exchange.Answer) error {
	if s.x.Request.Upgrade == "" {
		return errors.Join(exchange.ErrUpstreamBroke, s.Send(exchange.Problem{Type: exchange.UpstreamBroken}.Answer(&s.x)))
	}
	conn, buffered, err := http.NewResponseController(s.w).Hijack()
	if err != nil {
		return errors.Join(exchange.ErrUpstreamBroke, err, s.Send(exchange.Problem{Type: exchange.UpgradeRefused}.Answer(&s.x)))
	}
	s.began = true
	s.x.Record.Status, s.x.Record.Upgraded = a.Status, true
	early, err := buffered.Reader.Peek(buffered.Reader.Buffered())
	if err != nil {
		conn.Close()
		return fmt.Errorf("%w: %w", exchange.ErrClientGone, err)
	}
	if watched := framing.Of(conn); watched != nil {
		var read []byte
		if read, conn = watched.Detach(); len(read) > 0 {
			early = append(slices.Clip(early), read...)
		}
	}
	t := &tunnel{client: conn, server: a.Conn}
	defer t.close()
	if !s.front.tunnels.add(t) {
		return fmt.Errorf("%w: the gateway stops", exchange.ErrClientGone)
	}
	defer s.front.tunnels.remove(t)
	if err := s.writeSwitch(a, conn); err != nil {
		return fmt.Errorf("%w: %w", exchange.ErrClientGone, err)
	}
	return s.join(t, early)
}

// join copies both ways until both have ended. early is what the client has sent already.
func (s *session) join(t *tunnel, early []byte) error {
	var up sync.WaitGroup
	var received int64
	up.Go(func() {
		n, err := t.server.Write(early)
		if received = int64(n); err == nil {
			received += t.pump(t.server, t.client)
		} else {
			t.close()
		}
	})
	s.x.Record.Sent = t.pump(t.client, t.server)
	up.Wait()
	s.x.Record.Received = received
	return nil
}

// writeSwitch writes the head of the answer. The connection's own fields belong to it here.
func (s *session) writeSwitch(a *exchange.Answer, to net.Conn) error {
	header := http.Header{}
	for name, value := range a.Header.All() {
		header[name] = append(header[name], value)
	}
	protocol := header.Get("Upgrade")
	exchange.DropHopByHop(exchange.Fields(header))
	for _, name := range []string{"Content-Length", "Transfer-Encoding"} {
		delete(header, name)
	}
	maps.Copy(header, s.reply)
	if protocol == "" {
		protocol = s.x.Request.Upgrade
	}
	header["Connection"], header["Upgrade"] = []string{"Upgrade"}, []string{protocol}
	var head bytes.Buffer
	fmt.Fprintf(&head, "HTTP/1.1 %d %s\r\n", a.Status, http.StatusText(a.Status))
	if err := header.Write(&head); err != nil {
		return err
	}
	head.WriteString("\r\n")
	if err := to.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := to.Write(head.Bytes()); err != nil {
		return err
	}
	return to.SetWriteDeadline(time.Time{})
}

// pump copies one direction and gives how many bytes went through. When it ends well, only that direction is closed,
// and the other one has halfOpen to end as well; otherwise both are closed.
func (t *tunnel) pump(to io.Writer, from io.Reader) int64 {
	n, err := io.Copy(to, from)
	half, ok := to.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		t.close()
		return n
	}
	if t.ended.Swap(true) {
		return n // the other one has ended already
	}
	t.late.Store(time.AfterFunc(halfOpen, t.close))
	return n
}
