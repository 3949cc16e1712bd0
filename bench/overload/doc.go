// Package overload puts limiters in front of a simulated service that is offered more than it can do, and measures what
// comes of it. Time is virtual: events happen one after the other, from a seed, so a run is the same on every machine and
// an hour of traffic takes seconds. Limiters that read the clock themselves run in a bubble of testing/synctest, in the
// same event loop.
//
//	arrivals ──▶ Limiter ──▶ server: W workers, first come first served, or all calls share W cores
//	                │
//	                └──▶ refused, which may cost the server some work
//
// A [Scenario] says what is offered and how fast the server is over time. [Run] plays one, and [Result] holds the figures.
// [Matrix] is all runs of the suite. `make overload` plays them and writes docs/overload.md.
package overload
