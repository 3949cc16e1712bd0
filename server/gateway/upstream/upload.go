package upstream

import (
	"bytes"
	"io"
	"net/http"
	"sync"

	"github.com/gabion-io/gabion/server/gateway/exchange"
)

// chunk is how much of a streamed body is moved at once.
const chunk = 32 << 10

var chunks = sync.Pool{New: func() any { return new([chunk]byte) }}

// payload is a request body that is held in memory.
type payload struct{ bytes.Reader }

// Close does nothing: there is nothing to release.
func (*payload) Close() error { return nil }

// upload streams a request body from the client to the endpoint.
//
// A goroutine stands between, because net/http waits for a Read that it has begun even when the attempt is over, and
// a client that stalls would hold up the timeout. The goroutine is started by the first Read, so an endpoint that
// cannot be reached takes nothing of the body. It ends with the body, or when a read from the client ends after Close.
type upload struct {
	source  io.Reader
	trailer func() exchange.Header // of the client, after source has ended; may be nil
	sent    http.Header            // what of it is sent
	clock   *clock                 // of the attempt

	mu     sync.Mutex
	read   *io.PipeReader
	closed bool
	fault  error // why reading from the client failed
}

// Read implements io.Reader for net/http.
func (u *upload) Read(p []byte) (int, error) {
	read := u.start()
	if read == nil {
		return 0, errBodyClosed
	}
	u.clock.pause()
	n, err := read.Read(p)
	u.clock.run()
	return n, err
}

func (u *upload) start() *io.PipeReader {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return nil
	}
	if u.read == nil {
		read, write := io.Pipe()
		u.read = read
		go u.pump(write)
	}
	return u.read
}

// pump moves the body. Trailers are there when source has ended and must be in place before net/http sees the end.
func (u *upload) pump(write *io.PipeWriter) {
	buffer := chunks.Get().(*[chunk]byte)
	defer chunks.Put(buffer)
	for {
		n, err := u.source.Read(buffer[:])
		if n > 0 {
			if _, gone := write.Write(buffer[:n]); gone != nil {
				return
			}
		}
		if err == nil {
			continue
		}
		if err == io.EOF {
			u.fillTrailer()
		} else {
			u.mu.Lock()
			u.fault = err
			u.mu.Unlock()
		}
		_ = write.CloseWithError(err) // never fails, by its documentation
		return
	}
}

func (u *upload) fillTrailer() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.trailer == nil || u.sent == nil || u.closed {
		return
	}
	for name, value := range u.trailer().All() {
		if _, announced := u.sent[name]; announced {
			u.sent[name] = append(u.sent[name], value)
		}
	}
}

// Close ends the sending. It never fails.
func (u *upload) Close() error {
	u.stop()
	return nil
}

// stop ends the sending. It does not wait for a read from the client.
func (u *upload) stop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	if u.read != nil {
		_ = u.read.CloseWithError(errBodyClosed) // never fails, by its documentation
	}
}

// clientFault is why reading from the client failed, nil when it did not.
func (u *upload) clientFault() error {
	if u == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.fault
}
