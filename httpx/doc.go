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
//	safety        a request is sent again only when its method is safe, it has an Idempotency-Key, or not a byte of
//	              it was sent
//	bodies        are sent again whole: by GetBody, or from what was kept of them
//	Retry-After   of a 503 is waited for, when there is time
//	connections   of answers that are not wanted are read to the end and used again, or closed. Those to a host whose
//	              breaker opens are closed: see [Connections]
//	the next hop  is told how many milliseconds are left (X-Gabion-Timeout-Ms) and which try it is (X-Gabion-Attempt)
//
// The policies see a call up to the head of the answer: that is what timeouts bound, and when a bulkhead's place is given
// back. The body is read by the caller, for as long as the context of the request lasts.
//
// # Serving
//
// [Handler] admits requests through the guards of a pipe, such as ratelimit, shed and bulkhead, before anything of the
// body is read. It refuses with 429 or 503, Retry-After and a problem that programs can read (RFC 9457). The
// deadline and the number of the try that the caller sent are in the context of the request.
package httpx
