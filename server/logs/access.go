// Package logs writes the access log: one line of JSON for every exchange.
//
// A request never waits for the log. Its line is copied into a buffer in memory, and a goroutine of the log takes full
// buffers, and five times a second what there is. It gives them to the store, which never makes it wait, and passes them
// on to a second goroutine, which writes. When whoever reads what is written stalls, buffers wait there; when only
// enough are left to go round, further ones are not written, and their lines are counted as dropped. The store gets
// them all the same.
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
	// Buffers is how many of these there are at most, being filled or waiting to be written; at least 4. Default: 16.
	Buffers int
	// Every is how long a line waits at most before it is written. Default: 200ms.
	Every time.Duration
	// Feed gets all lines, many at once, whether they can be written or not. It must neither block nor keep them. Default:
	// nobody gets them.
	Feed func(lines []byte)
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

	full  chan batch  // filled, in order
	write chan batch  // to be written
	free  chan []byte // room for batches; nil is room not yet made
	stop  chan struct{}
	done  chan struct{}
}

// spare is how many buffers never wait to be written: one is being filled, one is being passed on, one is being written.
const spare = 3

// batch is lines that are written at once.
type batch struct {
	text  []byte
	lines uint64
}

// New makes an access log that writes to sink, and starts its goroutines.
func New(sink io.Writer, cfg Config) *Access {
	cfg.Buffer = cmp.Or(max(cfg.Buffer, 0), 64<<10)
	cfg.Buffers = max(cmp.Or(cfg.Buffers, 16), spare+1)
	cfg.Every = cmp.Or(max(cfg.Every, 0), 200*time.Millisecond)
	a := &Access{
		config: cfg, sink: sink, ids: newIdentities(), free: make(chan []byte, cfg.Buffers),
		full: make(chan batch, cfg.Buffers), write: make(chan batch, cfg.Buffers-spare),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	a.lines.New = func() any { return new(make([]byte, 0, 1024)) }
	for range cfg.Buffers {
		a.free <- nil
	}
	go a.run()
	go a.writeAll()
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

// run passes on what is filled until the log is closed and nothing is left.
func (a *Access) run() {
	defer close(a.write)
	tick := time.NewTicker(a.config.Every)
	defer tick.Stop()
	for {
		select {
		case b := <-a.full:
			select {
			case <-a.stop:
				a.passLast(b)
				return
			default:
				a.passOn(b)
			}
		case <-tick.C:
			a.mu.Lock()
			a.pass()
			a.mu.Unlock()
		case <-a.stop:
			a.passLast()
			return
		}
	}
}

// passOn gives a batch to who writes, if there is room.
func (a *Access) passOn(b batch) {
	a.feed(b)
	select {
	case a.write <- b:
	default:
		a.dropped.Add(b.lines)
		a.free <- b.text
	}
}

// passLast passes on what is left when the log is closed. Who writes is waited for: nothing comes behind it.
func (a *Access) passLast(last ...batch) {
	a.mu.Lock() // until what was being filled is in the channel
	for len(a.full) > 0 {
		last = append(last, <-a.full)
	}
	a.mu.Unlock()
	for _, b := range last {
		a.feed(b)
	}
	for _, b := range last {
		a.write <- b
	}
}

func (a *Access) feed(b batch) {
	if a.config.Feed != nil {
		a.config.Feed(b.text)
	}
}

// writeAll writes until nothing more comes.
func (a *Access) writeAll() {
	defer close(a.done)
	for b := range a.write {
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
}

// Close writes what is buffered and ends the log; lines that come later are dropped. A sink that stalls is waited for
// until ctx ends: then its goroutine ends when the sink lets it. The error is that of ctx, or the first of the sink.
func (a *Access) Close(ctx context.Context) error {
	a.mu.Lock()
	if !a.closed {
		a.closed = true
		close(a.stop) // first, so that what is filled now is known to be the last
		a.pass()
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
