// Package timeout bounds how long a call may take: Total the whole call with all its tries and waits, Attempt each
// try.
//
// It ends the context that the called function got. A function that does not look at its context runs on until it
// returns, on the caller's goroutine, and nothing is left running behind the caller's back; what it returns
// too late is replaced by [ErrExceeded].
//
// Only its own timeouts are reported. When the caller cancels, or has a deadline that comes first, the call's error
// stays what it was.
package timeout
