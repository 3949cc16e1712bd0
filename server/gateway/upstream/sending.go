package upstream

import (
	"errors"
	"io"
	"strconv"
	"time"
)

// sending is the body of a request that is sent by a goroutine of its own. A nil sending has been sent.
type sending struct {
	done chan struct{} // closed when it has ended
	all  bool          // all of it was sent; read it after done
	// leave says whether the body is to be sent, where the endpoint is asked first; nil where it is not.
	leave chan bool
}

// settleTime is how long the end of the sending is waited for when the answer is there already: mostly its goroutine
// only has not run yet.
const settleTime = 50 * time.Millisecond

// start starts the sending of the body. When ask is set, it begins when the endpoint says so, or has said nothing for a
// while.
func (l *line) start(a *attempt, body io.Reader, length int64, ask bool) *sending {
	s := &sending{done: make(chan struct{})}
	if ask {
		s.leave = make(chan bool, 1)
	}
	go func() {
		defer close(s.done)
		if !s.allowed() {
			return
		}
		if err := l.send(a.upload, body, length); err != nil {
			_ = l.Close() // what came of the request must not look complete
			return
		}
		s.all = true
	}()
	return s
}

// proceed lets the body be sent, skip ends the wait for that. Only the first of them counts.
func (s *sending) proceed() { s.decide(true) }
func (s *sending) skip()    { s.decide(false) }

func (s *sending) decide(leave bool) {
	if s == nil || s.leave == nil {
		return
	}
	select {
	case s.leave <- leave:
	default:
	}
}

// allowed waits for leave to send the body.
func (s *sending) allowed() bool {
	if s.leave == nil {
		return true
	}
	timer := time.NewTimer(continueTimeout)
	defer timer.Stop()
	select {
	case leave := <-s.leave:
		return leave
	case <-timer.C:
		return true
	}
}

// whole tells whether the whole body was sent, as the next request on the connection needs.
func (s *sending) whole() bool {
	if s == nil {
		return true
	}
	timer := time.NewTimer(settleTime)
	defer timer.Stop()
	select {
	case <-s.done:
		return s.all
	case <-timer.C:
		return false
	}
}

var errLength = errors.New("the body of the request is longer than was said")

// send sends the body, of length bytes, or in chunks when that is -1. What has been read is sent at once.
func (l *line) send(u *upload, body io.Reader, length int64) error {
	buffer := chunks.Get().(*[chunk]byte) //nolint:forcetypeassert // the pool holds nothing else
	defer chunks.Put(buffer)
	for sent := int64(0); ; {
		n, err := body.Read(buffer[:])
		if sent += int64(n); length >= 0 && sent > length {
			return errLength
		}
		if n > 0 {
			if err := l.piece(buffer[:n], length < 0); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
		case !errors.Is(err, io.EOF):
			return err
		case length < 0:
			return l.last(u)
		case sent < length:
			return io.ErrUnexpectedEOF
		default:
			return nil
		}
	}
}

// piece sends a part of the body.
func (l *line) piece(p []byte, chunked bool) error {
	if !chunked {
		_, err := l.Write(p)
		return err
	}
	l.text = strconv.AppendInt(l.text[:0], int64(len(p)), 16)
	l.text = append(l.text, "\r\n"...)
	l.text = append(l.text, p...)
	l.text = append(l.text, "\r\n"...)
	_, err := l.Write(l.text)
	return err
}

// last sends the last chunk and the trailers.
func (l *line) last(u *upload) error {
	l.text = append(l.text[:0], "0\r\n"...)
	for name, values := range u.sent {
		for _, value := range values {
			if !oneLine(value) {
				return errRequest
			}
			l.field(name, value)
		}
	}
	l.text = append(l.text, "\r\n"...)
	_, err := l.Write(l.text)
	return err
}
