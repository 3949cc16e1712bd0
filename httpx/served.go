package httpx

import (
	"cmp"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
)

// Served is a request that a [Handler] has served or refused.
type Served struct {
	// Request is the request as the handler got it. Its Pattern is set when a http.ServeMux stands around or behind the Handler.
	Request *http.Request
	// Status is that of the answer. It is 0 when there was none: the handler panicked before, or took the connection over.
	Status int
	// Refused is why the request was not admitted; nil when it was.
	Refused error
	// Took is how long it took.
	Took time.Duration
	// Read is how many bytes of the body were read, Written how many of the body of the answer were written.
	Read, Written int64
}

// watched is a request of which Ended will be told.
type watched struct {
	request *http.Request
	answer  *recorder
	body    countedBody
	began   gabion.Instant
}

// observe begins to watch a request, which it changes.
func observe(r *http.Request, answer *recorder) *watched {
	w := &watched{request: r, answer: answer, began: gabion.Now()}
	if r.Body != nil && r.Body != http.NoBody {
		w.body.ReadCloser = r.Body
		r.Body = &w.body
	}
	return w
}

func (w *watched) served() Served {
	s := Served{
		Request: w.request, Status: w.answer.status, Refused: w.answer.refused,
		Took: gabion.Now() - w.began, Read: w.body.read.Load(), Written: w.answer.written,
	}
	if w.answer.returned && !w.answer.taken {
		s.Status = cmp.Or(s.Status, http.StatusOK) // what net/http answers for a handler that has nothing to say
	}
	return s
}

// countedBody counts what is read of a body. Who passes it on may still read when the handler has returned.
type countedBody struct {
	io.ReadCloser
	read atomic.Int64
}

// Read implements io.Reader.
func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read.Add(int64(n))
	return n, err
}
