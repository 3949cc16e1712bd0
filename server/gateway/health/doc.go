// Package health judges endpoints, from regular checks ([Check]) and from real requests ([Ejection]). It has no clock
// and no I/O, and is not safe for concurrent use.
//
// Ejection, for each endpoint:
//
//	              too many errors in a row, or of all lately,
//	              and enough other endpoints stay
//	     ┌────┐ ─────────────────────────────────────────────▶ ┌─────┐
//	┌───▶│ IN │                                                │ OUT │◀────┐
//	│    └────┘                                                └─────┘     │
//	│    all requests                                  none       │        │
//	│                                                             │        │
//	│                                 eject_for × 2^(ejections−1) │        │
//	│                                     and a request is there  ▼        │
//	│  trials succeeded                                      ┌───────┐     │
//	└─────────────────────────────────────────────────────── │ TRIAL │ ────┘
//	                                                         └───────┘   a trial failed
//	                                                 one request at a time,
//	                                                 after its success a few
//
// What the checks say has no part in it: an endpoint that fails behind a green health page stays out. Only a page that
// turns from red to green brings the trials forward, because then something has changed.
package health
