package bulkhead

import "time"

// ForDatabase is for calls to a database through a pool of this many connections. Without it, calls wait in the pool: for
// any time, in order, in any number.
//
//   - As many run at once as there are connections, so that nobody waits in the pool. (Calls that hold a connection
//     elsewhere, such as transactions with calls of their own inside, must not go through it.)
//   - As many wait as there are connections: the queue is worked off in the time of one more call each. For calls to other
//     services there is none by default; here calls are short, and peaks are what a pool is for.
//   - For half a second, longer than any ordinary query takes: who has not begun by then has met no peak but a database
//     that is stuck.
//
// connections must be positive, as in the pool's own configuration; 0 would mean the default of Concurrency.
func ForDatabase(connections int) Config {
	return Config{Concurrency: connections, Queue: connections, Wait: 500 * time.Millisecond}
}
