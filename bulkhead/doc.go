// Package bulkhead bounds how many calls run at once, so that one slow dependency cannot take all workers.
//
//	                                      ┌──────────── a place gets free: the first in the queue has it
//	          a place is free             ▼
//	call ─────────────────────────▶ ┌───────────┐  Done
//	  │                             │  running  │ ──────▶
//	  │ none is                     └───────────┘
//	  ▼                                   ▲
//	queue has room? ──yes──▶ waits ───────┘
//	  │ no                     │ Wait is over, or the caller's context ends
//	  ▼                        ▼
//	refused (ErrFull)        refused (ErrFull), and leaves the queue
//
// A free place goes straight to the call that has waited longest: nobody overtakes, and no place is free while
// somebody waits. The queue is bounded by number, by time and by the deadlines of those who wait in it. It is off by
// default, because waiting helps only against short peaks.
//
// A bulkhead starts no goroutine.
package bulkhead
