package breaker

import "time"

// ForHTTP is for calls over HTTP or gRPC to a service with many callers.
//
//   - Half of the calls fail before it opens, of at least 20 in ten seconds: what retries can carry is no reason to stop.
//   - Calls of a second and more are slow: a service that is overloaded gets slow before it fails. Set SlowCall to a bit
//     less than the timeout of a try.
//   - 50 calls that hang open it: a service that answers nothing fails only when the timeouts come.
//   - The open time doubles up to a minute, and then calls come back over ten seconds: what starts up again is not hit by
//     everybody at once.
func ForHTTP() Config {
	return Config{
		Window: 10 * time.Second, MinCalls: 20, FailureRate: 0.5, SlowCall: time.Second, SlowRate: 0.8, Hanging: 50,
		OpenFor: 5 * time.Second, OpenMax: time.Minute, Probes: 3, ProbeLease: 10 * time.Second, RampFor: 10 * time.Second,
	}
}

// ForDatabase is for calls to a database, through a pool of connections.
//
//   - Five failures in a row open it: a database is there or it is not, and a failover ends as suddenly as it begins. Errors
//     that the database answers with, such as a constraint that is violated, must not be classified as failures.
//   - It tries again after a second, and hardly less often later: a failover takes seconds, and probes cost little.
//   - One probe at a time, and no ramp: what comes back can do all of its work at once.
//
// Set OnOpen to close the idle connections of the pool: after a failover they lead to the old primary.
func ForDatabase() Config {
	return Config{
		Window: 10 * time.Second, MinCalls: 20, FailureRate: 0.5, Consecutive: 5,
		OpenFor: time.Second, OpenMax: 5 * time.Second, Probes: 1, ProbeLease: 5 * time.Second,
	}
}
