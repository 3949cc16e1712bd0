// Package supervise is the parent's side of the store process: it starts the child, watches it, buffers what the child
// should get, pages when the child stays away, and passes requests on to it. Nothing here ever waits for the child on behalf of
// the request path.
//
//	            it answers and is ready
//	┌──────────┐ ───────────────────────▶ ┌────┐
//	│ starting │                          │ up │
//	└──────────┘ ──┐                  ┌── └────┘ ◀─┐
//	  it ended, or ▼                  ▼ it ended,  │ it answers and is ready
//	  does not   ┌──────┐     ┌─ or hangs          │
//	  answer     │ down │ ◀───┘            ┌────────────┐
//	             └──────┘ ───────────────▶ │ restarting │
//	                 ▲     after a wait    └────────────┘
//	                 └───────────────────────────┘ it ended, or does not answer
//
// The wait grows with every start that did not last, with full jitter, and begins anew when the child was up for a while.
package supervise
