package front

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// patience is how long a client may take for the next bytes of a body, or to take the next bytes of an answer.
const patience = 30 * time.Second

// renew is how old a deadline must be to be set anew: setting one costs more than a small read.
const renew = patience / 6

// body is the body of a request. It is bounded in size and in the time between two reads.
type body struct {
	from     io.ReadCloser
	left     int64
	w        http.ResponseWriter
	received *int64
	set      gabion.Instant // when the deadline was set last
	failed   atomic.Pointer[error]
	stopped  atomic.Bool
}

// Read implements io.Reader. Its errors are those that exchange.ProblemOf knows.
func (b *body) Read(p []byte) (int, error) {
	if failed := b.failed.Load(); failed != nil {
		return 0, *failed
	}
	b.allow()
	if b.stopped.Load() { // asked after allow, which would undo what Interrupt does
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.from.Read(p)
	*b.received += int64(n)
	if b.left -= int64(n); b.left < 0 {
		return 0, b.fail(exchange.ErrBodyTooLarge)
	}
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		b.forget()
		return n, io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, b.fail(exchange.ErrBodySlow)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, http.ErrBodyReadAfterClose), connectionBroke(err):
		return n, b.fail(exchange.ErrClientGone)
	}
	return n, b.fail(exchange.ErrBodyBroken)
}

func (b *body) fail(err error) error {
	b.failed.Store(&err)
	return err
}

// Interrupt ends a Read that waits for the client, and all later ones: nobody wants the rest of the body. It is called
// while another goroutine may be reading.
func (b *body) Interrupt() {
	b.stopped.Store(true)
	// Engines that cannot set a deadline have one of their own.
	_ = http.NewResponseController(b.w).SetReadDeadline(time.Unix(1, 0))
}

// allow gives the client time for the next bytes.
func (b *body) allow() {
	now := gabion.Now()
	if b.set != 0 && now-b.set < renew {
		return
	}
	b.set = now
	// Engines that cannot set a deadline have one of their own.
	_ = http.NewResponseController(b.w).SetReadDeadline(time.Now().Add(patience))
}

// forget ends the deadline: what comes next on the connection is another request.
func (b *body) forget() {
	if b.set != 0 {
		// Engines that cannot set a deadline have set none.
		_ = http.NewResponseController(b.w).SetReadDeadline(time.Time{})
	}
}

// connectionBroke tells errors of the connection from those of what came over it.
func connectionBroke(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout)
}

// BodyErr is why reading the request body failed, nil when it did not.
func (s *session) BodyErr() error {
	if s.body == nil {
		return nil
	}
	if failed := s.body.failed.Load(); failed != nil {
		return *failed
	}
	return nil
}
