package gabion

import "context"

// Policy is anything that can stand in a [Pipe]: it is also a [Guard], a [Driver] or a [Composite].
type Policy interface {
	// Describe says what the policy is and where it stands by default. It is asked once, by [New].
	Describe() Description
}

// Description tells a policy's kind, name and place.
type Description struct {
	// Kind is the policy's package name, such as "breaker". It is the word used in errors and metrics.
	Kind string
	// Name is the name of what it protects, such as "catalog". May be empty.
	Name string
	// Position is its place in the recommended order.
	Position Position
	// Races is set when it is a driver that may ask for a run beside another: [Plan].Beside.
	Races bool
	// Failures is set when it is a driver that is about failures alone: it has nothing to plan for the first run of a call and
	// nothing to say after a [Success]. Then it must be a [Starter]. For all that it is told, the call reached it when its
	// first run ended.
	Failures bool
}

// Position is a policy's place in the recommended order, outermost first. A policy of your own takes the
// position of the policy that it resembles, or one between two.
type Position int

// The recommended order. It follows from what each policy must see: a fallback sees the final failure;
// the total timeout bounds all tries together; a breaker counts every try; a bulkhead holds a place only
// while a try runs; a fault exercises everything above it.
const (
	PositionFallback       Position = 100
	PositionTotalTimeout   Position = 200
	PositionRetry          Position = 300
	PositionHedge          Position = 400
	PositionBreaker        Position = 500
	PositionRateLimit      Position = 600
	PositionShed           Position = 700
	PositionBulkhead       Position = 800
	PositionAttemptTimeout Position = 900
	PositionFault          Position = 1000
)

// Composite is a policy that stands at more than one place, such as a timeout with a bound for the whole
// call and another for each try. [New] puts each part at its own position.
type Composite interface {
	Policy
	Policies() []Policy
}

// Guard decides whether a call may start and learns how it ended.
type Guard interface {
	Policy
	// Acquire admits the call or refuses it with an error that satisfies errors.Is(err, ErrRejected). It
	// may wait until ctx ends, and then says in the ticket how long it did, also when it refuses the call.
	Acquire(ctx context.Context, now Instant) (Ticket, error)
	// Done takes the ticket back. It is called exactly once for every admitted call, whatever became of it:
	// also when the function panicked, and with [Ignored] when a guard further in refused the call.
	Done(t Ticket, r Result)
}

// Admitter is a [Guard] that can admit most calls without knowing the time. Most of what a call through a [Pipe] costs is
// reading the clock.
type Admitter interface {
	Guard
	// Admit is asked before Acquire. It admits the call when that takes neither time nor a look at the clock. Otherwise it
	// does nothing, and Acquire is asked. Of a call that it has admitted, Done may be told that it began when it ended.
	Admit() (Ticket, bool)
}

// Ticket is what a guard hands out with an admission. Its content belongs to the guard alone.
type Ticket struct {
	// Stamp is typically the generation of the guard's state, so that a late result never touches a newer one.
	Stamp uint64
	// Ref is typically a pointer to the state of the call's key.
	Ref any
	// Waited is how long Acquire waited. The pipe moves its clock on by that much.
	Waited Instant
}

// Result tells a guard how an admitted call ended.
type Result struct {
	Outcome Outcome
	// Err is the error that the call ended with, nil after a success.
	Err error
	// Began is when the guarded function started, after all waiting; zero when it never did. Ended is now.
	Began, Ended Instant
}
