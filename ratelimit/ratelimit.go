package ratelimit

import (
	"context"
	"math"
	"time"

	"github.com/gabion-io/gabion"
)

// ErrLimited says that a key has used up what it is allowed. It satisfies errors.Is(err, gabion.ErrRejected).
var ErrLimited = gabion.Rejection("over the limit")

// Why a call was refused: the values of [Decision.Reason]. They are the keys of the configuration file.
const (
	// ReasonRequests: the key has made too many requests.
	ReasonRequests = "requests"
	// ReasonServerTime: the key has used up its server time.
	ReasonServerTime = "server_time"
	// ReasonConcurrency: the key has too many requests in flight.
	ReasonConcurrency = "concurrency"
	// ReasonCost: the cost is negative, or more than is ever allowed at once, so that waiting cannot help.
	ReasonCost = "cost"
)

// Never is the RetryAfter of a call that can never be admitted, however long its caller waits.
const Never time.Duration = math.MaxInt64

// Decision is the answer to one call of a key.
type Decision struct {
	// OK: the call may be made.
	OK bool
	// Limit is what a full bucket holds, or a window, and Remaining what is left in it, never negative: requests, or
	// milliseconds of server time. Both are 0 when only the number of calls in flight is limited.
	Limit, Remaining int
	// Window is how long an empty bucket takes to get full, or how long the sliding window is. So "Limit in every Window" is the sustained rate.
	Window time.Duration
	// RetryAfter is how long to wait after a refusal. Whoever waits exactly that long, alone, is admitted. After
	// [ReasonConcurrency] it is a guess; after [ReasonCost] it is [Never]. It is 0 when the call is admitted.
	RetryAfter time.Duration
	// Reset is how long it takes until nothing is used any more if nothing else is taken.
	Reset time.Duration
	// Tier is the tier whose values apply, "" for the limit's own values and for overrides.
	Tier string
	// Reason is why the call is refused, "" when it is admitted.
	Reason string
}

// Usage is what one key did lately: in a sliding window of the last minute (its older half is estimated).
type Usage struct {
	// Key is the key, [OverflowKey] for all those together for which there was no room.
	Key string
	// Tier is the tier whose values apply to the key.
	Tier string
	// Requests is how many calls were asked for; Refused is how many of them were refused.
	Requests, Refused uint64
	// ServerTime is what was settled in the window, plus what the calls in flight have taken so far.
	ServerTime time.Duration
	// InFlight is how many calls are running now.
	InFlight int
	// Limited is set when its next call, at the ordinary cost, would be refused now.
	Limited bool
}

// OverflowKey is the key under which [Usage] reports the keys for which there was no room.
const OverflowKey = "(others)"

// Snapshot counts what a limiter did since it was made.
type Snapshot struct {
	// Keys is how many keys are remembered now.
	Keys int
	// Admitted and Refused count decisions.
	Admitted, Refused uint64
	// Overflowed counts the decisions for keys that shared a bucket because there was no room for their own. When
	// it grows, MaxKeys is too small or somebody makes up keys.
	Overflowed uint64
	// InFlight is how many calls are running now, for [ServerTime].
	InFlight int
}

type (
	contextKey  struct{}
	contextCost struct{}
)

// WithKey returns a context whose calls count for key, such as a user. Without it, calls count for the key "".
func WithKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, contextKey{}, key)
}

// KeyOf returns the key that [WithKey] set, "" when there is none.
func KeyOf(ctx context.Context) string {
	key, _ := ctx.Value(contextKey{}).(string)
	return key
}

// WithCost returns a context whose calls count as so many requests for [Requests], such as the items of a batch. A call
// that costs 0 is always admitted; one that costs more than the burst, or less than 0, never.
func WithCost(ctx context.Context, cost int) context.Context {
	return context.WithValue(ctx, contextCost{}, cost)
}

// CostOf returns the cost that [WithCost] set, 1 when there is none.
func CostOf(ctx context.Context) int {
	if cost, ok := ctx.Value(contextCost{}).(int); ok {
		return cost
	}
	return 1
}
