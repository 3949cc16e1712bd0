package httpx

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// upload is the body of a request, each try of which gets a reader of its own. A body with GetBody is made anew for every
// try. Of any other, what the tries read is kept, up to a bound, and the next try begins with that: nothing is read before
// somebody sends it, so that bodies work whose end comes only after the answer has begun.
type upload struct {
	origin io.ReadCloser // nil: there is no body
	renew  func() (io.ReadCloser, error)
	bound  int // how much is kept

	mu      sync.Mutex
	changed *sync.Cond
	tries   int     // readers made
	open    int     // of which so many have not been closed
	over    bool    // there will be no other
	closed  bool    // origin is
	kept    []byte  // what was read of origin
	reading bool    // one of them reads origin
	owner   *reader // it alone has what comes after kept; nil while everything is kept
	failed  error   // what reading origin ended with
	broken  error   // the same, when it was not the end: the caller's own failure
}

var errClosed = errors.New("httpx: read of a body that was closed")

// newUpload is the body of r. keep bounds what is kept of it.
func newUpload(r *http.Request, keep int) *upload {
	u := &upload{}
	u.changed = sync.NewCond(&u.mu)
	if r.Body == nil || r.Body == http.NoBody {
		return u
	}
	u.origin, u.renew = r.Body, r.GetBody
	if keep > 0 {
		u.bound = keep + 1 // so that the end of a body of just this size is seen
	}
	return u
}

// again says whether there can be another try.
func (u *upload) again() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.broken == nil && (u.origin == nil || u.renew != nil || u.owner == nil)
}

// attach gives a try its body. The base can have it anew as well, for a connection that broke before anything was sent.
func (u *upload) attach(out *http.Request) error {
	if u.origin == nil {
		return nil
	}
	var err error
	out.Body, err = u.next()
	out.GetBody = u.next
	return err
}

// next is the body for one more try.
func (u *upload) next() (io.ReadCloser, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := &reader{upload: u}
	switch {
	case u.over:
		return nil, refusal(errOver, nil)
	case u.renew == nil && u.owner != nil:
		return nil, refusal(ErrNoBody, nil)
	case u.renew != nil && u.tries == 0:
		r.own, r.first = u.origin, true
	case u.renew != nil:
		fresh, err := u.renew()
		if err != nil {
			u.broken = err
			return nil, refusal(ErrNoBody, fmt.Errorf("GetBody: %w", err))
		}
		r.own = fresh
	}
	u.tries++
	u.open++
	return r, nil
}

// end says that there will be no other try. The origin is closed when nobody sends it any more.
func (u *upload) end() {
	u.mu.Lock()
	u.over = true
	u.close()
}

// close closes the origin if nobody needs it, and unlocks.
func (u *upload) close() {
	last := u.over && u.open == 0 && u.origin != nil && !u.closed
	if last {
		u.closed = true
	}
	u.mu.Unlock()
	if last {
		// It was the base transport's to close, and that has nobody to tell either.
		_ = u.origin.Close()
	}
}

// failure is what reading the body failed with, nil when it did not.
func (u *upload) failure() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.broken == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrBody, u.broken)
}

// reader is the body of one try.
type reader struct {
	upload *upload
	own    io.ReadCloser // made by GetBody for this try alone; nil: the tries share the origin
	first  bool          // own is the origin
	at     int           // in what is kept
	closed bool
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	u := r.upload
	if r.own != nil {
		n, err := r.own.Read(p)
		if err != nil && err != io.EOF {
			u.mu.Lock()
			if !r.closed {
				u.broken = err
			}
			u.mu.Unlock()
		}
		return n, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for {
		switch {
		case r.closed:
			return 0, errClosed
		case r.at < len(u.kept):
			n := copy(p, u.kept[r.at:])
			r.at += n
			return n, nil
		case u.owner != nil && u.owner != r:
			return 0, ErrNoBody
		case u.failed != nil:
			return 0, u.failed
		case len(p) == 0:
			return 0, nil
		case !u.reading:
			return r.more(p)
		}
		u.changed.Wait()
	}
}

// more reads the origin, without holding the lock meanwhile.
func (r *reader) more(p []byte) (int, error) {
	u := r.upload
	if room := u.bound - len(u.kept); room > 0 {
		p = p[:min(len(p), room)]
	} else {
		u.owner = r
	}
	u.reading = true
	u.mu.Unlock()
	n, err := u.origin.Read(p)
	u.mu.Lock()
	u.reading = false
	u.changed.Broadcast()
	if u.owner == nil {
		u.kept = append(u.kept, p[:n]...)
		r.at += n
	}
	if err != nil {
		u.failed = err
		if err != io.EOF && !u.closed {
			u.broken = err
		}
	}
	return n, err
}

// Close implements io.Closer. It does not close what other tries may still need.
func (r *reader) Close() error {
	u := r.upload
	u.mu.Lock()
	if r.closed {
		u.mu.Unlock()
		return nil
	}
	r.closed = true
	u.open--
	u.changed.Broadcast()
	if r.own != nil && !r.first {
		u.mu.Unlock()
		return r.own.Close()
	}
	if r.first {
		u.closed = true
		u.mu.Unlock()
		return r.own.Close()
	}
	u.close()
	return nil
}
