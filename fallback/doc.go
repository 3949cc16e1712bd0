// Package fallback lets something else answer when a call has failed: a fixed value, a cache, another service.
//
// The alternatives are tried in order until one answers. A fallback also acts when another policy refused the
// call, for example because a breaker is open: that is what it is for. It does not act when the caller itself
// went away.
//
//	call fails ──▶ first alternative ──fails──▶ second ──fails──▶ … ──fails──▶ error with all causes
//	                      │ answers               │ answers
//	                      ▼                       ▼
//	                  the answer              the answer      (and an event that names the alternative)
package fallback
