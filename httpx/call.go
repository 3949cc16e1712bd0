package httpx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
)

// call is one request on its way through the policies, which may try it several times, also at once.
type call struct {
	config     *TransportConfig
	req        *http.Request
	upload     *upload
	repeatable bool

	mu      sync.Mutex
	tries   int
	sent    bool      // it may have been carried out
	over    bool      // RoundTrip has returned
	answers []*answer // neither discarded nor returned yet
}

// try sends the request once. What it brings is an answer, a *StatusError, a *sendError, or a refusal.
func (c *call) try(ctx context.Context) (*http.Response, error) {
	number, err := c.begin()
	if err != nil {
		return nil, err
	}
	a, unsent := c.send(ctx, number)
	if a.err == nil {
		a.readAhead(c.req.Method, c.config.ReadAhead)
	}
	if err := a.arrive(ctx, c.req.Context()); err != nil {
		return nil, c.failed(ctx, err, unsent)
	}
	a.status = c.judge(a.resp)
	if !c.keep(a) {
		a.discard()
		return nil, refusal(errOver, nil)
	}
	if a.status != nil {
		return nil, a.status
	}
	return a.resp, nil
}

// begin asks for one more try. Answers that it supersedes are discarded.
func (c *call) begin() (number int, err error) {
	number, superseded, err := c.next()
	for _, a := range superseded {
		a.discard()
	}
	return number, err
}

// next is the number of one more try, and the answers that it supersedes.
func (c *call) next() (number int, superseded []*answer, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.over:
		return 0, nil, refusal(errOver, nil)
	case c.sent && !c.repeatable:
		return 0, nil, refusal(ErrUnsafe, nil)
	}
	c.sent = true
	c.tries++
	c.answers = slices.DeleteFunc(c.answers, func(a *answer) bool {
		if a.status != nil {
			superseded = append(superseded, a)
		}
		return a.status != nil
	})
	return c.tries, superseded, nil
}

// send sends the request. unsent is set when there is no answer and nothing of the request can have been sent.
func (c *call) send(ctx context.Context, number int) (a *answer, unsent bool) {
	// What is sent ends with the try until the head of the answer is there, and then with the request: the try ends as soon
	// as it returns, when nobody has read the body yet.
	sent, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	a = &answer{ctx: sent, cancel: cancel}
	if c.config.BodyIdle != gabion.Off && !isStream(c.req) {
		a.idle = c.config.BodyIdle
	}
	a.unlink = context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	var reached func() (bool, bool)
	if !c.repeatable {
		sent, reached = watch(sent)
	}
	out := c.req.WithContext(sent)
	if a.err = c.upload.attach(out); a.err != nil {
		return a, true
	}
	out.Header = maps.Clone(c.req.Header)
	if out.Header == nil {
		out.Header = http.Header{}
	}
	c.announce(ctx, out.Header, number)
	a.resp, a.err = c.config.Base.RoundTrip(out) //nolint:bodyclose // whoever gets the answer closes it, or discard
	if a.err == nil {
		a.err = complete(a.resp)
	}
	return a, a.err != nil && reached != nil && neverSent(a.err, reached)
}

// complete sees to it that an answer of a base that is not net/http's has what answers have.
func complete(resp *http.Response) error {
	if resp == nil {
		return errors.New("httpx: the base transport returned neither an answer nor an error")
	}
	if resp.Header == nil {
		resp.Header = http.Header{}
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	return nil
}

// watch finds out whether a base that is net/http's asks for a connection, and whether it gets one.
func watch(ctx context.Context) (context.Context, func() (asked, got bool)) {
	var asked, got atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { got.Store(true) },
	})
	return ctx, func() (bool, bool) { return asked.Load(), got.Load() }
}

// neverSent says whether it is certain that nothing of a request was sent that failed with err: there was no connection.
func neverSent(err error, reached func() (asked, got bool)) bool {
	if asked, got := reached(); asked && !got {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "dial" || op.Op == "proxyconnect")
}

// announce tells the next hop which try this is and how much time is left. What the request says already holds if that is
// a later try, or less time.
func (c *call) announce(ctx context.Context, h http.Header, number int) {
	h.Set(HeaderAttempt, strconv.Itoa(max(number, gabion.AttemptOf(ctx), attemptOf(h))))
	if isStream(c.req) {
		ctx = c.req.Context() // how long the head may take is no bound for a stream
	}
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		if given, ok := timeoutOf(h); ok {
			left = min(left, given)
		}
		h.Set(HeaderTimeout, milliseconds(left))
	}
}

// failed is the error of a try that brought no answer, or not a whole one.
func (c *call) failed(ctx context.Context, err error, unsent bool) error {
	if cause := c.upload.failure(); cause != nil {
		err = cause
	}
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		err = fmt.Errorf("%w: %w", ended, err)
	}
	if unsent {
		c.mu.Lock()
		c.sent = false
		c.mu.Unlock()
	}
	return &sendError{err, (c.repeatable || unsent) && !hopeless(err) && c.upload.again()}
}

// judge says what policies are to know of an answer, nil when it is a success.
func (c *call) judge(resp *http.Response) *StatusError {
	s := &StatusError{
		Status: resp.StatusCode, Header: resp.Header, Failed: c.config.Failed(resp), after: retryAfter(resp.Header, time.Now()),
	}
	s.again = c.repeatable && slices.Contains(c.config.RetryStatus, s.Status) && (s.Failed || s.after > 0) &&
		resp.Header.Get(HeaderGaveUp) == "" && c.upload.again()
	if s.Failed || s.again {
		return s
	}
	return nil
}

// keep notes an answer, unless the call is over.
func (c *call) keep(a *answer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.answers = append(c.answers, a)
	}
	return !c.over
}

// take takes an answer out of those that are discarded in the end; nil when it is not among them.
func (c *call) take(wanted func(*answer) bool) *answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.answers, wanted)
	if i < 0 {
		return nil
	}
	a := c.answers[i]
	c.answers = slices.Delete(c.answers, i, i+1)
	return a
}

// end ends the call: all answers that were not returned are discarded, and those that still come.
func (c *call) end() {
	c.mu.Lock()
	c.over = true
	left := c.answers
	c.answers = nil
	c.mu.Unlock()
	for _, a := range left {
		a.discard()
	}
	c.upload.end()
}

// result is what RoundTrip returns, given what came of the policies.
func (c *call) result(resp *http.Response, err error) (*http.Response, error) {
	ctx := c.req.Context()
	gave := gaveUp(err)
	var a *answer
	switch {
	case err != nil && ctx.Err() == nil:
		a = c.take(func(a *answer) bool { return a.status != nil && errors.Is(err, a.status) })
	case err == nil:
		a = c.take(func(a *answer) bool { return a.resp == resp })
	}
	switch {
	case a == nil && err != nil:
		tellCaller(ctx, gave)
		return nil, marked(err)
	case a == nil && resp == nil:
		return nil, errNoAnswer
	case a == nil:
		return substitute(resp, c.req)
	}
	a.resp.Request = c.req
	if gave {
		a.resp.Header.Set(HeaderGaveUp, "true")
	}
	tellCaller(ctx, a.resp.Header.Get(HeaderGaveUp) != "")
	return a.resp, nil
}

// substitute is an answer that a fallback has made, which others may hold as well.
func substitute(resp *http.Response, req *http.Request) (*http.Response, error) {
	own := *resp
	own.Request = req
	return &own, complete(&own)
}
