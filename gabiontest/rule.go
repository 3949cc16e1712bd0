package gabiontest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/gabion-io/gabion"
)

// Mode is what a [Dependency] does with a call.
type Mode string

// The modes.
const (
	// Succeed: the call succeeds, after Delay.
	Succeed Mode = ""
	// Error: it fails with Err, after Delay; over HTTP it is answered with Status.
	Error Mode = "error"
	// Latency: it succeeds, after Delay.
	Latency Mode = "latency"
	// Hang: it is held until its context ends, and fails with the context's error.
	Hang Mode = "hang"
	// Freeze: it is held until [Dependency.Close], whatever its context says: a driver that knows no context, or a
	// server that does not notice that its client has gone. A round trip ends with its context nonetheless, as each over
	// a network does.
	Freeze Mode = "freeze"
	// Reset: it fails with an error that satisfies errors.Is(err, syscall.ECONNRESET). A server closes the connection
	// so that its client sees just that.
	Reset Mode = "reset"
	// Panic: it panics.
	Panic Mode = "panic"
	// Goexit: it ends its goroutine by runtime.Goexit.
	Goexit Mode = "goexit"
	// Overload: Capacity calls are served at once, each for Delay; Queue others wait for their turn, in order; the rest
	// fail with [ErrOverloaded], which is status 503. Whoever gives up gives its place back.
	Overload Mode = "overload"
)

var modes = []Mode{Succeed, Error, Latency, Hang, Freeze, Reset, Panic, Goexit, Overload}

// String returns the mode's name.
func (m Mode) String() string {
	if m == Succeed {
		return "succeed"
	}
	return string(m)
}

// The errors of a [Dependency].
var (
	// ErrFailed is what a call fails with when its [Rule] has no Err.
	ErrFailed = errors.New("the dependency failed")
	// ErrOverloaded is what an overloaded dependency refuses calls with.
	ErrOverloaded = errors.New("the dependency is overloaded")
	// ErrClosed is what calls fail with that were held when the dependency was closed, or that would be now.
	ErrClosed = errors.New("the dependency was closed: the test is over")
)

// PanicValue is what a dependency panics with.
const PanicValue = "gabiontest: the dependency panics"

// Rule is what a [Dependency] does with some of its calls. The zero value lets every call succeed.
type Rule struct {
	// Mode is what happens.
	Mode Mode
	// Delay is how long it takes: before the success, the error, the hanging and so on, and the time of service of
	// Overload. The wait ends when the call's context does. Default: no time. Latency and Overload need it.
	Delay time.Duration

	// Err is the error of [Error]. Default: [ErrFailed].
	Err error
	// Status answers HTTP requests in the mode [Error]. Default: 500. A round trip with an Err fails with it instead.
	Status int

	// Capacity is how many calls are served at once in the mode [Overload]. Default: 1.
	Capacity int
	// Queue is how many more wait. Default: none.
	Queue int

	// Key: only calls with this key ([WithKey]; without one, an HTTP request has its path as its key). Default: all.
	Key string
	// Share: only this share of them, evenly spread and not by chance: with 0.25 the 4th, the 8th, …. Default: all.
	Share gabion.Share
	// First: only so many of these. Default: no end.
	First int
}

// validate returns all that is impossible in r, joined: each a *[gabion.FieldError].
func (r Rule) validate() error {
	var problems []error
	refuse := func(bad bool, field, format string, args ...any) {
		if bad {
			problems = append(problems, &gabion.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
		}
	}
	refuse(!slices.Contains(modes, r.Mode), "Mode", "is %q, must be one of %q", string(r.Mode), modes[1:])
	refuse(r.Delay < 0, "Delay", "is %v, must not be negative", r.Delay)
	refuse(r.Delay == 0 && (r.Mode == Latency || r.Mode == Overload), "Delay", "is 0, must be positive in mode %v", r.Mode)
	refuse(r.Err != nil && r.Mode != Error, "Err", "is set, but the mode is %v", r.Mode)
	refuse(r.Status != 0 && r.Mode != Error, "Status", "is set, but the mode is %v", r.Mode)
	refuse(r.Status != 0 && (r.Status < 400 || r.Status > 599), "Status", "is %d, must be from 400 to 599", r.Status)
	refuse(r.Capacity < 0, "Capacity", "is %d, must be positive (0 means 1)", r.Capacity)
	refuse(r.Queue < 0, "Queue", "is %d, must not be negative", r.Queue)
	refuse(r.Mode != Overload && r.Capacity > 0, "Capacity", "is set, but the mode is %v", r.Mode)
	refuse(r.Mode != Overload && r.Queue > 0, "Queue", "is set, but the mode is %v", r.Mode)
	// Written so that NaN is refused.
	refuse(r.Share != 0 && !(r.Share > 0 && r.Share <= 1), "Share", "is %v, must be above 0%% and at most 100%%", r.Share)
	refuse(r.First < 0, "First", "is %d, must not be negative", r.First)
	return errors.Join(problems...)
}

func (r Rule) err() error {
	if r.Err == nil {
		return ErrFailed
	}
	return r.Err
}

func (r Rule) status() int {
	if r.Status == 0 {
		return http.StatusInternalServerError
	}
	return r.Status
}

// errReset is what reading from a connection gives that the other side has reset.
func errReset() error {
	return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
}

// ruled is a rule at work. The lock of its dependency guards it.
type ruled struct {
	Rule
	seen, applied int           // calls that it could be for; calls that it was for
	inside        int           // calls that are served or queued
	places        chan struct{} // one for each that is served
}

// takes says whether the rule is for this call, and counts it.
func (r *ruled) takes(key string) bool {
	if r.Key != "" && r.Key != key || r.First > 0 && r.applied >= r.First {
		return false
	}
	r.seen++
	if r.Share != 0 && r.due(r.seen) == r.due(r.seen-1) {
		return false
	}
	r.applied++
	return true
}

// due is how many of the first n calls the rule is for. The little that is added takes away what binary fractions lack.
func (r *ruled) due(n int) int { return int(float64(r.Share)*float64(n) + 1e-9) }
