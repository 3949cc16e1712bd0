package grpc

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gabion-io/gabion/fault"
	"github.com/gabion-io/gabion/retry"
)

var errUnwound = errors.New("the call panicked or called runtime.Goexit")

// failure is how a try or a stream ended, as policies see it, and the caller as well.
type failure struct {
	error  // what gRPC said
	after  time.Duration
	again  bool // it may be made again
	final  bool // the server forbids that
	closed bool // we have closed the connection
}

// Unwrap returns what gRPC said.
func (f *failure) Unwrap() error { return f.error }

// GRPCStatus is what package status looks for.
func (f *failure) GRPCStatus() *status.Status { return status.Convert(f.error) }

// RetryAfter is how long the server asks to wait, 0 when it does not.
func (f *failure) RetryAfter() time.Duration { return f.after }

// Retryable says whether the call may be made again.
func (f *failure) Retryable() bool { return f.again }

// policyError is the error of a call that policies ended.
type policyError struct {
	error
	status *status.Status
}

// Unwrap returns what the policy said.
func (e *policyError) Unwrap() error { return e.error }

// GRPCStatus is what package status looks for.
func (e *policyError) GRPCStatus() *status.Status { return e.status }

// withStatus makes an error that has a status of one that came out of a pipe.
func withStatus(ctx context.Context, err error) error {
	if f, ok := err.(*failure); ok { //nolint:errorlint // what a policy has wrapped needs a text of its own
		return f
	}
	if code, ok := refused(ctx, err); ok {
		return &policyError{err, status.New(code, err.Error())}
	}
	st, ok := status.FromError(err)
	if !ok && errors.Is(err, fault.ErrInjected) { // stands in for a network that fails
		st = status.New(codes.Unavailable, err.Error())
	}
	return &policyError{err, st}
}

// spent says whether err has been retried in vain, so that another layer should not.
func spent(err error) bool {
	for _, why := range []error{retry.ErrAttempts, retry.ErrBudget, retry.ErrDeadline} {
		if errors.Is(err, why) {
			return true
		}
	}
	f, ok := errors.AsType[*failure](err)
	return ok && f.final
}
