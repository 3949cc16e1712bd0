// Package ratelimit bounds what each user, or any other key, may take of a service.
//
// [Requests] bounds the number of requests in a time. [ServerTime] bounds the time that a service spends on a key's
// calls, and how many of them run at once: it stops the user who stays within the number, but whose requests are slow.
//
//	Requests                         ServerTime
//
//	Take ──▶ holds cost? ─no─▶ ✗     Begin ──▶ a place free, and holds the estimate? ─no─▶ ✗
//	             │ yes                              │ yes
//	             ▼                                  ▼
//	        take the cost                   take the estimate
//	                                        … running longer than that: charged as time passes …
//	                                        Settle: take the rest, or put back what was too much
//	                                        Cancel: put everything back
//
// A key has a bucket that refills evenly. There are no windows with an edge at which twice as much would pass, and there
// is no clock in this package: every method takes the present as a [gabion.Instant], which is monotonic, so
// a step of the wall clock changes nothing.
//
// # Memory
//
// Whoever sends requests may make up keys, so their number is bounded by MaxKeys. A key that is not using anything
// (its bucket is full) can be forgotten without a difference. A key that does is never forgotten to make room, because it
// would come back with a full bucket: when all are busy, new keys share one bucket for each tier. [Snapshot]
// counts how often that happens.
//
// # In a pipe
//
// Both are guards that stand in a [gabion.Pipe]. Whose call it is, is said by [WithKey]. A refused call gets a
// [gabion.Error] whose Reason is [ErrLimited].
package ratelimit
