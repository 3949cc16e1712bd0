// Package logs writes the access log: one line of JSON for every exchange.
//
// A request never waits for the log. Its line is copied into a buffer in memory, and a goroutine of the log writes full
// buffers, and five times a second what there is. When whoever reads the log stalls, the buffers fill up; from then on
// lines are dropped and counted.
package logs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// Config is what an [Access] is made of. The zero value of every field means its default.
type Config struct {
	// Buffer is how many bytes are written at once; a line that is longer is dropped. Default: 64 KiB.
	Buffer int
	// Buffers is how many of these there are at most, being filled or waiting to be written; at least 2. Default: 16.
	Buffers int
	// Every is how long a line waits at most before it is written. Default: 200ms.
	Every time.Duration
}

// Access is the access log. Make it with [New] and end it with [Access.Close]. It is safe for concurrent use.
type Access struct {
	config Config
	sink   io.Writer
	off    atomic.Bool
	lines  sync.Pool // of *[]byte: room to put a line together
	ids    *identities

	written, dropped atomic.Uint64

	mu     sync.Mutex
	filled batch
	closed bool
	err    error // the first of the sink

	full chan batch  // to be written, in order
	free chan []byte // room for batches; nil is room not yet made
	stop chan struct{}
	done chan struct{}
}

// batch is lines that are written at once.
type batch struct {
	text  []byte
	lines uint64
}

// New makes an access log that writes to sink, and starts its goroutine.
func New(sink io.Writer, cfg Config) *Access {
	cfg.Buffer = cmp.Or(max(cfg.Buffer, 0), 64<<10)
	cfg.Buffers = max(cmp.Or(cfg.Buffers, 16), 2)
	cfg.Every = cmp.Or(max(cfg.Every, 0), 200*time.Millisecond)
	a := &Access{
		config: cfg, sink: sink, ids: newIdentities(), full: make(chan batch, cfg.Buffers), free: make(chan []byte, cfg.Buffers),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	a.lines.New = func() any { return new(make([]byte, 0, 1024)) }
	for range cfg.Buffers {
		a.free <- nil
	}
	go a.run()
	return a
}

// Enable switches the log on, as it is in the beginning, or off.
func (a *Access) Enable(on bool) { a.off.Store(!on) }

// Record writes the line of an exchange that ended after the time that it took. It never blocks.
func (a *Access) Record(x *exchange.Exchange, took time.Duration) {
	if a.off.Load() {
		return
	}
	line := a.lines.Get().(*[]byte) //nolint:forcetypeassert // the pool holds nothing else
	*line = appendLine((*line)[:0], x, took, a.ids)
	a.add(*line)
	a.lines.Put(line)
}

// Counts are how many lines were written and dropped.
func (a *Access) Counts() (written, dropped uint64) { return a.written.Load(), a.dropped.Load() }

// add copies a line into the buffer.
func (a *Access) add(line []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || len(line) > a.config.Buffer {
		a.dropped.Add(1)
		return
	}
	if len(a.filled.text)+len(line) > a.config.Buffer {
		a.pass()
	}
	if a.filled.text == nil && !a.begin() {
		a.dropped.Add(1)
		return
	}
	a.filled.text = append(a.filled.text, line...)
	a.filled.lines++
}

// pass hands what is filled to the goroutine. There is room: the channel holds as many as there are. The lock is held.
func (a *Access) pass() {
	if a.filled.lines > 0 {
		a.full <- a.filled
		a.filled = batch{}
	}
}

// begin takes an empty buffer; false when all are waiting to be written. The lock is held.
func (a *Access) begin() bool {
	select {
	case room := <-a.free:
		if room == nil {
			room = make([]byte, 0, a.config.Buffer)
		}
		a.filled.text = room[:0]
		return true
	default:
		return false
	}
}

// run writes until the log is closed and everything is written.
func (a *Access) run() {
	defer close(a.done)
	tick := time.NewTicker(a.config.Every)
	defer tick.Stop()
	for {
		select {
		case b := <-a.full:
			a.write(b)
		case <-tick.C:
			a.mu.Lock()
			a.pass()
			a.mu.Unlock()
		case <-a.stop:
			for {
				select {
				case b := <-a.full:
					a.write(b)
				default:
					return
				}
			}
		}
	}
}

func (a *Access) write(b batch) {
	if _, err := a.sink.Write(b.text); err != nil {
		a.dropped.Add(b.lines)
		a.mu.Lock()
		a.err = cmp.Or(a.err, err)
		a.mu.Unlock()
	} else {
		a.written.Add(b.lines)
	}
	a.free <- b.text
}

// Close writes what is buffered and ends the log; lines that come later are dropped. A sink that stalls is waited for
// until ctx ends: then its goroutine ends when the sink lets it. The error is that of ctx, or the first of the sink.
func (a *Access) Close(ctx context.Context) error {
	a.mu.Lock()
	if !a.closed {
		a.closed = true
		a.pass()
		close(a.stop)
	}
	a.mu.Unlock()
	select {
	case <-a.done:
	case <-ctx.Done():
		return fmt.Errorf("access log: the last lines could not be written: %w", ctx.Err())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return errors.Join(errors.New("access log: lines were lost"), a.err)
	}
	return nil
}
