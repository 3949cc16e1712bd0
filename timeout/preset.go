package timeout

import (
	"time"

	"github.com/gabion-io/gabion"
)

// The default is for calls over a network, as with HTTP or gRPC, that somebody waits for.

// ForDatabase is for queries and transactions that somebody waits for.
//
//   - Five seconds in all: half of what a whole call has by default, so that there is time left for an answer when it is
//     over. A query that goes on for longer holds its locks and its connection against all others.
//   - No bound for a try: a query that is ended has cost the database its work, and another try would cost it again.
//
// The driver must end the query with its context, as those of database/sql do.
func ForDatabase() Config {
	return Config{Total: 5 * time.Second, Attempt: gabion.Off}
}

// ForJobs is for work in the background: messages of a queue, exports, nightly runs. It goes with retry.ForJobs.
//
//   - A minute for a try: such work may take long, but what hangs must set its worker free.
//   - A quarter of an hour in all: eight tries of a minute and all waits between them are hardly more than ten
//     minutes. What is not done by then goes back to the queue.
func ForJobs() Config {
	return Config{Total: 15 * time.Minute, Attempt: time.Minute}
}
