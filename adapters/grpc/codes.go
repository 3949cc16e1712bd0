package grpc

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/ratelimit"
)

// Classify is the Classify of a pipe that calls go through. Codes that are about the request, or about what it found, are
// successes: the service works. RESOURCE_EXHAUSTED is one, too. All others are failures, also CANCELLED: when the caller
// itself has cancelled, nobody is asked.
func Classify(_ any, err error) gabion.Outcome {
	if err == nil {
		return gabion.Success
	}
	switch status.Code(err) {
	case codes.OK, codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied, codes.Unauthenticated,
		codes.ResourceExhausted, codes.FailedPrecondition, codes.Aborted, codes.OutOfRange, codes.Unimplemented:
		return gabion.Success
	case codes.Canceled:
		if f, ok := errors.AsType[*failure](err); ok && f.closed {
			return gabion.Ignored
		}
	}
	return gabion.Failure
}

// outcome is Classify for what is not a function, which the pipe therefore does not classify.
func outcome(ctx context.Context, err error) gabion.Outcome {
	if err != nil && (errors.Is(err, gabion.ErrRejected) || errors.Is(ctx.Err(), context.Canceled)) {
		return gabion.Ignored
	}
	return Classify(nil, err)
}

// refused is the code of an error by which a policy ended a call; false when it is one of those that come from further away.
func refused(ctx context.Context, err error) (codes.Code, bool) {
	policy, ok := err.(*gabion.Error) //nolint:errorlint // the outermost alone: those inside are its causes
	switch {
	case err == nil:
		return 0, false
	case !ok && errors.Is(err, context.Canceled):
		return codes.Canceled, true
	case !ok && errors.Is(err, context.DeadlineExceeded):
		return codes.DeadlineExceeded, true
	case !ok && !errors.Is(err, gabion.ErrRejected):
		return 0, false
	case ok && errors.Is(policy.Reason, ratelimit.ErrLimited):
		return codes.ResourceExhausted, true
	case !ok || errors.Is(policy.Reason, gabion.ErrRejected):
		if ended := ctx.Err(); ended != nil {
			return status.FromContextError(ended).Code(), true
		}
		return codes.Unavailable, true
	case errors.Is(policy.Reason, context.DeadlineExceeded):
		return codes.DeadlineExceeded, true
	}
	return refused(ctx, policy.Cause)
}
