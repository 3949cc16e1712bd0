// Package store is the process that keeps metrics and logs: a child of the gateway, which speaks HTTP with it over a Unix
// socket. What can be large, slow or full lives here, so that the request path never notices; see
// docs/decisions/009-store.md and package supervise, the parent's side.
//
// The parent writes [Settings] to the child's standard input and keeps it open. When it ends, the parent is gone, and the
// child ends too, as it does on SIGTERM: first nothing more is let in, then the parts are closed, the last one first.
//
// On the socket:
//
//	GET  /livez      200 from the beginning to the end
//	GET  /readyz     200 when all parts are open
//	GET  /-/status   Status, for the parent
//	POST /-/feed     items for the parts that take some, see package frame
//	     …           what the parts handle; 503 until all are open
package store
