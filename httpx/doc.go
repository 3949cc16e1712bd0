// Package httpx puts HTTP through the policies of a [gabion.Pipe]: the requests that a service sends, and those that it
// gets.
//
// # Sending
//
// A [Transport] is an http.RoundTripper:
//
//	transport, err := httpx.NewTransport(httpx.TransportConfig{}) // timeouts, retries and a breaker for each host
//	client := &http.Client{Transport: transport}
//
// What it takes care of, besides asking the policies:
//
//	answers       5xx is a failure, other than 501 and 505. 4xx is not, and neither is 429: who limits is not down. An
//	              answer that stays, such as the last 503, is returned as an answer and not as an error
//	safety        a request is sent again only when its method is safe, it has an Idempotency-Key, or it is certain that
//	              nothing of it was sent, because there was no connection
//	bodies        are sent again whole: by GetBody, or from what was kept of them. Nothing is read before it is sent
//	Retry-After   of 503 and 429 is waited for, when there is time
//	connections   of answers that are not wanted are used again, or closed. Those to a host whose breaker opens are
//	              closed: see [Connections]
//	the next hop  is told how many milliseconds are left (X-Gabion-Timeout-Ms) and which try it is (X-Gabion-Attempt).
//	              Its own retries leave alone what is a later try
//
// The policies see a call up to the head of the answer, and up to its end when it is short and says so: that is what
// timeouts bound, and when a bulkhead's place is given back. What is longer is read by the caller, for as long as the
// context of the request lasts, and something of it comes.
//
// A pipe that hedges can be used like any other. Of a request that must not be sent twice, no second one is sent.
//
// # Serving
//
// A [Handler] admits requests through the guards of a pipe, such as ratelimit, shed and bulkhead, before anything of the
// body is read. It refuses with 429 or 503, Retry-After and a problem that programs can read (RFC 9457). The
// deadline and the number of the try that the caller sent are in the context of the request, where a [Transport] finds
// them.
//
// # Layers
//
// When each of three layers tries three times, the last one gets 27 requests for one. Here it does not: a request that is a
// later try is not tried again further in, and what was given up further in is not tried again further out. The
// answer says so (X-Gabion-Gave-Up), which takes a Handler in each layer, or a proxy that passes the field on. So
// all layers together make no more retries than the budget of the innermost allows.
package httpx
