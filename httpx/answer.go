package httpx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// answer is what came of one try: an answer with the context that its body is read under, or why there is none.
type answer struct {
	resp   *http.Response
	err    error
	status *StatusError // it is not what the caller wants, but may be all that it gets
	whole  bool         // the body has been read

	ctx    context.Context
	cancel context.CancelCauseFunc // ends it
	unlink func() bool             // it from the one that ends it
	idle   time.Duration           // how long a read of the body may wait; 0: for ever
	stalls *time.Timer             // it did
}

const (
	// maxDrain is how much of an answer that nobody wants is read to use its connection again, and drainTime how long that
	// may take. Beyond, a new connection costs less.
	maxDrain  = 64 << 10
	drainTime = 50 * time.Millisecond
)

// readAhead reads the body, if it says that it is at most so long: what breaks off is then part of the try. method is that
// of the request.
func (a *answer) readAhead(method string, most int) {
	n := a.resp.ContentLength
	if n < 0 || n > int64(most) || method == http.MethodHead || a.resp.StatusCode == http.StatusNotModified || a.upgraded() {
		return
	}
	buf := make([]byte, n+1) // so that its end is seen
	read, err := io.ReadFull(a.resp.Body, buf)
	switch {
	case int64(read) < n && errors.Is(err, io.EOF): // nothing at all
		a.err = io.ErrUnexpectedEOF
	case int64(read) < n:
		a.err = err
	default:
		a.whole = true
		a.resp.Body.Close()
		a.resp.Body = io.NopCloser(bytes.NewReader(buf[:n]))
	}
}

// arrive ends what binds the answer to its try. From now on it ends with the context of the caller. It fails when there is
// no answer, or the try ended before.
func (a *answer) arrive(try, caller context.Context) error {
	inTime := a.unlink()
	switch {
	case a.err == nil && a.whole:
		a.cancel(nil)
		return nil
	case a.err == nil && inTime:
		a.unlink = context.AfterFunc(caller, func() { a.cancel(context.Cause(caller)) })
		a.hold()
		return nil
	case a.err == nil:
		a.err = context.Cause(try)
	}
	if a.resp != nil && a.resp.Body != nil {
		a.resp.Body.Close()
	}
	a.cancel(nil)
	return a.err
}

// upgraded says whether what follows is another protocol, which is not read before the caller has written.
func (a *answer) upgraded() bool { return a.resp.StatusCode == http.StatusSwitchingProtocols }

// hold makes the body let go of the context when it has been read or closed.
func (a *answer) hold() {
	b := body{a.resp.Body, a}
	a.resp.Body = b
	if w, ok := b.ReadCloser.(io.Writer); ok { // another protocol from here on
		a.resp.Body = duplex{b, w}
	}
}

func (a *answer) release() {
	a.unlink()
	a.cancel(nil)
}

// wait starts the time that a read may wait.
func (a *answer) wait() *time.Timer {
	if a.stalls == nil {
		a.stalls = time.AfterFunc(a.idle, func() { a.cancel(stalled(a.idle)) })
	} else {
		a.stalls.Reset(a.idle)
	}
	return a.stalls
}

// explain says why reading the body failed with err: not every base tells the cause of a context that has ended.
func (a *answer) explain(err error) error {
	cause := context.Cause(a.ctx)
	if errors.Is(err, io.EOF) || cause == nil || errors.Is(cause, context.Canceled) || errors.Is(err, cause) {
		return err
	}
	return marked(fmt.Errorf("%w: %w", cause, err))
}

// discard lets go of an answer that nobody wants. What is left of it is read, so that its connection can be used again.
func (a *answer) discard() {
	if a.whole {
		return
	}
	if a.resp.ContentLength <= maxDrain && !a.upgraded() {
		late := time.AfterFunc(drainTime, func() {
			a.cancel(context.DeadlineExceeded)
			a.resp.Body.Close() // not every base looks at the context
		})
		defer late.Stop()
		// What stands there does not matter. An error means that the connection is lost, which is no loss.
		_, _ = io.CopyN(io.Discard, a.resp.Body, maxDrain)
	}
	a.resp.Body.Close()
}

// body is the body of an answer.
type body struct {
	io.ReadCloser
	answer *answer
}

// Read implements io.Reader.
func (b body) Read(p []byte) (int, error) {
	if b.answer.idle > 0 {
		defer b.answer.wait().Stop()
	}
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		err = b.answer.explain(err)
		b.answer.release()
	}
	return n, err
}

// Close implements io.Closer.
func (b body) Close() error {
	err := b.ReadCloser.Close()
	b.answer.release()
	return err
}

// duplex is the body of an answer that can be written to as well.
type duplex struct {
	body
	io.Writer
}
