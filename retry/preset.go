package retry

import (
	"time"

	"github.com/gabion-io/gabion"
)

// The default is for calls over a network, as with HTTP or gRPC, that somebody waits for.

// ForDatabase is for transactions that lost against others: deadlocks and serialization failures.
//
//   - Five tries: who loses once may well lose again while the others are still there.
//   - First waits of up to 5 ms, never more than 100 ms: a conflict lasts as long as the transaction on the other side.
//   - Full jitter: two that collided must not come back together.
//   - The default budget of 20%: when more than a fifth of the transactions loses, trying again makes it worse.
//
// The function must be the whole transaction, with its reads. A conflict is an answer of a database that works: give the
// breaker a pipe of its own, further in, whose Classify calls conflicts a success.
func ForDatabase() Config {
	return Config{
		Attempts: 5,
		Backoff:  Backoff{Initial: 5 * time.Millisecond, Max: 100 * time.Millisecond, Jitter: JitterFull},
		Budget:   0.2,
	}
}

// ForJobs is for work in the background that nobody waits for, such as the messages of a queue. It goes with
// timeout.ForJobs: the default timeout would end the call after ten seconds.
//
//   - Eight tries with waits that double from a second to a minute: about a minute in all, at most two. That is as long as
//     a restart or a failover takes.
//   - Full jitter: an outage makes all jobs fail at one moment.
//   - No budget: few calls bring little budget in, and it would give up in the first seconds of an outage. The number of
//     workers and the long waits bound the load.
func ForJobs() Config {
	return Config{
		Attempts: 8,
		Backoff:  Backoff{Initial: time.Second, Max: time.Minute, Jitter: JitterFull},
		Budget:   gabion.Off,
	}
}
