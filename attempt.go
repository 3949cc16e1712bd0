package gabion

import "context"

type attemptKey struct{}

// AttemptOf is the number of the try that a call belongs to: 1, or more when somebody further out makes it again. What
// retries should leave alone a call that is a retry itself: layers that all do would multiply.
func AttemptOf(ctx context.Context) int {
	if n, ok := ctx.Value(attemptKey{}).(int); ok {
		return n
	}
	return 1
}

// WithAttempt says that a call is the try with this number of somebody further out, such as a client that says so in a
// header. A [Pipe] does it for what its drivers run again. What is less than 2 says nothing.
func WithAttempt(ctx context.Context, number int) context.Context {
	if number < 2 || number <= AttemptOf(ctx) {
		return ctx
	}
	return context.WithValue(ctx, attemptKey{}, number)
}
