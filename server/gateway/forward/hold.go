package forward

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/gabion-io/gabion/server/gateway/upstream"
)

const (
	// maxHeld bounds the body of an answer that is held back until it is whole.
	maxHeld = 64 << 10
	// holdFor is how long an answer whose length is not known is held back. It is the most that holding delays.
	holdFor = 50 * time.Millisecond
)

// rooms are the buffers of held answers: small ones for most, and the largest.
var rooms = [...]sync.Pool{
	{New: func() any { return newRoom(4 << 10) }},
	{New: func() any { return newRoom(maxHeld) }},
}

func newRoom(size int) *[]byte {
	b := make([]byte, size)
	return &b
}

func poolFor(size int64) *sync.Pool {
	if size <= 4<<10 {
		return &rooms[0]
	}
	return &rooms[1]
}

// held is an answer's body in memory.
type held struct {
	room *[]byte
	pool *sync.Pool
	rest []byte
}

// Read implements io.Reader.
func (h *held) Read(p []byte) (int, error) {
	if len(h.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, h.rest)
	h.rest = h.rest[n:]
	return n, nil
}

// Bytes gives what was not read yet, so that it can be written without being copied.
func (h *held) Bytes() []byte { return h.rest }

// Close gives the memory back.
func (h *held) Close() error {
	h.free()
	return nil
}

func (h *held) free() {
	if h.room != nil {
		h.pool.Put(h.room)
		h.room, h.rest = nil, nil
	}
}

// hold keeps an answer back until it is whole, when that can be of use and does not take long. Its error is a break in
// the middle of the body, which is then one more failed attempt. The time for the attempt goes on meanwhile.
func (c *call) hold(r *upstream.Reply) *upstream.Error {
	if r.Body == nil || r.Endless || r.Length > maxHeld || !c.at.rules.reset || c.at.service.Retry() == nil ||
		!c.at.rules.repeatable(&c.x.Request) || !c.replayable() {
		return nil
	}
	if r.Length < 0 {
		return c.holdOpen(r)
	}
	h := &held{pool: poolFor(r.Length)}
	h.room = h.pool.Get().(*[]byte)
	h.rest = (*h.room)[:r.Length]
	_, err := io.ReadFull(r.Body, h.rest)
	if err == nil && !r.Ended() {
		err = ended(r.Body)
	}
	return c.keep(r, h, err)
}

// ended reads the end of a body, which gives the connection back.
func ended(body io.Reader) error {
	var none [1]byte
	for {
		n, err := body.Read(none[:])
		switch {
		case err == io.EOF && n == 0:
			return nil
		case n > 0:
			return &upstream.Error{Kind: upstream.Protocol, Sent: true, Reached: true, Err: errors.New("the body is longer than was said")}
		case err != nil:
			return err
		}
	}
}

// keep puts a body that was read to its end in the place of the endpoint's, or notes why it could not be.
func (c *call) keep(r *upstream.Reply, h *held, err error) *upstream.Error {
	closing := r.Body.Close()
	if err == nil {
		r.Body, r.Length, r.Stream = h, int64(len(h.rest)), false
		c.held = h
		return nil
	}
	h.free()
	var failure *upstream.Error
	if !errors.As(err, &failure) {
		failure = &upstream.Error{Kind: upstream.Reset, Sent: true, Reached: true, Err: errors.Join(err, closing)}
	}
	return failure
}

// holdOpen is hold for an answer whose length is not known. It may be one that the endpoint writes bit by bit, so it
// is held for a short time only; then what came so far is passed on, and the rest as it comes.
func (c *call) holdOpen(r *upstream.Reply) *upstream.Error {
	o := &open{source: r.Body, room: rooms[1].Get().(*[]byte), done: make(chan struct{})}
	o.more.L = &o.mu
	go o.fill()
	timer := time.NewTimer(holdFor)
	defer timer.Stop()
	select {
	case <-o.done:
	case <-timer.C:
	}
	switch finished, err := o.release(); {
	case finished && err != nil && !errors.Is(err, io.EOF):
		return c.keep(r, &held{room: o.room, pool: &rooms[1]}, err)
	case finished && err != nil && !hasTrailer(r):
		r.Trailer = nil
		return c.keep(r, &held{room: o.room, pool: &rooms[1], rest: (*o.room)[:o.n]}, nil)
	}
	r.Body = o
	return nil
}

func hasTrailer(r *upstream.Reply) bool {
	if r.Trailer == nil {
		return false
	}
	for range r.Trailer().All() {
		return true
	}
	return false
}

// open is a body that is read ahead by a goroutine, until there is enough or somebody wants to read it. The goroutine
// ends then, or when the body is closed.
type open struct {
	source io.ReadCloser
	room   *[]byte
	done   chan struct{} // closed when the goroutine has ended

	mu       sync.Mutex
	more     sync.Cond
	n, taken int   // bytes in the room, and of them read
	let      bool  // the goroutine is to read no further
	finished bool  // it does not
	err      error // the source's end
}

// fill reads ahead.
func (o *open) fill() {
	defer close(o.done)
	for {
		o.mu.Lock()
		room := (*o.room)[o.n:]
		if o.let || o.err != nil || len(room) == 0 {
			o.finished = true
			o.more.Broadcast()
			o.mu.Unlock()
			return
		}
		o.mu.Unlock()
		n, err := o.source.Read(room)
		o.mu.Lock()
		o.n += n
		o.err = err
		o.more.Broadcast()
		o.mu.Unlock()
	}
}

// release lets the reader have what comes from now on, and tells whether the goroutine has ended and why.
func (o *open) release() (finished bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.let = true
	return o.finished, o.err
}

// Read gives what was read ahead, and then reads on.
func (o *open) Read(p []byte) (int, error) {
	o.mu.Lock()
	for o.taken == o.n && !o.finished {
		o.more.Wait()
	}
	if o.taken < o.n {
		n := copy(p, (*o.room)[o.taken:o.n])
		o.taken += n
		o.mu.Unlock()
		return n, nil
	}
	err := o.err
	o.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return o.source.Read(p)
}

// Close closes the body and waits for the goroutine, which that ends.
func (o *open) Close() error {
	err := o.source.Close()
	<-o.done
	if o.room != nil {
		rooms[1].Put(o.room)
		o.room = nil
	}
	return err
}
