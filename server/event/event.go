// Package event is one bounded stream of what happened: a breaker opened, an endpoint was ejected, a
// configuration was loaded. It is what a person reads first when something is wrong.
package event

import "time"

// Kind says what happened. Its values are part of the API.
type Kind string

// The kinds of events.
const (
	KindBreaker   Kind = "breaker"   // a breaker changed its state: From, To
	KindHealth    Kind = "health"    // an active check changed an endpoint's health: From, To, Reason
	KindEjection  Kind = "ejection"  // passive ejection took an endpoint out or let it back: From, To, Reason
	KindEndpoints Kind = "endpoints" // name resolution or a reload changed a service's endpoints
	KindFailOpen  Kind = "fail_open" // all endpoints look unhealthy and are used all the same; or that ended
	KindStandby   Kind = "standby"   // the standby pool took over; or gave back
	KindLimit     Kind = "limit"     // a key started to be limited; or stopped
	KindFallback  Kind = "fallback"  // a fallback started to serve; or stopped
	KindRetry     Kind = "retry"     // a retry budget ran empty; or recovered
	KindHedge     Kind = "hedge"     // a hedge budget ran empty; or recovered
	KindBulkhead  Kind = "bulkhead"  // a bulkhead was full and refused requests; or had room again
	KindShed      Kind = "shed"      // requests were shed because more came than could be answered in time; or that ended
	KindFault     Kind = "fault"     // a fault was injected; or ended
	KindReload    Kind = "reload"    // a configuration was loaded, or refused with Reason
	KindLifecycle Kind = "lifecycle" // started, draining, stopped
	KindStore     Kind = "store"     // the store process: To is starting, up, down, restarting or stopped, with Reason; with Key "disk", ok, low or full; with Key "metrics" or "lines", losing (items are lost) or complete
	KindDamage    Kind = "damage"    // something that the store keeps cannot be read: Key is the file, From and To the times of the lines that are lost, if any, Reason what and why
	KindNewError  Kind = "new_error" // a service logged an error that it never had before: Key is the ID of its template, Reason the line
)

// Event is one thing that happened. Only what applies is set.
type Event struct {
	// ID grows by one with every event of this process.
	ID uint64 `json:"id"`
	// At is in UTC.
	At       time.Time `json:"at"`
	Kind     Kind      `json:"kind"`
	Service  string    `json:"service,omitempty"`
	Endpoint string    `json:"endpoint,omitempty"`
	Route    string    `json:"route,omitempty"`
	Limit    string    `json:"limit,omitempty"`
	Key      string    `json:"key,omitempty"`
	From     string    `json:"from,omitempty"`
	To       string    `json:"to,omitempty"`
	// Reason is for people: why it happened, in one sentence.
	Reason string `json:"reason,omitempty"`
}

// Sink takes events. Add never blocks.
type Sink interface {
	Add(Event)
}
