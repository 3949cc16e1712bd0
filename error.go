package gabion

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrRejected is in the tree of every error by which a policy refused to make a call. The dependency was not
// called, or not called again.
var ErrRejected = errors.New("call refused locally")

// Rejection makes a policy's own sentinel for a refusal: its text is text, and it satisfies
// errors.Is(err, [ErrRejected]).
func Rejection(text string) error { return &rejection{text} }

type rejection struct{ text string }

func (r *rejection) Error() string        { return r.text }
func (r *rejection) Is(target error) bool { return target == ErrRejected }

// Error is the error of every policy. errors.Is finds its Reason (a sentinel such as breaker.ErrOpen) and its
// Cause (the last real error), and [ErrRejected] when the Reason is a refusal.
type Error struct {
	// Policy is the kind of policy, such as "breaker"; Name what it protects; Key whose call it was, for
	// policies that keep a state for each key.
	Policy, Name, Key string
	// Reason is the policy's sentinel.
	Reason error
	// Cause is the last real error that came from what was called, nil when there was none.
	Cause error
	// Hint says what a person can do about it. May be empty.
	Hint string
	// Until is when a new try has a chance, zero when that cannot be known.
	Until Instant
}

// Error returns, for example, `breaker "catalog": open; retry after 4.2s; last error: connection refused`.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Policy)
	if e.Name != "" {
		fmt.Fprintf(&b, " %q", e.Name)
	}
	if e.Key != "" {
		fmt.Fprintf(&b, " key %q", e.Key)
	}
	fmt.Fprintf(&b, ": %v", e.Reason)
	if d := e.RetryAfter(); d > 0 {
		fmt.Fprintf(&b, "; retry after %v", d.Round(time.Millisecond))
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, "; last error: %v", e.Cause)
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	return b.String()
}

// Unwrap returns the reason and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Reason}
	}
	return []error{e.Reason, e.Cause}
}

// Is finds the reason without the allocation that Unwrap needs.
func (e *Error) Is(target error) bool {
	if r, ok := e.Reason.(*rejection); ok {
		return error(r) == target || r.Is(target)
	}
	return errors.Is(e.Reason, target)
}

// Word is the text of the sentinel at the bottom of the reason, such as "open": one of a few, so it can be the label of a metric.
func (e *Error) Word() string {
	reason := e.Reason
	for reason != nil {
		next := errors.Unwrap(reason)
		if inner, ok := reason.(*Error); ok { //nolint:errorlint // this very one, and then its reason alone
			next = inner.Reason
		}
		if next == nil {
			return reason.Error()
		}
		reason = next
	}
	return ""
}

// RetryAfter is how long to wait from now before a new try has a chance, 0 when that cannot be known or
// when it already has.
func (e *Error) RetryAfter() time.Duration {
	if e.Until == 0 {
		return 0
	}
	return max(0, e.Until-Now())
}

// FieldError says that one field of a policy's Config is impossible. A Config's Validate returns all of them,
// joined with errors.Join.
type FieldError struct {
	// Field is the field's key in the configuration file, such as "failure_rate".
	Field string
	// Problem says what is wrong, with the value and the bound: "is 140%, must be at most 100%".
	Problem string
}

// Error returns the field and the problem.
func (e *FieldError) Error() string { return e.Field + " " + e.Problem }
