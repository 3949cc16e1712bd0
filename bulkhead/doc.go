// Package bulkhead bounds how many calls run at once, so that one slow dependency cannot take all workers.
//
//	                                      ┌──────────── a place gets free: the next in the queue has it
//	          a place is free             ▼
//	call ─────────────────────────▶ ┌───────────┐  Done
//	  │                             │  running  │ ──────▶
//	  │ none is                     └───────────┘
//	  ▼                                   ▲
//	queue has room? ──yes──▶ waits ───────┘
//	  │ no                     │ Wait is over, the caller's context ends, or its deadline is too near
//	  ▼                        ▼
//	refused (ErrFull)        refused (ErrFull), and leaves the queue
//
// A free place goes straight to a call that waits: nobody overtakes, and no place is free while somebody waits. The
// queue is off by default, because waiting helps only against short peaks.
//
// # Bounds
//
// The queue is bounded by number (Queue), by time (Wait) and by the deadlines of those who wait in it. The bulkhead learns
// how long calls usually run. A call that would have to wait, and could then not start so long before its deadline, is
// refused at once: waiting would take its caller's time, and the dependency's, for an answer that nobody wants.
//
// # Who is next
//
// While the queue gets empty now and then, it is first in, first out. When it has not been empty for longer than Interval,
// it is under pressure: more comes than can be served, and in order everybody would be served when it is almost too late.
// Then the newest is served first and may wait for a short time only (Target), and a newcomer to the full queue takes the
// room of one who has waited for longer than that. (Adaptive LIFO and the controlled delay of Maurer, "Fail at Scale", ACM
// Queue 2015, after Nichols and Jacobson, "Controlling Queue Delay", 2012.)
//
// Calls wait in the line of their tenant, see [gabion.WithTenant], and the lines take turns. A full queue takes one more call of a
// tenant that has fewer waiting than another, which then gives up its last place. So one tenant with many calls keeps no other
// waiting for long. Lines are kept for the tenants that wait, and for at most MaxTenants.
//
// A bulkhead starts no goroutine.
package bulkhead
