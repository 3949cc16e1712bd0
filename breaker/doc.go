// Package breaker stops calls to a dependency that keeps failing, so that callers fail fast instead of waiting,
// and the dependency gets room to recover.
//
//	             too many failures or slow calls in the window,
//	             or too many failures in a row
//	     ┌────────┐ ───────────────────────────────────────▶ ┌──────┐
//	┌───▶│ CLOSED │                                           │ OPEN │◀────┐
//	│    └────────┘                                           └──────┘     │
//	│    all calls pass                         all calls are refused      │
//	│    and are counted                                   │               │
//	│                                             OpenFor  │ ±10 %,        │
//	│                                     and a call comes ▼               │
//	│  Probes have succeeded                         ┌───────────┐         │
//	└─────────────────────────────────────────────── │ HALF_OPEN │ ────────┘
//	                                                 └───────────┘   a probe failed,
//	                                        up to Probes calls pass  or too many were slow
//	                                        at once, each on a lease;
//	                                        the others are refused
//
// Calls are counted in a window that slides, in steps of a twentieth of its length, and that empties with time,
// not only with calls: after a quiet hour the first failure is the only one. The rules are applied when a call
// fails or is slow; a success never opens the breaker. The outcome [gabion.Ignored] (the caller went away, a policy
// further in refused) counts nowhere, and gives a probe's place back.
//
// A probe that does not end within its lease loses its place to another call. So a probe that hangs cannot keep
// the breaker half-open for ever.
//
// [Breaker.Force] takes the decision away from it, until it is given back: forced open for a dependency that must be left
// alone, forced closed when the breaker itself is in doubt, watching to see what a configuration would do.
//
// [ForHTTP] and [ForDatabase] are places to begin. What to set when:
//
//	many calls a second                   FailureRate over Window, with MinCalls high enough that chance opens nothing
//	few calls                             Consecutive
//	it gets slow before it fails          SlowCall, a bit below the timeout of a try, and SlowRate
//	calls hang                            Hanging, which opens it before the first of them times out
//	part of the calls can still be served Throttle, with FailureRate off
//	it takes long to come back            OpenMax, so that probes get rarer
//	it comes back weak                    RampFor, so that the load comes back with time
//	a pool of connections goes stale      OnOpen, to close them
//
// Every admission is stamped with the period that it belongs to. A call that was admitted while the breaker was
// closed and ends while it is open, half-open, or closed again, changes nothing.
package breaker
