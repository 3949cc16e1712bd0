// Package hedge makes a slow call again beside itself and takes whichever answers first. It shortens the tail: the few
// calls that are slow for no reason of their own.
//
//	call ──────────────────────────────── slow … ──┐ its context ends
//	      └ after (p95 of the calls) ── again ─────┴─► answer
//
// Only what may be done twice can be hedged, and only where slowness is bad luck: when everything is slow, because the
// dependency is overloaded, another call makes it worse. So hedges have a budget, a share of the calls. After is
// learned: the quantile of what calls took lately, so that a dependency that gets slower as a whole is hedged no more than
// before.
//
// The pipe of a hedge is called with [gabion.DoHedged]: the function runs on goroutines of their own, twice at once. What
// the run that lost gives is handed to the Discard of the pipe, which closes the body of an answer, for example.
//
// A run that fails does not start another: that is what retries are for, which stand further out by default.
//
// Dean and Barroso, "The Tail at Scale", Communications of the ACM 56(2), 2013.
package hedge
