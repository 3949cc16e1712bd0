// Package retry makes failed calls again, where that helps and does no harm.
//
// After a failure it waits and tries again, until a try succeeds or one of these ends it:
//
//   - attempts: all tries are used up;
//   - deadline: the next try would come after the call's deadline. Nobody waits for that: the call fails at once;
//   - budget: too many calls are being retried. A dependency that is down fails every call, and three tries for
//     each would be three times the load just when it can bear the least.
//
// The waits grow exponentially and are spread over their whole length (full jitter), so that the callers of one
// failed moment do not come back together. A Retry-After that an error carries is honoured.
//
// The budget is a bucket of tokens. A retry costs one, when it is decided and not when it is made, so that any
// number of simultaneous failures meets the same bucket. Each call brings in a share of a token (Budget).
// A reserve of 10 is there from the start; what is above the reserve melts away within some ten seconds, so the
// bucket holds about what the calls of the last ten seconds brought in: much for a busy service, little for a
// quiet one, and never the savings of a calm day.
//
// Not retried is what cannot succeed or is not wanted any more: a call that a policy of our own refused
// ([gabion.ErrRejected]), a call whose caller went away, what the pipe's Classify calls Ignored, and an
// error with a method Retryable() bool that says false: a request, for example, that may have been carried out. An error
// whose Retryable says true is retried also when it is Ignored: a limit that was hit says nothing about the health of the
// one who was called, and yet when to come again. The final error says how many tries there were and why there was no
// other, and wraps the last real one.
package retry
