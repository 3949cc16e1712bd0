// Package shed keeps a service that is offered more than it can do useful: it answers in time what it takes on, refuses the
// rest at once, and gives up what matters least first.
//
//	                                    ┌────────── a call has ended: the next in the queue starts
//	        below the limit, no queue   ▼
//	call ───────────────────────────▶ ┌───────────┐  Done
//	  │                               │ in flight │ ──────▶ what it took moves the limit
//	  │ otherwise                     └───────────┘
//	  ▼                                     ▲
//	could it be answered in time? ──yes──▶ waits: critical, then normal, then sheddable;
//	  │ no                          │      tenants take turns; the first that came of a tenant
//	  ▼                             ▼
//	refused (ErrShed): full       refused (ErrShed): expired, displaced, or gone
//
// # What it needs to know
//
// Deadline: how long a call may take, waiting included. All else is found. Priorities and tenants come with the context: see
// [gabion.WithPriority] and [gabion.WithTenant].
//
// # Modes
//
//	adaptive  the limit is found: as many calls in flight as are answered within a share of the deadline (Little's law). It is not
//	          derived from the lowest latency that was ever seen, so a cold start, a service that gets slower and slow drift
//	          do not mislead it. A floor, found by an experiment that can be undone, keeps it from starving a service whose own
//	          time has come near the deadline. For calls to another system, and for handlers that both compute and wait.
//	pool      the limit is known: the size of a pool of workers or connections, or the number of processors for handlers that
//	          only compute. The queue is the same. Take it where you can, and always where there are one or two places only.
//	off       every call starts. It is counted in InFlight, and nothing is learned.
//
// # What the result of a call says
//
// The time from the start of a call to its end moves the limit. A call that is ignored, because its caller went away or a
// policy further in refused it, says nothing and only gives its place back. A failure never makes the limit grow: a dependency
// that fails at once is not one that has room. A failure at the timeout is slow, and makes it shrink.
//
// Calls that hang hold places for as long as they do. That is not overload: bound each try with package timeout, and have
// package breaker open when calls pile up. Keep one shedder for each dependency.
//
// # Who is refused
//
// The queue is as long as what the service completes in the time that a call can spend waiting. One that stood for a whole
// deadline is no burst any more, and gets a fraction of that. Whoever comes to a full queue is refused at once, unless somebody
// of a lower priority waits, or a tenant of the same priority has more calls in the queue: then the newest of those makes room.
//
// # Leaving out optional work
//
// [Shedder.Brownout] says how much of the work that a call could do without should be left out now, so that no call has to be
// refused.
//
// A shedder starts no goroutine. While the limit is not reached, a call takes no lock on its way in.
package shed
