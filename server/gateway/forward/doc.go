// Package forward is the last step of an exchange: it sends the request to a service, as often as its policies allow,
// and gives the client the answer, or what stands in for one.
//
//	shed → breaker of the service → bulkhead → [ pick an endpoint → fault → send, perhaps twice → again? ] → fallback → answer
//
// What is repeated: what retry.on lists, when the method is one of retry.methods, the request has an
// Idempotency-Key, or not a byte of it was sent; and only when its body is still there. Bodies of a known length up to
// 64 KiB are read before the first attempt and can be sent again. Others are streamed, and can until the first byte
// is read.
//
// What is held: the answer to a request that can be repeated is kept back until it is whole, when it is small, so
// that a connection that breaks in the middle of it is one more failed attempt and not a broken answer. See
// docs/decisions/006-held-answers.md, and 005-deadlines.md for what a deadline covers.
package forward
