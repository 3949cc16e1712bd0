package gabion

import (
	"context"
	"time"
)

// Driver decides how a call is run. It holds no loop and no timer: it is asked before and after each run of
// what it encloses, and the pipe, or the gateway's own loop, does what it says. So a driver is a pure
// decision that can be tested without a clock. A run that panics is not followed by After: the call is over.
type Driver interface {
	Policy
	// Before is asked before each run, and says how to run it.
	Before(ctx context.Context, a Attempt) Plan
	// After is asked when that run has ended, and says what comes next.
	After(ctx context.Context, a Attempt) Verdict
}

// Attempt is one run of what a driver encloses.
type Attempt struct {
	// Number counts the runs within this call: 1, 2, ….
	Number int
	// Entered is when the call reached this driver; Now is the present.
	Entered, Now Instant
	// Earlier is the error of the last earlier run in this call that was a [Failure]; nil when there was none.
	Earlier error

	// What follows is set for After only.

	// Outcome and Err say how the run ended.
	Outcome Outcome
	// TimedOut is set when the run ended after its Plan's Timeout had passed, whatever it returned.
	TimedOut bool
	// Second is set when the run that counts is one that was started Beside the first. Took is how long that one took.
	Second bool
	Took   Instant
	Err    error
}

// Plan is how a run is to be done. The zero Plan runs it as it is.
type Plan struct {
	// Timeout ends the run's context after this long; 0 sets no bound.
	Timeout time.Duration
	// Delay is waited before the run.
	Delay time.Duration
	// Instead, when not nil, is called in place of the run, whose error it returns.
	Instead func(ctx context.Context) error
	// Beside starts another run beside this one when it has not ended after this long, if Another, which is asked then,
	// agrees, and one more each time that this long has passed again; 0: never. There are Most of them, at most
	// [MaxBeside]. The first that succeeds counts. The contexts of the others end, and their values are discarded. All run
	// on goroutines of their own. A policy that asks for it says so in its Description.
	Beside  time.Duration
	Most    int
	Another func(now Instant) bool
}

// Starter is told of a call when its first run has ended, in place of Before, when its Description says that it is about
// Failures alone. After is asked then only if that run was no [Success]. So calls that succeed cost less.
type Starter interface {
	Start(now Instant)
}

// MaxBeside is how many runs there can be beside the first.
const MaxBeside = 4

// Verdict is what comes after a run. The zero Verdict passes its result on.
type Verdict struct {
	// Again runs it once more, after Wait. The earlier result is discarded.
	Again bool
	Wait  time.Duration
	// Err, when not nil, replaces the run's error. It must wrap it.
	Err error
	// Replace, when not nil, is called to stand in for the failed run. Its value must have the type that the
	// caller of [Do] expects.
	Replace func(ctx context.Context, cause error) (any, error)
}
