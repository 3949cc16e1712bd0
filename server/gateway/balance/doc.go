// Package balance chooses one of several endpoints. It has no clock and no I/O.
//
// A [Member] is what is known of one endpoint's load; a [Set] is an immutable choice among members:
//
//   - least_load draws two members at random, by weight, and keeps the first unless the second would be less loaded
//     even with one request more (the power of two choices, Mitzenmacher 2001). Load is requests in flight per weight;
//   - round_robin takes turns by weight, spread evenly;
//   - hash sends equal hashes to the same member (weighted rendezvous hashing: Thaler and Ravishankar 1998,
//     Schindelhauer and Schomaker 2005), unless that has much more in flight than its share (bounded loads: Mirrokni,
//     Thorup and Zadimoghaddam 2018). When a member leaves or gets more weight, only the keys it loses or gains move.
//
// A member that came back is ramped: its weight grows from a tenth to the whole. For least_load, the weight is also cut
// for members that fail, so that an endpoint which fails fast and never has anything in flight does not attract
// requests, and for members that have fallen silent: something is in flight, and nothing has ended for much longer
// than usual.
//
// A [Ration] is for the first seconds after all were gone: it keeps the one that is back first from getting everything.
package balance
