// Package fault makes calls fail on purpose, to see what happens then: in a drill, or on a test system.
//
// A fault is a lease: it ends by itself, at the latest after [MaxFor], whatever becomes of who injected it. It stands
// innermost by default, so that it exercises every other policy in place of the dependency, and none of them can tell it
// from the real thing.
//
//	kind      what the call does
//	latency   waits, and then goes on
//	error     fails at once
//	hang      waits until its context ends
//	reset     fails like a connection that was reset
//
// Without a fault, the policy costs one atomic load.
package fault
