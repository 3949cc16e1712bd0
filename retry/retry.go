package retry

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/backoff"
	"github.com/gabion-io/gabion/internal/budget"
)

// Retry decides whether a failed call is made again, and when. It is a [gabion.Driver], safe for concurrent use.
// Make it with [New].
type Retry struct {
	random     func() float64
	config     atomic.Pointer[Config] // with defaults applied
	budget     *budget.Budget
	retries    atomic.Uint64
	overBudget atomic.Uint64
}

// Decision says what comes after a failed try.
type Decision struct {
	// Again: make the call again, after Wait.
	Again bool
	Wait  time.Duration
	// Why says why not: WhyAttempts, WhyBudget or WhyDeadline; "" with Again.
	Why string
}

// The reasons of a [Decision] not to try again.
const (
	WhyAttempts = "attempts" // all tries are used up
	WhyBudget   = "budget"   // too many calls are being retried
	WhyDeadline = "deadline" // the next try would come too late
	WhyNested   = "nested"   // the call is a retry itself, or what failed has been retried further in
	WhyFinal    = "final"    // what failed says that it must not be tried again
)

// maxWait bounds the wait that a Retry-After can ask for. Who asks for more gets no retry: a call that was not given
// a deadline must not hang for hours because a server says so.
const maxWait = time.Minute

// Snapshot is what a retry policy holds at one moment.
type Snapshot struct {
	// Budget is how many retries could be made now. It means nothing when the budget is off.
	Budget float64
	// Calls is how many calls have ended, or are being retried, but for those that panicked in their first try. Retries is how many
	// retries have been decided, OverBudget how many were not made for want of budget.
	Calls, Retries, OverBudget uint64
}

// New makes a retry policy. It fails with what [Config.Validate] says.
func New(cfg Config) (*Retry, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	r := &Retry{random: rand.Float64, budget: budget.New(cfg.Budget)}
	r.config.Store(&cfg)
	return r, nil
}

// Update changes the configuration. What is left of the budget survives. When cfg is impossible, nothing changes.
func (r *Retry) Update(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	cfg = cfg.withDefaults()
	r.budget.Update(cfg.Budget)
	r.config.Store(&cfg)
	return nil
}

// Start says that there is a call, which adds to the budget. It is for loops that call [Retry.Decide] themselves, and is the
// [gabion.Starter] of a [gabion.Pipe].
func (r *Retry) Start(now gabion.Instant) { r.budget.Start(now) }

// Decide says what comes after the try with this number (1, 2, …) has failed. A decision for another try is
// charged to the budget at once. deadline is when the call is worth nothing any more, 0: never. retryAfter is how
// long the one who was called asked to wait, 0: it did not.
func (r *Retry) Decide(now gabion.Instant, attempt int, deadline gabion.Instant, retryAfter time.Duration) Decision {
	cfg := r.config.Load()
	if attempt >= cfg.Attempts {
		return Decision{Why: WhyAttempts}
	}
	wait := cfg.Backoff.wait(attempt, r.random)
	if retryAfter > maxWait {
		return Decision{Why: WhyDeadline}
	}
	if retryAfter > 0 {
		wait += retryAfter // the spread on top: many are told the same moment
	}
	if deadline != 0 && now+wait >= deadline {
		return Decision{Why: WhyDeadline}
	}
	if !r.budget.Charge(now) {
		r.overBudget.Add(1)
		return Decision{Why: WhyBudget}
	}
	r.retries.Add(1)
	return Decision{Again: true, Wait: wait}
}

func (b Backoff) wait(attempt int, random func() float64) time.Duration {
	switch b.Jitter {
	case JitterNone:
		return backoff.Bound(attempt, b.Initial, b.Max)
	case JitterDecorrelated:
		return backoff.Decorrelated(attempt, b.Initial, b.Max, random)
	}
	return backoff.Full(backoff.Bound(attempt, b.Initial, b.Max), random())
}

// Snapshot is the state as of now.
func (r *Retry) Snapshot(now gabion.Instant) Snapshot {
	return Snapshot{Budget: r.budget.Left(now), Calls: r.budget.Calls(), Retries: r.retries.Load(), OverBudget: r.overBudget.Load()}
}
