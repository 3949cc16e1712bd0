// Package service is a service's endpoints and the choice among them.
//
// A [Service] is asked for an endpoint for every attempt ([Service.Pick]) and told how the attempt ended
// ([Lease.Done]). From that, from regular checks and from name resolution it knows which endpoints can be used. Each
// endpoint is judged by three, independently:
//
//   - its regular checks (package health, Check): it is up or down;
//   - its real requests (package health, Ejection): it is in, out or on trial;
//   - its breaker (package breaker): closed, open or half-open.
//
// An endpoint that all three find good is usable. One that is out, or whose breaker is not closed, gets single requests
// as trials once its time has come; only first attempts are used for that, never a retry while there is another way.
// A request goes to the first of these that has an endpoint it was not sent to before:
//
//	usable primaries ─▶ usable standbys ─▶ primaries whose checks fail (fail open) ─▶ a trial ─▶ again where it was
//
// The checks alone thus never take everything away, ejection always leaves one, and what is left are open breakers:
// then [ErrUnavailable] says when the next trial is due.
//
// Whoever comes back gets little at first (slow start). When all were gone, the first that comes back also has a ration:
// see balance.Ration. What is over goes to the standbys, or to the primaries whose checks still fail, or is refused.
// slow_start off switches both off.
package service
