// Package upstream sends one request to one endpoint, once, and brings back its answer or a typed error.
//
// It decides nothing: which endpoint, how often and how long is the business of package forward. What it promises:
//
//   - the timer of an attempt starts when the attempt does, so it covers dialling, writing and waiting for the head;
//   - a client that goes away releases the endpoint at once;
//   - an [Error] says whether a byte of the request may have reached the endpoint, so that a request that is not
//     safe to repeat is repeated only when it cannot have been carried out;
//   - what an endpoint sends is bounded, and garbage is an error, never a hang;
//   - all connections to an endpoint can be dropped at once, those in use included.
//
// There are two engines. HTTP/1.1 without TLS has its own, which is lean (see plain) and leaves the parsing to net/http;
// everything else goes through net/http's Transport, without cookies, redirects, proxies, compression or a User-Agent of
// its own.
package upstream
