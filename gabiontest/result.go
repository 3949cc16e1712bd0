package gabiontest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Break is one way in which code did not survive.
type Break struct {
	Kind BreakKind
	// Detail says more, for people. It may have several lines.
	Detail string
}

// BreakKind says what went wrong.
type BreakKind string

// The ways not to survive.
const (
	// BreakLate: a call had not returned within the deadline.
	BreakLate BreakKind = "late"
	// BreakPanicked: a call panicked, or ended its goroutine.
	BreakPanicked BreakKind = "panicked"
	// BreakLostCause: the error of a call does not have the dependency's error in its tree (errors.Is).
	BreakLostCause BreakKind = "lost cause"
	// BreakAmplified: the dependency was called too often.
	BreakAmplified BreakKind = "amplified"
	// BreakLeaked: goroutines were left running, which did not end within another deadline after the last call.
	BreakLeaked BreakKind = "leaked"
	// BreakHeld: permits were still taken after all calls.
	BreakHeld BreakKind = "permits held"
	// BreakNotRecovered: a call failed although the dependency was well again.
	BreakNotRecovered BreakKind = "not recovered"
	// BreakRefused: Case.Survived said no.
	BreakRefused BreakKind = "not as asked"
)

// Result is what came out in one mode.
type Result struct {
	Mode   Mode
	Breaks []Break
	// Calls is how often the function was called while the dependency failed, DependencyCalls how often that called the
	// dependency.
	Calls, DependencyCalls int
	// Errs is what the calls returned, in the order of the calls: nil for those that succeeded and for those that did not
	// return.
	Errs []error
	// Longest is how long the longest call took that returned.
	Longest time.Duration
	// Events is what the policies did that were made with it.
	Events *Recorder
}

// Survived says that nothing broke.
func (r Result) Survived() bool { return len(r.Breaks) == 0 }

// Broke says whether the code broke in this way.
func (r Result) Broke(kind BreakKind) bool {
	return slices.ContainsFunc(r.Breaks, func(b Break) bool { return b.Kind == kind })
}

func (r *Result) broke(kind BreakKind, format string, args ...any) {
	r.Breaks = append(r.Breaks, Break{kind, fmt.Sprintf(format, args...)})
}

// shownEvents bounds the events in a report; the recorder has all.
const shownEvents = 40

// String is the report.
func (r Result) String() string {
	if r.Survived() {
		return fmt.Sprintf("survives %v", r.Mode)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "does not survive %v:\n", r.Mode)
	for _, broken := range r.Breaks {
		fmt.Fprintf(&b, "  %s: %s\n", broken.Kind, broken.Detail)
	}
	fmt.Fprintf(&b, "  calls: %d, of the dependency: %d", r.Calls, r.DependencyCalls)
	if r.Events == nil || len(r.Events.Events()) == 0 {
		return b.String()
	}
	b.WriteString("\n  events:\n")
	lines := strings.Split(r.Events.String(), "\n")
	b.WriteString(strings.Join(lines[:min(len(lines), shownEvents)], "\n"))
	if more := len(lines) - shownEvents; more > 0 {
		fmt.Fprintf(&b, "\n  … and %d more", more)
	}
	return b.String()
}
