// Package backoff computes how long to wait before the next try.
package backoff

import "time"

// Bound is the longest wait after the try with this number (1, 2, …): initial, doubled with each try, and never
// more than limit.
func Bound(try int, initial, limit time.Duration) time.Duration {
	bound := initial
	for range try - 1 {
		if bound > limit/2 { // doubling would pass the limit, or overflow
			return limit
		}
		bound *= 2
	}
	return min(bound, limit)
}

// Full is a wait with full jitter: between 0 and bound, as random, from [0, 1), says. It spreads the tries of many
// callers that failed at the same moment better than any wait with a fixed part; see "Exponential Backoff
// And Jitter" in the AWS Architecture Blog, 2015.
func Full(bound time.Duration, random float64) time.Duration {
	return time.Duration(random * float64(bound))
}

// Decorrelated is a wait between initial and three times the wait before it, never more than limit. Nobody has to keep the
// waits before: random, which gives numbers from [0, 1), makes them up. It grows as Bound does, but never begins with
// nothing; see the article named at Full.
func Decorrelated(try int, initial, limit time.Duration, random func() float64) time.Duration {
	wait := min(initial, limit)
	for range try {
		top := limit
		if wait < limit/3 {
			top = 3 * wait
		}
		wait = min(initial+time.Duration(random()*float64(max(0, top-initial))), limit)
	}
	return wait
}

// Around is d moved by up to the given part of it, up or down, as random, from [0, 1), says.
func Around(d time.Duration, part, random float64) time.Duration {
	return d + time.Duration((2*random-1)*part*float64(d))
}
