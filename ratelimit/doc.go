// Package ratelimit bounds what each user, or any other key, may take of a service.
//
// [Requests] bounds the number of requests in a time. [ServerTime] bounds the time that a service spends on a key's
// calls, and how many of them run at once: it stops the user who stays within the number, but whose requests are slow.
// [Composite] makes several of them one decision.
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
// # Which limit when
//
//	so many requests in a time, smoothly                     Requests: a bucket that refills evenly, and may be emptied at once
//	never more than so many in any hour, as a contract says  Requests with Sliding
//	some calls are dearer than others                        WithCost, or Config.Cost
//	calls take very different times                          ServerTime with a Quota
//	so many at once for each user                            ServerTime with Concurrency
//	per second and per day, per user and per tenant          Composite
//
// What a key gets in any window of time, however placed, is for a bucket at most Burst + Rate · length of the window; for
// a sliding window of that length at most Rate. A key that always asks gets at least 99 % of it. Whoever waits exactly as
// long as a refusal says, alone, is admitted, and not a nanosecond earlier.
//
// Every method takes the present as a [gabion.Instant], which is monotonic, so a step of the wall clock changes
// nothing. Only [Requests.TakeNow] reads the clock itself.
//
// # Memory
//
// Whoever sends requests may make up keys, so their number is bounded by MaxKeys. A key that is not using anything
// (its bucket is full) can be forgotten without a difference: of some of them, the one that was used longest ago. A key
// that does is never forgotten to make room, because it would come back with a full bucket: when all are busy, new
// keys share one bucket for each tier. [Snapshot] counts how often that happens.
//
// A key of Requests takes 64 bytes, in which are the first 18 of its text, about 6 for the index, and nothing that the garbage
// collector looks at. In a sliding window it takes about 75 more, and 16 for each of at most 145 parts of the window in which
// it was used. A key of ServerTime takes about 170.
//
// # In a pipe
//
// All are guards that stand in a [gabion.Pipe]. Whose call it is, is said by [WithKey]. A refused call gets a
// [gabion.Error] whose Reason is [ErrLimited]. What a call has taken is put back when a policy further in refuses it.
package ratelimit
