// Package status is the picture of a running gateway at one moment, as the metrics, the admin API and the terminal
// show it. Who owns a part of the picture draws it; everybody else only looks.
//
// All counters run since the start of the process. All times are in UTC.
package status

import (
	"slices"
	"time"
)

// Process is the gateway itself.
type Process struct {
	// Version is the version of the binary.
	Version string `json:"version"`
	// State is starting, serving, draining or stopped.
	State string `json:"state" enum:"starting,serving,draining,stopped"`
	// Started is when the process started.
	Started time.Time `json:"started"`
}

// The states of a process.
const (
	Starting = "starting" // not yet listening
	Serving  = "serving"  // takes requests
	Draining = "draining" // finishes what is in flight, takes nothing new
	Stopped  = "stopped"  // does nothing more
)

// Config is the configuration in force and how the last attempt to change it went.
type Config struct {
	// Generation grows by one with every configuration that came into force.
	Generation uint64 `json:"generation"`
	// ETag identifies the configuration in force, quoted as in HTTP.
	ETag string `json:"etag"`
	// Loaded is when it came into force.
	Loaded time.Time `json:"loaded"`
	// Tried is when a configuration was last loaded or refused.
	Tried time.Time `json:"tried"`
	// Error says why the last attempt was refused; "" when it was not.
	Error string `json:"error,omitempty"`
}

// Breaker is a circuit breaker.
type Breaker struct {
	// State is closed, half_open or open.
	State string `json:"state" enum:"closed,half_open,open"`
	// Calls is how many calls the window holds; FailureRate and SlowRate are shares of them, from 0 to 1.
	Calls       int     `json:"calls"`
	FailureRate float64 `json:"failure_rate"`
	SlowRate    float64 `json:"slow_rate"`
	// RetryAfter is how many seconds an open breaker goes on refusing.
	RetryAfter float64 `json:"retry_after_seconds,omitempty"`
	// Opened and Refused count how often it opened and how many calls it refused.
	Opened  uint64 `json:"opened"`
	Refused uint64 `json:"refused"`
}

// The states of a breaker.
const (
	Closed   = "closed"
	HalfOpen = "half_open"
	Open     = "open"
)

// Bulkhead bounds how many requests a service has at a time.
type Bulkhead struct {
	InFlight int `json:"in_flight"`
	Queued   int `json:"queued"`
	Limit    int `json:"limit"`
	// Pressed is set while the queue does not get empty: the newest are served first.
	Pressed bool `json:"pressed"`
	// Waited counts requests that got a place after waiting, Wait is how many seconds those waited together.
	Waited uint64  `json:"waited"`
	Wait   float64 `json:"wait_seconds"`
	// Refused counts requests that got no place, Reasons splits them: full, wait, deadline, gone, displaced.
	Refused uint64            `json:"refused"`
	Reasons map[string]uint64 `json:"refused_by_reason"`
}

// Shed refuses what could not be answered in time.
type Shed struct {
	// Mode is adaptive or pool; Phase is what the limit is doing: slow_start, normal, verify, probe or pool.
	Mode  string `json:"mode" enum:"adaptive,pool"`
	Phase string `json:"phase"`
	// InFlight requests run, of at most Limit, and Queued ones wait.
	InFlight int `json:"in_flight"`
	Queued   int `json:"queued"`
	Limit    int `json:"limit"`
	// Floor is what the limit does not go below; 0 when none was needed yet.
	Floor int `json:"floor"`
	// Target is the mean time of a request, in seconds, that the limit aims at; Usual is what it is.
	Target float64 `json:"target_seconds"`
	Usual  float64 `json:"usual_seconds"`
	// Brownout is how much optional work services should leave out, from 0 to 1.
	Brownout float64 `json:"brownout"`
	// Waited counts requests that started after waiting, Wait is how many seconds those waited together.
	Waited uint64  `json:"waited"`
	Wait   float64 `json:"wait_seconds"`
	// Refused counts requests that were not started, by the priority of their route and then by reason: full, displaced,
	// expired, gone.
	Refused map[string]map[string]uint64 `json:"refused"`
}

// RefusedInAll is how many requests were not started.
func (s *Shed) RefusedInAll() (n uint64) {
	for _, reasons := range s.Refused {
		for _, one := range reasons {
			n += one
		}
	}
	return n
}

// Hedge sends slow requests again beside themselves.
type Hedge struct {
	// After is after how many seconds a request that began now would be sent again; 0: not at all, because too little is
	// known of the service.
	After float64 `json:"after_seconds"`
	// Left is how many requests the budget would allow now.
	Left float64 `json:"budget_left"`
	// Hedges counts requests that were sent again, Wins how often that one was faster, Refused those that were not because
	// the budget was empty.
	Hedges  uint64 `json:"hedges"`
	Wins    uint64 `json:"wins"`
	Refused uint64 `json:"refused"`
}

// Fault is a fault that is injected into a service.
type Fault struct {
	ID string `json:"id"`
	// Service is whose requests meet it.
	Service string `json:"service"`
	// Kind is latency, error, blackhole or reset.
	Kind string `json:"kind" enum:"latency,error,blackhole,reset"`
	// Share is the part of the requests that meet it, from 0 to 1.
	Share float64 `json:"share"`
	// Met counts them.
	Met uint64 `json:"met"`
	// Until is when it ends by itself.
	Until time.Time `json:"until"`
}

// Budget is the retry budget of a service.
type Budget struct {
	// Left is how many retries it would allow now; Max is the most it can hold.
	Left float64 `json:"left"`
	Max  float64 `json:"max"`
	// Retries counts what was retried, Refused what was not because the budget was empty.
	Retries uint64 `json:"retries"`
	Refused uint64 `json:"refused"`
}

// Endpoint is one place where a service runs.
type Endpoint struct {
	// Name is its address as configured or resolved.
	Name    string `json:"name"`
	Standby bool   `json:"standby"`
	Weight  int    `json:"weight"`
	// State is one of [EndpointStates]. Reason says why, in one sentence; Since is when it began.
	State  string    `json:"state" enum:"healthy,slow_start,unknown,trial,ejected,unhealthy,draining"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	// InFlight is how many requests it works on.
	InFlight int `json:"in_flight"`
	// Requests and Errors count attempts, and those that failed or were answered with 5xx.
	Requests uint64 `json:"requests"`
	Errors   uint64 `json:"errors"`
	// Codes counts attempts by one of [Classes]; those that were not seen are left out.
	Codes map[string]uint64 `json:"codes"`
	// Duration is the time to the head of the answer, or to the failure of attempts that got none.
	Duration Histogram `json:"duration"`
	// Ejections counts how often real requests took it out.
	Ejections uint64 `json:"ejections"`
	// Breaker is nil when it has none.
	Breaker *Breaker `json:"breaker,omitempty"`
}

// The states of an endpoint.
const (
	Healthy   = "healthy"
	SlowStart = "slow_start" // came back, and does not get its full share yet
	Trial     = "trial"      // was ejected, and single requests try it
	Ejected   = "ejected"    // taken out because real requests failed
	Unhealthy = "unhealthy"  // fails its active checks
	Unknown   = "unknown"    // not yet checked
)

// Classes are the classes of answers to attempts: "none" is for those that got none, "other" for a status that HTTP does
// not have.
var Classes = [...]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx", "other"}

// EndpointStates are all states of an endpoint, from best to worst. [Draining] is one that was removed and finishes
// what it has in flight.
var EndpointStates = []string{Healthy, SlowStart, Unknown, Trial, Ejected, Unhealthy, Draining}

// Service is a set of endpoints that do the same work.
type Service struct {
	Name      string     `json:"name"`
	Balance   string     `json:"balance"`
	Endpoints []Endpoint `json:"endpoints"`
	// FailOpen is set while all endpoints look unhealthy and are used all the same.
	FailOpen bool `json:"fail_open"`
	// StandbyActive is set while the standby pool serves.
	StandbyActive bool `json:"standby_active"`
	// What follows is nil when the policy is off.
	Breaker  *Breaker  `json:"breaker,omitempty"`
	Bulkhead *Bulkhead `json:"bulkhead,omitempty"`
	Budget   *Budget   `json:"retry_budget,omitempty"`
	Hedge    *Hedge    `json:"hedge,omitempty"`
	Shed     *Shed     `json:"shed,omitempty"`
	// Faults are those in force.
	Faults []Fault `json:"faults,omitempty"`
}

// Decision counts what a limit decided.
type Decision struct {
	// Kind is requests, server_time or concurrency.
	Kind string `json:"kind" enum:"requests,server_time,concurrency"`
	// Decision is allowed, refused, or shadow: would have been refused if the limit were enforced.
	Decision string `json:"decision" enum:"allowed,refused,shadow"`
	Count    uint64 `json:"count"`
}

// Limit is a rule and what it decided.
type Limit struct {
	Name string `json:"name"`
	// Mode is enforce or shadow.
	Mode string `json:"mode" enum:"enforce,shadow"`
	// Keys is how many keys are remembered.
	Keys      int        `json:"keys"`
	Decisions []Decision `json:"decisions"`
}

// Usage is what one key has used of one limit lately.
type Usage struct {
	// Limit is the limit's name; Key is who, masked unless it is an address.
	Limit string `json:"limit"`
	Key   string `json:"key"`
	// Requests are per second, ServerTime are seconds per second, both over the last moments.
	Requests   float64 `json:"requests_per_second"`
	ServerTime float64 `json:"server_seconds_per_second"`
	// InFlight is how many of its requests are being worked on.
	InFlight int `json:"in_flight"`
	// Refused counts its requests that were refused, as far back as it is remembered.
	Refused uint64 `json:"refused"`
	// Limited is set while what this line is about (requests, or server time) refuses its next request.
	Limited bool `json:"limited"`
}

// By is what users are ordered by.
type By string

// The orders of users.
const (
	ByRequests   By = "requests"
	ByServerTime By = "server_time"
)

// Route is a route and its traffic.
type Route struct {
	Name    string `json:"name"`
	Service string `json:"service"`
	Owner   string `json:"owner,omitempty"`
	// InFlight is how many requests are on their way.
	InFlight int `json:"in_flight"`
	// Requests counts requests that ended; Codes splits them by status, "none" for clients that went away.
	Requests uint64            `json:"requests"`
	Codes    map[string]uint64 `json:"codes"`
	// Retries counts attempts beyond the first, Fallbacks the answers by fallbacks.
	Retries   uint64 `json:"retries"`
	Fallbacks uint64 `json:"fallbacks"`
	// Duration says how long answers took.
	Duration Histogram `json:"duration"`
}

// Histogram counts observations by size.
type Histogram struct {
	// Sum is in seconds.
	Sum     float64  `json:"sum"`
	Buckets []Bucket `json:"buckets"`
}

// Plus is what both have counted. They must have the same buckets, or one of them none.
func (h Histogram) Plus(o Histogram) Histogram {
	if len(h.Buckets) == 0 {
		return o
	}
	sum := Histogram{Sum: h.Sum + o.Sum, Buckets: slices.Clone(h.Buckets)}
	for i := range o.Buckets {
		sum.Buckets[i].Count += o.Buckets[i].Count
	}
	return sum
}

// Bucket counts the observations that are at most LE seconds and more than the bucket before allows. The last
// bucket has no bound and an LE of 0.
type Bucket struct {
	LE    float64 `json:"le"`
	Count uint64  `json:"count"`
}
