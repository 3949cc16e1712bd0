// Package gabion protects calls to things that fail.
//
// A call passes through policies; every policy tells what it did. A policy is one of two kinds:
//
//   - a [Guard] decides whether a call may start and learns how it ended: breaker, bulkhead, ratelimit, shed;
//   - a [Driver] decides how a call is run: timeout, retry, hedge, fallback, fault.
//
// A [Pipe] is an immutable sequence of policies. The pipe and its policies know nothing about result
// types, only the call is generic:
//
//	pipe, err := gabion.New(gabion.Config{Name: "catalog", Policies: []gabion.Policy{retry, breaker}})
//	item, err := gabion.Do(ctx, pipe, func(ctx context.Context) (Item, error) { return fetch(ctx, id) })
//
// Every local refusal satisfies errors.Is(err, [ErrRejected]) and its policy's own sentinel, and carries
// the policy, its name, when to come back and the last real error: see [Error].
//
// # Which policy when
//
//	what goes wrong                             policy     what it costs
//	──────────────────────────────────────────  ─────────  ────────────────────────────────────────────────────────────
//	an answer comes late, or never              timeout    answers that would still have come
//	a call fails, and the next one works        retry      time for another try, and up to a fifth more calls; the call
//	                                                       must do no harm when it is made twice
//	it is down, and all wait for it and fail    breaker    calls that would have worked, until probes find that it is
//	                                                       back
//	one slow dependency takes all workers       bulkhead   peaks above the bound wait, or are refused
//	more calls come than can be served          shed       the least important calls; the limit is found by itself
//	one user takes what all others need         ratelimit  that user is refused; memory for each user, bounded
//	a few calls are slow by bad luck            hedge      up to 5% more calls, goroutines for each; the call must do no
//	                                                       harm when it is made twice
//	without this answer nothing goes on         fallback   an answer that is older or poorer, or that comes from another
//	                                                       system, which then must bear the load
//	nobody knows whether all this works         fault      calls that fail on purpose, until the lease ends
//
// None of them makes a dependency healthy. What they cost in nanoseconds is in docs/performance.md.
//
// Begin with a timeout for every call: nothing else helps against what hangs. Add retries to what may be made twice, and a
// breaker wherever there are retries. Give a bulkhead to each dependency that shares workers with others, and a fallback to
// what is nice to have. shed and ratelimit stand before your own service, in its handlers; hedge is for reads whose tail
// matters; fault is for drills.
//
// Some only work in company. Retries need a timeout for each try, or the first hangs for ever. A breaker needs timeouts
// too, because a call that hangs has not failed yet (or set its Hanging). A fallback gets there sooner behind a
// breaker than behind a timeout.
//
// # The order
//
// [New] puts policies in the recommended order, outermost first: [fallback], the total of [timeout], [retry], [hedge],
// [breaker], [ratelimit], [shed], [bulkhead], the timeout of each try, [fault], and then the call. The reasons stand at
// [Position]. Config.AsGiven keeps another.
//
// # Values to begin with
//
// The defaults are for calls over a network, such as HTTP and gRPC, that somebody waits for. Where other values are better,
// there are presets, which give the reason for each:
//
//	             HTTP, gRPC         database                jobs in the background
//	timeout      default            timeout.ForDatabase()   timeout.ForJobs()
//	retry        default            retry.ForDatabase()     retry.ForJobs()
//	breaker      breaker.ForHTTP()  breaker.ForDatabase()   default
//	bulkhead     default            bulkhead.ForDatabase()  default
//
// # More
//
// Package [httpx] puts HTTP through a pipe, on both sides, and has the right pipe for a client by default. Package
// [gabiontest] shows whether code survives when what it calls fails. Package [logs] brings the log of a service to a Gabion
// server, and never makes it wait.
//
// [fallback]: https://pkg.go.dev/github.com/gabion-io/gabion/fallback
// [timeout]: https://pkg.go.dev/github.com/gabion-io/gabion/timeout
// [retry]: https://pkg.go.dev/github.com/gabion-io/gabion/retry
// [hedge]: https://pkg.go.dev/github.com/gabion-io/gabion/hedge
// [breaker]: https://pkg.go.dev/github.com/gabion-io/gabion/breaker
// [ratelimit]: https://pkg.go.dev/github.com/gabion-io/gabion/ratelimit
// [shed]: https://pkg.go.dev/github.com/gabion-io/gabion/shed
// [bulkhead]: https://pkg.go.dev/github.com/gabion-io/gabion/bulkhead
// [fault]: https://pkg.go.dev/github.com/gabion-io/gabion/fault
// [httpx]: https://pkg.go.dev/github.com/gabion-io/gabion/httpx
// [gabiontest]: https://pkg.go.dev/github.com/gabion-io/gabion/gabiontest
// [logs]: https://pkg.go.dev/github.com/gabion-io/gabion/logs
package gabion
