package httpx

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/retry"
	"github.com/gabion-io/gabion/timeout"
)

var (
	// ErrUnsafe refuses to send a request again that may have been carried out and must not be twice. A policy that asks
	// for that, such as a hedge, gets it.
	ErrUnsafe = gabion.Rejection("the request must not be sent twice")
	// ErrNoBody refuses to send a request again of whose body more was read than was kept.
	ErrNoBody = gabion.Rejection("the body cannot be sent again: set GetBody")
	// ErrBody says that the body of the request could not be read. The error that carries it wraps what its Read returned.
	ErrBody = errors.New("the body of the request could not be read")

	errOver     = gabion.Rejection("the call is over")
	errNoAnswer = errors.New("httpx: a policy stood in for the call without an answer")
)

// StatusError is an answer that is a failure, or asks to come again, as policies, fallbacks and observers see it. The
// caller of a [Transport] gets the answer itself.
type StatusError struct {
	// Status is the status of the answer, such as 503, and Header its head, which must not be changed.
	Status int
	Header http.Header
	// Failed says whether it is a failure of the one who answered: 503 is, 429 is not.
	Failed bool

	after time.Duration
	again bool
}

// Error returns, for example, "answered 503 Service Unavailable".
func (e *StatusError) Error() string {
	return fmt.Sprintf("answered %d %s", e.Status, http.StatusText(e.Status))
}

// RetryAfter is how long the answer asks to wait, 0 when it does not.
func (e *StatusError) RetryAfter() time.Duration { return e.after }

// Retryable says whether the request may be, and is worth being, sent again.
func (e *StatusError) Retryable() bool { return e.again }

// sendError is why there was no answer, or not a whole one.
type sendError struct {
	error
	again bool
}

// Unwrap returns what the base transport said.
func (e *sendError) Unwrap() error { return e.error }

// Retryable says whether the request may be sent again.
func (e *sendError) Retryable() bool { return e.again }

// stalled is why the body of an answer is not read any more.
func stalled(idle time.Duration) error {
	return marked(&gabion.Error{
		Policy: "httpx", Reason: fmt.Errorf("%w: nothing of the body came for %v", timeout.ErrExceeded, idle),
	})
}

// refusal is the error of a try that was not made.
func refusal(reason, cause error) error {
	return &gabion.Error{Policy: "httpx", Reason: reason, Cause: cause}
}

// hopeless says whether another try would fail like this one.
func hopeless(err error) bool {
	if _, bad := errors.AsType[*tls.CertificateVerificationError](err); bad {
		return true
	}
	return errors.Is(err, ErrBody)
}

// gaveUp says whether a retry policy has given up on a call.
func gaveUp(err error) bool {
	return errors.Is(err, retry.ErrAttempts) || errors.Is(err, retry.ErrBudget) || errors.Is(err, retry.ErrDeadline) ||
		errors.Is(err, retry.ErrFinal)
}

// timeoutError tells those who ask errors in the manner of package net, as users of http.Client do.
type timeoutError struct{ error }

// Unwrap returns the error itself.
func (e timeoutError) Unwrap() error { return e.error }

// Timeout implements net.Error.
func (timeoutError) Timeout() bool { return true }

// Temporary implements net.Error.
func (timeoutError) Temporary() bool { return true }

// marked makes an error that is a timeout say so. A refusal is none, even when the last real error was.
func marked(err error) error {
	if _, says := err.(net.Error); says || errors.Is(err, gabion.ErrRejected) { //nolint:errorlint // what the outermost says counts
		return err
	}
	if n, ok := errors.AsType[net.Error](err); errors.Is(err, context.DeadlineExceeded) || ok && n.Timeout() {
		return timeoutError{err}
	}
	return err
}
