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

const (
	maxBatch = 512     // messages that are given to the sink at once
	rollup   = 4 << 10 // bytes of a buffer of a connection
)

func (s *Server) maxLine() int {
	if s.MaxLine > 0 {
		return s.MaxLine
	}
	return 64 << 10
}

// batch is messages of a sender on their way to the sink.
type batch struct {
	server   *Server
	producer string
	lines    []entry.Entry
}

// add reads a message.
func (b *batch) add(text string) {
	zone := b.server.Zone
	if zone == nil {
		zone = time.UTC
	}
	e, err := Parse(text, time.Now().In(zone))
	if err != nil {
		b.server.malformed.Add(1)
		return
	}
	b.lines = append(b.lines, e)
}

// flush gives all to the sink. Each batch is a slice of its own: the sink keeps it.
func (b *batch) flush(ctx context.Context) {
	if len(b.lines) == 0 {
		return
	}
	lines := b.lines
	b.lines = nil
	some, err := ingest.Partial(b.server.Sink.Append(ctx, b.producer, lines))
	lost := 0
	switch {
	case err != nil:
		lost = len(lines)
	case some != nil:
		lost = len(some.Dropped)
	}
	b.server.dropped.Add(uint64(lost))
	b.server.taken.Add(uint64(len(lines) - lost))
}

// ServeUDP takes messages, one a datagram, until the context ends. It closes conn.
func (s *Server) ServeUDP(ctx context.Context, conn net.PacketConn) error {
	end := func() { _ = conn.Close() } // nothing was written that could be lost
	defer end()
	defer context.AfterFunc(ctx, end)()
	buffer := make([]byte, 64<<10)
	b := batch{server: s}
	for {
		// What waits in the socket is taken together; when nothing waits, what there is goes to the sink.
		wait := time.Time{}
		if len(b.lines) > 0 {
			wait = time.Now().Add(time.Millisecond)
		}
		if err := conn.SetReadDeadline(wait); err != nil && ctx.Err() == nil {
			return fmt.Errorf("syslog over UDP: %w", err)
		}
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			b.flush(context.WithoutCancel(ctx))
			if ctx.Err() != nil {
				return nil
			}
			if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
				continue
			}
			return fmt.Errorf("syslog over UDP: %w", err)
		}
		if n > s.maxLine() {
			n = s.maxLine()
			s.cut.Add(1)
		}
		if producer := "syslog " + from.String(); producer != b.producer {
			b.flush(ctx)
			b.producer = producer
		}
		if b.add(string(buffer[:n])); len(b.lines) == maxBatch {
			b.flush(ctx)
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
	b := batch{server: s, producer: "syslog " + conn.RemoteAddr().String()}
	defer func() { b.flush(context.WithoutCancel(ctx)) }()
	for {
		if err := conn.SetReadDeadline(time.Now().Add(idle)); err != nil {
			return
		}
		text, cut, err := f.next()
		if cut {
			s.cut.Add(1)
		}
		if text != "" {
			b.add(text)
		}
		if err != nil {
			if errors.Is(err, errFrame) {
				s.refused.Add(1)
			}
			return
		}
		if len(b.lines) == maxBatch || f.in.Buffered() == 0 {
			b.flush(ctx)
		}
	}
}
