// Package admission decides which calls start, which wait and which are refused, so that a service that is offered more
// than it can do still answers in time what it takes on. It is the pure core of package shed: the time is a parameter,
// and there is no clock, no goroutine and no lock. A simulation drives it as well as a program does.
//
// Two parts work together:
//
//   - the limit: how many calls are in flight at once. It follows from the deadline (Little's law: as many as the service
//     completes in a share of the deadline), not from the lowest latency ever seen, so a cold start, a service that gets
//     slower for good, and slow drift do not mislead it. Where that would starve the service, because the service time
//     itself has come near the deadline, a floor holds it up. The floor is found by an experiment that can be undone: after
//     a cut that cost goodput, the higher limit is tried again, and the two are compared.
//   - the queue before it, bounded by time: what cannot be answered in time is refused on arrival. Strict priority among
//     classes, round-robin among the tenants of a class, first come first served within a tenant. Once the queue has stood
//     for a whole deadline it is no burst any more, and gets a shorter budget, as in CoDel (RFC 8289).
//
// Windows are measured in completions and round trips, not in seconds, so the same constants fit ten workers and a
// thousand. Where the concurrency is known, such as that of a worker pool, the limit is fixed and only the queue adapts.
package admission
