// Package framing stands between a connection and net/http's HTTP/1 server, which is more lenient than a gateway may
// be, and says less than it should.
//
// A request that two programs read in two ways is how requests are smuggled past one of them. net/http drops
// Content-Length when Transfer-Encoding is there too, accepts lines without a carriage return, folded fields, several
// equal lengths, and Transfer-Encoding in HTTP/1.0; by the time a handler sees the request, nothing of that is left to
// be seen. So the bytes are looked at as they come in, and a doubtful head is refused before net/http has all of it.
//
// Where net/http refuses by itself, or the client is too slow, the client gets a problem+json as well: whatever is
// written while no request is being handled is one of net/http's own errors and is replaced.
//
// Deadlines are kept here too, because here it is known what the next bytes are and whether they have to be waited
// for: a small body that came together with its head costs none.
package framing
