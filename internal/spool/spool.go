// Package spool holds what is to be sent to another system, in memory and within bounds, and sends it in batches. Who puts
// something in never waits; when there is no room, the oldest go, and are counted.
package spool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/gabion-io/gabion/internal/backoff"
)

// The waits between two tries to send the same batch.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 30 * time.Second
	lastPause  = time.Second // at most, while Close waits
	// maxAfter bounds what the receiver may ask for.
	maxAfter = 5 * time.Minute
)

// overhead is the memory that an item takes beside its size.
const overhead = 64

// ErrRefused says that a batch will never be taken as it is, so it is given up.
var ErrRefused = errors.New("refused for good")

// AfterError says when to try again.
type AfterError struct {
	// After is how long to wait at least.
	After time.Duration
	// Err is what happened.
	Err error
}

// Error is that of Err.
func (e *AfterError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *AfterError) Unwrap() error { return e.Err }

// Config is what a [Spool] is made of. The zero value of every field means its default.
type Config[T any] struct {
	// Send sends a batch. Required. It returns how many units of a batch that was taken were refused nevertheless. An error
	// means that the batch was not taken: with [ErrRefused] it is given up, else tried again, after the time that an
	// [*AfterError] says. It is called by one goroutine, must not keep the slice, and must end when the context does.
	Send func(ctx context.Context, batch []T) (refused int, err error)
	// Told, when it is set, is told by the goroutine that sends when sending begins to fail, and, with nil, when it works again.
	Told func(error)
	// Max bounds the memory, in bytes; at least four times Batch. An item may have a quarter of it. Default: 8 MiB.
	Max int
	// Batch is how many bytes are sent at once; one item may be more. Default: 256 KiB.
	Batch int
	// Every is how long an item waits at most before it is sent. Default: 1s.
	Every time.Duration
	// Timeout is how long one try may take, and Close when its context has no deadline. Default: 10s.
	Timeout time.Duration
}

// Counts is how a [Spool] is. All but Bytes are units, as Put was told.
type Counts struct {
	// Buffered wait to be sent or are just being sent, Bytes is the memory that they take.
	Buffered, Bytes int
	// Sent were taken by the receiver. Dropped were given up: the oldest when there was no room, what is too large, what came
	// after Close and what Close could not send. Refused were given up because the receiver will never take them.
	Sent, Dropped, Refused uint64
	// Retries counts tries after which another followed, or should have.
	Retries uint64
}

// item is what was put in.
type item[T any] struct {
	value T
	units int
	size  int
}

// Spool holds items and sends them in order. Make it with [New], end it with [Spool.Close]. It is safe for concurrent use.
type Spool[T any] struct {
	config Config[T]

	mu     sync.Mutex
	queue  deque[item[T]]
	flight []item[T] // being sent
	counts Counts
	closed bool
	last   error // of the last try that failed

	// Of the goroutine that sends.
	batch   []T
	failed  bool // the last try
	tries   int  // of this batch
	leaving bool // it knows that Close waits

	wake    chan struct{} // there is something, or a full batch
	life    context.Context
	stop    context.CancelFunc
	closing chan struct{}
	ended   chan struct{}
	once    sync.Once
}

// New makes a spool and starts its goroutine.
func New[T any](cfg Config[T]) *Spool[T] {
	cfg.Batch = cmp.Or(max(cfg.Batch, 0), 256<<10)
	cfg.Max = max(cmp.Or(cfg.Max, 8<<20), 4*cfg.Batch)
	cfg.Every = cmp.Or(max(cfg.Every, 0), time.Second)
	cfg.Timeout = cmp.Or(max(cfg.Timeout, 0), 10*time.Second)
	s := &Spool[T]{config: cfg, wake: make(chan struct{}, 1), closing: make(chan struct{}), ended: make(chan struct{})}
	s.life, s.stop = context.WithCancel(context.Background())
	go s.run()
	return s
}

// Put adds an item of so many units and bytes. It never waits.
func (s *Spool[T]) Put(value T, units, size int) {
	size += overhead
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || size > s.config.Max/4 {
		s.counts.Dropped += uint64(units)
		return
	}
	for s.counts.Bytes+size > s.config.Max {
		s.dropOldest()
	}
	before := s.counts.Bytes
	s.queue.pushBack(item[T]{value, units, size})
	s.counts.Bytes += size
	s.counts.Buffered += units
	if before == 0 || before < s.config.Batch && s.counts.Bytes >= s.config.Batch {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// Counts is how it is now.
func (s *Spool[T]) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Close sends what is left until ctx ends. Its error says how many units are lost, and why.
func (s *Spool[T]) Close(ctx context.Context) error {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.config.Timeout)
		defer cancel()
	}
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.once.Do(func() { close(s.closing) })
	defer context.AfterFunc(ctx, s.stop)()
	<-s.ended
	s.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	lost := s.counts.Buffered
	for s.queue.length > 0 {
		s.dropOldest()
	}
	if lost == 0 {
		return nil
	}
	err := fmt.Errorf("%d not sent: %w", lost, context.Cause(ctx))
	if s.last != nil {
		err = fmt.Errorf("%w; last error: %w", err, s.last)
	}
	return err
}

// dropOldest gives up the oldest item that is not being sent. There is one: what is being sent has a quarter of the memory
// at most, and so has a new item. The lock is held.
func (s *Spool[T]) dropOldest() {
	oldest := s.queue.popFront()
	s.counts.Dropped += uint64(oldest.units)
	s.counts.Buffered -= oldest.units
	s.counts.Bytes -= oldest.size
}

// run sends until the spool is closed.
func (s *Spool[T]) run() {
	defer close(s.ended)
	for s.await() {
		s.drain()
	}
	s.drain()
}

// await waits until there is something to send. It is false when the spool is closed.
func (s *Spool[T]) await() bool {
	select {
	case <-s.wake:
	case <-s.closing:
		return false
	}
	ripe := time.NewTimer(s.config.Every)
	defer ripe.Stop()
	for s.Counts().Bytes < s.config.Batch {
		select {
		case <-s.wake:
		case <-ripe.C:
			return true
		case <-s.closing:
			return false
		}
	}
	return true
}

// drain sends all there is. It gives up only when the spool is closed.
func (s *Spool[T]) drain() {
	for s.life.Err() == nil && s.take() {
		ctx, cancel := context.WithTimeout(s.life, s.config.Timeout)
		refused, err := s.config.Send(ctx, s.batch)
		cancel()
		again := err != nil && !errors.Is(err, ErrRefused)
		s.settle(refused, err, again)
		s.tell(err)
		if !again {
			s.tries = 0
			continue
		}
		s.tries++
		if !s.pause(err) {
			return
		}
	}
}

// take makes the next batch, and says whether there is one.
func (s *Spool[T]) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batch, s.flight = s.batch[:0], s.flight[:0]
	for size := 0; s.queue.length > 0; {
		if size += s.queue.front().size; size > s.config.Batch && len(s.flight) > 0 {
			break
		}
		next := s.queue.popFront()
		s.flight = append(s.flight, next)
		s.batch = append(s.batch, next.value)
	}
	return len(s.flight) > 0
}

// settle counts what became of a batch. One that is sent again goes back to where it was.
func (s *Spool[T]) settle(refused int, err error, again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.batch)
	if again {
		s.last = err
		s.counts.Retries++
		for _, back := range slices.Backward(s.flight) {
			s.queue.pushFront(back)
		}
		clear(s.flight)
		return
	}
	units := 0
	for _, sent := range s.flight {
		units += sent.units
		s.counts.Bytes -= sent.size
	}
	clear(s.flight)
	s.counts.Buffered -= units
	if err != nil {
		refused = units
	}
	refused = min(max(refused, 0), units)
	s.counts.Refused += uint64(refused)
	s.counts.Sent += uint64(units - refused)
}

// tell tells changes.
func (s *Spool[T]) tell(err error) {
	if failed := err != nil; failed != s.failed {
		s.failed = failed
		if s.config.Told != nil {
			s.config.Told(err)
		}
	}
}

// pause waits before the next try. It is false when there will be none.
func (s *Spool[T]) pause(err error) bool {
	limit, closing := maxPause, s.closing
	if s.leaving { // what counts now is when Close ends
		limit, closing = lastPause, nil
	}
	wait := backoff.Full(backoff.Bound(s.tries, firstPause, limit), mathrand.Float64())
	if e, ok := errors.AsType[*AfterError](err); ok {
		wait = max(wait, min(e.After, maxAfter))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-closing: // at once, once more
		s.leaving = true
		return true
	case <-s.life.Done():
		return false
	}
}
