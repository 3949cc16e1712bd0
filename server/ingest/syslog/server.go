package syslog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/logs/entry"
)

// Server takes messages. Set the fields before its first use.
type Server struct {
	// Sink gets the entries. Required.
	Sink ingest.Sink
	// MaxLine is how many bytes a message may have; what is longer is cut. Default: 64 KiB.
	MaxLine int
	// MaxConns is how many connections there may be; a further one is closed at once. Default: 256.
	MaxConns int
	// Idle is how long a connection may be silent. Default: 10 min.
	Idle time.Duration
	// Zone is that of times that have none. Default: UTC.
	Zone *time.Location

	conns     atomic.Int64
	taken     atomic.Uint64
	malformed atomic.Uint64
	cut       atomic.Uint64
	dropped   atomic.Uint64
	refused   atomic.Uint64
}

// Counts are numbers since the start.
type Counts struct {
	// Taken messages were given to the sink and kept.
	Taken uint64
	// Malformed messages were dropped, they could not be read.
	Malformed uint64
	// Cut messages were too long, and are kept without their end.
	Cut uint64
	// Dropped messages were not kept by the sink: the protocol has no way to ask the sender to come again.
	Dropped uint64
	// Refused connections were one too many, or did not speak the protocol.
	Refused uint64
}

// Counts returns what has happened so far.
func (s *Server) Counts() Counts {
	return Counts{Taken: s.taken.Load(), Malformed: s.malformed.Load(), Cut: s.cut.Load(), Dropped: s.dropped.Load(), Refused: s.refused.Load()}
}

// The bounds of what waits for the sink: of all datagrams, and of each connection.
var (
	datagrams = bounds{lines: 8192, bytes: 8 << 20}
	stream    = bounds{lines: 1024, bytes: 256 << 10}
)

const rollup = 4 << 10 // bytes of a buffer of a connection

func (s *Server) maxLine() int {
	if s.MaxLine > 0 {
		return s.MaxLine
	}
	return 64 << 10
}

// read reads a message of a sender, who stands for its instance when it names none.
func (s *Server) read(text, from string) (e entry.Entry, ok bool) {
	zone := s.Zone
	if zone == nil {
		zone = time.UTC
	}
	e, err := Parse(text, time.Now().In(zone))
	if err != nil {
		s.malformed.Add(1)
		return e, false
	}
	if e.Instance == "" {
		e.Instance = from
	}
	return e, true
}

// host is the address of a sender without its port.
func host(a net.Addr) string {
	h, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return h
}

// ServeUDP takes messages, one a datagram, until the context ends. It closes conn. What comes while too much waits for the
// sink is dropped.
func (s *Server) ServeUDP(ctx context.Context, conn net.PacketConn) error {
	end := func() { _ = conn.Close() } // nothing was written that could be lost
	defer end()
	defer context.AfterFunc(ctx, end)()
	q := s.newQueue("syslog over UDP", datagrams)
	defer q.end()
	buffer := make([]byte, 64<<10)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("syslog over UDP: %w", err)
		}
		if n > s.maxLine() {
			n = s.maxLine()
			s.cut.Add(1)
		}
		if e, ok := s.read(string(buffer[:n]), host(from)); ok && !q.put(e, false) {
			s.dropped.Add(1)
		}
	}
}

// ServeTCP takes connections until the context ends, and returns when all are closed. It closes l.
func (s *Server) ServeTCP(ctx context.Context, l net.Listener) error {
	var open sync.WaitGroup
	defer open.Wait()
	defer l.Close()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	limit := int64(s.MaxConns)
	if limit == 0 {
		limit = 256
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("syslog over TCP: %w", err)
			}
			// Such as too many open files: it passes.
			if !pause(ctx, 100*time.Millisecond) {
				return nil
			}
			continue
		}
		if s.conns.Add(1) > limit {
			s.conns.Add(-1)
			s.refused.Add(1)
			conn.Close()
			continue
		}
		open.Go(func() {
			defer s.conns.Add(-1)
			s.serve(ctx, conn)
		})
	}
}

// pause waits, unless the context ends.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// serve takes the messages of a connection.
func (s *Server) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	idle := s.Idle
	if idle == 0 {
		idle = 10 * time.Minute
	}
	f := framer{in: bufio.NewReaderSize(conn, rollup), max: s.maxLine()}
	from := host(conn.RemoteAddr())
	q := s.newQueue("syslog "+from, stream)
	defer q.end()
	for {
		if err := conn.SetReadDeadline(time.Now().Add(idle)); err != nil {
			return
		}
		text, cut, err := f.next()
		if cut {
			s.cut.Add(1)
		}
		if text != "" {
			if e, ok := s.read(text, from); ok {
				q.put(e, true)
			}
		}
		if err != nil {
			if errors.Is(err, errFrame) {
				s.refused.Add(1)
			}
			return
		}
	}
}
