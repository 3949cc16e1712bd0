package forward

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/gateway/service"
	"github.com/gabion-io/gabion/server/gateway/upstream"
	"github.com/gabion-io/gabion/shed"
)

// maxPayload bounds the body of a request that is kept to be sent again.
const maxPayload = 64 << 10

// Why there is no answer.
var (
	errGone     = exchange.ErrClientGone
	errBody     = errors.New("the request body could not be read")
	errClosed   = errors.New("the request body is not wanted any more")
	errDeadline = errors.New("the time for the request is used up")
)

// call is one exchange on its way through the step.
type call struct {
	step *step
	x    *exchange.Exchange
	head *upstream.Head

	// The body of the request: in memory, or as a stream, or neither.
	payload []byte
	stream  *source

	// received is when the request had been read, as far as it is; the other instants are 0 when there is no bound:
	// client is the client's own deadline, deadline the one that counts, told the one that endpoints hear of.
	received, client, deadline, told gabion.Instant
	total                            time.Duration // of the service and the route; 0: no bound
	streaming                        bool          // the answer may go on without end
	outer                            int           // the try of somebody further out that the request is
	context                          context.Context
	cancel                           context.CancelFunc // nil when context is the client's
	patience                         patience

	// What is held at the service that is being asked.
	at       *target
	began    gabion.Instant
	shed     *shed.Shedder // nil: it holds nothing there
	admitted gabion.Ticket
	breaker  *breaker.Breaker // nil: no ticket is held
	ticket   gabion.Ticket
	bulkhead *bulkhead.Bulkhead // nil: no place is held
	place    gabion.Ticket
	lease    service.Lease
	leased   bool
	ended    service.Result      // what is known of the last attempt
	answered gabion.Instant      // when the head of its answer came
	tried    []*service.Endpoint // where the request was sent
	room     [4]*service.Endpoint
	race     *race // nil: the last attempt was not hedged
	held     *held

	// What came of it: one of the three.
	reply *upstream.Reply
	err   error
	fixed *exchange.Fixed
}

// source is a streamed body. It is read by a goroutine of the transport's, perhaps still when the exchange is over and
// its memory is in use for another one, so everything goes through a gate that close shuts.
type source struct {
	from    io.Reader
	fields  func() exchange.Header // may be nil
	touched atomic.Bool            // it cannot be sent to another endpoint any more

	mu     sync.Mutex // held while the client's side is in use
	closed atomic.Bool
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return 0, errClosed
	}
	s.touched.Store(true)
	return s.from.Read(p)
}

// trailer gives the trailers.
func (s *source) trailer() exchange.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fields == nil || s.closed.Load() {
		return exchange.Fields(nil)
	}
	return s.fields()
}

// close lets nobody read any more. It waits for a Read that has begun, and interrupts it where the front can do that: a
// client may take long to send what nobody wants.
func (s *source) close() {
	s.closed.Store(true)
	if !s.mu.TryLock() {
		if b, ok := s.from.(interface{ Interrupt() }); ok {
			b.Interrupt()
		}
		s.mu.Lock()
	}
	s.mu.Unlock()
}

// receive reads the body when it is small enough to be kept. That also keeps a client that sends slowly from holding
// a place at the service.
func (c *call) receive() error {
	r := &c.x.Request
	c.received, c.outer = c.x.Started, outerAttempt(r)
	switch {
	case r.Body == nil || r.Length == 0:
	case r.Length < 0 || r.Length > maxPayload:
		c.stream = &source{from: r.Body, fields: r.Trailer}
	default:
		c.payload = make([]byte, r.Length)
		if _, err := io.ReadFull(r.Body, c.payload); err != nil {
			return errors.Join(errBody, err)
		}
		c.received = gabion.Now()
	}
	return nil
}

// replayable tells whether the body can be sent once more.
func (c *call) replayable() bool { return c.stream == nil || !c.stream.touched.Load() }

// attend asks a service for the answer.
func (c *call) attend(t *target) {
	c.at, c.began, c.answered = t, gabion.Now(), 0
	c.reply, c.err, c.ended = nil, nil, service.Result{Outcome: gabion.Ignored}
	if err := c.admit(); err != nil {
		c.err = err
		return
	}
	c.attempts()
}

// admit passes the guards of the service.
func (c *call) admit() error {
	c.patience = patience{Context: c.context, deadline: c.deadline, priority: c.step.priority, tenant: c.x.Identity}
	defer c.patience.stop()
	if s := c.at.service.Shed(); s != nil {
		admitted, err := s.Acquire(&c.patience, c.began)
		if err != nil {
			return c.refused(err)
		}
		c.shed, c.admitted = s, admitted
	}
	if b := c.at.service.Breaker(); b != nil {
		ticket, err := b.Acquire(c.context, c.began)
		if err != nil {
			return err
		}
		c.breaker, c.ticket = b, ticket
	}
	if b := c.at.service.Bulkhead(); b != nil {
		place, err := b.Acquire(&c.patience, c.began+c.admitted.Waited)
		if err != nil {
			return c.refused(err)
		}
		c.bulkhead, c.place = b, place
	}
	return nil
}

// refused is why a call could not start after it had waited: the refusal, or what ended the wait.
func (c *call) refused(refusal error) error {
	if over := c.over(gabion.Now()); over != nil {
		return errors.Join(over, refusal)
	}
	return refusal
}

// over says why nothing more is to be done, nil when something is.
func (c *call) over(now gabion.Instant) error {
	if c.x.Context.Err() != nil {
		return errGone
	}
	if c.deadline != 0 && now >= c.deadline {
		return errDeadline
	}
	return nil
}

// settle gives back what is held at the service. How the last attempt ended is what the whole request says about it.
func (c *call) settle(err error) {
	now := gabion.Now()
	c.settleLease(now)
	c.settleBreaker(now, err)
	waited := c.admitted.Waited
	if c.bulkhead != nil {
		waited += c.place.Waited
		c.bulkhead.Done(c.place, gabion.Result{Outcome: c.ended.Outcome, Err: err, Began: c.began + waited, Ended: now})
		c.bulkhead = nil
	}
	c.settleShed(now, err)
}

// settleShed tells the shedder. It has nothing to learn from a request that was sent nowhere.
func (c *call) settleShed(now gabion.Instant, err error) {
	if c.shed == nil {
		return
	}
	c.shed.Done(c.admitted, gabion.Result{Outcome: c.ended.Outcome, Err: err, Began: c.began + c.admitted.Waited, Ended: now})
	c.shed = nil
}

func (c *call) settleLease(now gabion.Instant) {
	if c.leased {
		c.leased = false
		c.lease.Done(now, c.ended)
	}
}

// settleBreaker tells the breaker of the service. A call is as slow as the head of its answer, however long the body
// takes, because that is up to the client as well.
func (c *call) settleBreaker(now gabion.Instant, err error) {
	if c.breaker == nil {
		return
	}
	took := now - c.began
	if c.answered != 0 {
		took = c.answered - c.began
	}
	c.breaker.Done(c.ticket, gabion.Result{Outcome: c.ended.Outcome, Err: err, Began: now - took, Ended: now})
	c.breaker = nil
}

// calls are for reuse.
var calls = sync.Pool{New: func() any { return new(call) }}

// release gives back what a panic has left, and the call itself.
func (c *call) release() {
	c.ended.Outcome = gabion.Ignored
	c.settle(nil)
	c.endRace()
	if c.cancel != nil {
		c.cancel()
	}
	if c.stream != nil {
		c.stream.close()
	}
	*c = call{}
	calls.Put(c)
}
