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

// Mode is a way to fail. The empty Mode does not fail.
type Mode string

// The modes.
const (
	// Error: the call fails with Err, which an HTTP server answers with Status.
	Error Mode = "error"
	// Latency: it succeeds, after Delay.
	Latency Mode = "latency"
	// Hang: it is held until its context ends, and fails with the context's error.
	Hang Mode = "hang"
	// Reset: it fails with an error that satisfies errors.Is(err, syscall.ECONNRESET). A server closes the connection
	// so that its client sees just that.
	Reset Mode = "reset"
	// Panic: it panics.
	Panic Mode = "panic"
	// Overload: Capacity calls are served at once, each for Delay; Queue others wait for their turn, in order; the rest
	// fail with [ErrFailed], over HTTP with the status 503. Whoever gives up gives its place back.
	Overload Mode = "overload"
)

var modes = []Mode{Error, Latency, Hang, Reset, Panic, Overload}

// stopped is the mode of calls that are held whatever their context says: see [Dependency].
const stopped Mode = "stopped"

// ErrFailed is in the tree of the errors that a [Dependency] makes of its own: in the modes Error, without an Err, and
// Overload.
var ErrFailed = errors.New("the dependency failed")

var (
	errOverloaded = fmt.Errorf("%w: it is overloaded", ErrFailed)
	errClosed     = fmt.Errorf("%w: the test is over", ErrFailed)
)

// panicValue is what a dependency panics with.
const panicValue = "gabiontest: the dependency panics"

// Rule is what a [Dependency] does with some of its calls. The zero value lets every call succeed.
type Rule struct {
	// Mode is how they fail. Default: they succeed.
	Mode Mode
	// Delay is how long that takes: before the success, the error, the hanging and so on, and the time of service of
	// Overload. The wait ends when the call's context does. Default: no time. Latency and Overload need it.
	Delay time.Duration

	// Err is the error of [Error]. Default: [ErrFailed].
	Err error
	// Status answers HTTP requests in the mode [Error]. Default: 500. A round trip with an Err fails with that instead.
	Status int

	// Capacity is how many calls are served at once in the mode [Overload]. Default: 1.
	Capacity int
	// Queue is how many more wait. Default: none.
	Queue int

	// Path: only HTTP requests for this path. Default: all calls.
	Path string
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
	refuse(r.Mode != "" && !slices.Contains(modes, r.Mode), "Mode", "is %q, must be one of %q", string(r.Mode), modes)
	refuse(r.Delay < 0, "Delay", "is %v, must not be negative", r.Delay)
	refuse(r.Delay == 0 && (r.Mode == Latency || r.Mode == Overload), "Delay", "is 0, must be positive in the mode %v", r.Mode)
	refuse(r.Err != nil && r.Mode != Error, "Err", "is set, but the mode is %q", r.Mode)
	refuse(r.Status != 0 && r.Mode != Error, "Status", "is set, but the mode is %q", r.Mode)
	refuse(r.Status != 0 && (r.Status < 400 || r.Status > 599), "Status", "is %d, must be from 400 to 599", r.Status)
	refuse(r.Capacity < 0, "Capacity", "is %d, must be positive (0 means 1)", r.Capacity)
	refuse(r.Queue < 0, "Queue", "is %d, must not be negative", r.Queue)
	refuse(r.Mode != Overload && r.Capacity > 0, "Capacity", "is set, but the mode is %q", r.Mode)
	refuse(r.Mode != Overload && r.Queue > 0, "Queue", "is set, but the mode is %q", r.Mode)
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

// does says it for people.
func (r Rule) does() string {
	after := ""
	if r.Delay > 0 {
		after = fmt.Sprintf(" after %v", r.Delay)
	}
	switch r.Mode {
	case Error:
		return "fails" + after
	case Hang:
		return "does not answer until the context ends"
	case Reset:
		return "resets the connection" + after
	case Panic:
		return "panics" + after
	case Overload:
		return fmt.Sprintf("serves %d at a time, each for %v, lets %d wait and refuses the rest", max(r.Capacity, 1), r.Delay, r.Queue)
	}
	return "answers" + after
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
func (r *ruled) takes(path string) bool {
	if r.Path != "" && r.Path != path || r.First > 0 && r.applied >= r.First {
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
