package httpx

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/ratelimit"
)

// problem is how a refusal is answered (RFC 9457).
type problem struct {
	status int
	kind   string // the last part of its type, which is urn:gabion:problem:kind
	title  string
}

var (
	rateLimited  = problem{http.StatusTooManyRequests, "rate-limited", "Rate limited"}
	circuitOpen  = problem{http.StatusServiceUnavailable, "circuit-open", "Circuit open"}
	bulkheadFull = problem{http.StatusServiceUnavailable, "bulkhead-full", "Bulkhead full"}
	overloaded   = problem{http.StatusServiceUnavailable, "overloaded", "Overloaded"}
	tooLate      = problem{http.StatusGatewayTimeout, "deadline-exceeded", "Deadline exceeded"}
	internal     = problem{http.StatusInternalServerError, "internal-error", "Internal error"}
)

// comeBack is what Retry-After says when nothing better is known.
const comeBack = time.Second

// Values that are the same in every refusal, shared and never changed.
var (
	problemJSON = []string{"application/problem+json"}
	noStore     = []string{"no-store"}
)

// Refuse answers a request that policies refused with err: with 429 when that is a rate limit (ratelimit.ErrLimited), 503
// when it is any other refusal, such as by an open breaker, 504 when there was no time left, 500 when it is none of these.
// Retry-After, in whole seconds, is what err says, 1 when it does not know. The body is a problem (RFC 9457) in JSON, with the
// exact time as retry_after_ms. It says nothing of the inside, and costs little.
func Refuse(w http.ResponseWriter, err error) {
	p := problemOf(err)
	h := w.Header()
	h["Content-Type"] = problemJSON
	h["Cache-Control"] = noStore
	body := make([]byte, 0, 256)
	body = append(body, `{"type":"urn:gabion:problem:`...)
	body = append(body, p.kind...)
	body = append(body, `","title":"`...)
	body = append(body, p.title...)
	body = append(body, `","status":`...)
	body = strconv.AppendInt(body, int64(p.status), 10)
	if p.status == http.StatusTooManyRequests || p.status == http.StatusServiceUnavailable {
		wait := comeBack
		if e, ok := errors.AsType[interface {
			error
			RetryAfter() time.Duration
		}](err); ok && e.RetryAfter() > 0 {
			wait = e.RetryAfter()
		}
		h["Retry-After"] = []string{strconv.FormatInt(roundUp(wait, time.Second), 10)}
		body = append(body, `,"retry_after_ms":`...)
		body = strconv.AppendInt(body, roundUp(wait, time.Millisecond), 10)
	}
	body = append(body, "}\n"...)
	w.WriteHeader(p.status)
	// Who has gone away needs no answer.
	_, _ = w.Write(body)
}

func problemOf(err error) problem {
	if e, ok := errors.AsType[*gabion.Error](err); ok {
		err = e.Reason // without its cause, which is about another call
		switch {
		case errors.Is(err, breaker.ErrOpen):
			return circuitOpen
		case errors.Is(err, bulkhead.ErrFull):
			return bulkheadFull
		}
	}
	switch {
	case errors.Is(err, ratelimit.ErrLimited):
		return rateLimited
	case errors.Is(err, gabion.ErrRejected):
		return overloaded
	case errors.Is(err, context.DeadlineExceeded):
		return tooLate
	case errors.Is(err, context.Canceled):
		return overloaded // nobody is there to read it
	}
	return internal
}

// roundUp is how many whole units d has, rounded up.
func roundUp(d, unit time.Duration) int64 {
	n := int64(d / unit)
	if d%unit > 0 {
		n++
	}
	return n
}
