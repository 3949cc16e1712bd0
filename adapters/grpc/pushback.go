package grpc

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gabion-io/gabion"
)

// Pushback is a policy for a pipe with a retry. A call that the server limits is a success for the breakers further in; when
// the server has said when to come back, this policy makes it a failure for the retry and the fallback further out.
func Pushback() gabion.Policy { return limited{} }

// limited is a driver between retry and breaker.
type limited struct{}

// Describe implements [gabion.Policy].
func (limited) Describe() gabion.Description {
	return gabion.Description{Kind: "pushback", Position: gabion.PositionBreaker - 50}
}

// Before implements [gabion.Driver].
func (limited) Before(context.Context, gabion.Attempt) gabion.Plan { return gabion.Plan{} }

// After implements [gabion.Driver].
func (limited) After(_ context.Context, a gabion.Attempt) gabion.Verdict {
	if a.Err == nil || a.Outcome != gabion.Success {
		return gabion.Verdict{}
	}
	f, ok := errors.AsType[*failure](a.Err)
	if !ok || !f.again || status.Code(f) != codes.ResourceExhausted {
		return gabion.Verdict{}
	}
	return gabion.Verdict{Err: a.Err}
}
