package gabiontest

import (
	"fmt"
	"strings"
)

// Break is one way in which code did not survive. All texts are for people and may have several lines.
type Break struct {
	// Mode is how the dependency failed.
	Mode Mode
	// Done is what was done, Expected what should have come out, Happened what did.
	Done, Expected, Happened string
	// Help says what can be done about it: mostly, which policy of Gabion would have helped.
	Help string
}

// String is the report.
func (b Break) String() string {
	var s strings.Builder
	for _, line := range [][2]string{{"done", b.Done}, {"expected", b.Expected}, {"happened", b.Happened}, {"helps", b.Help}} {
		fmt.Fprintf(&s, "  %-9s %s\n", line[0]+":", strings.ReplaceAll(line[1], "\n", "\n            "))
	}
	return strings.TrimSuffix(s.String(), "\n")
}

// breakKind is what went wrong.
type breakKind string

const (
	late         breakKind = "late"
	panicked     breakKind = "panicked"
	ended        breakKind = "ended its goroutine"
	lostCause    breakKind = "lost the cause"
	failedCall   breakKind = "failed"
	amplified    breakKind = "amplified"
	leaked       breakKind = "leaked"
	leftOpen     breakKind = "left open"
	notRecovered breakKind = "not recovered"
)

// help is what can be done about it.
func help(kind breakKind, m Mode) string {
	switch kind {
	case late:
		return helpLate(m)
	case panicked:
		return "no policy: a panic is a bug, and they give their permits back and let it pass. Recover where the dependency\n" +
			"is called and return an error, or set Case.PanicsPass when whoever calls this code recovers"
	case ended:
		return "no policy: return instead of calling runtime.Goexit, or t.FailNow, which does it"
	case lostCause:
		return "wrap the error with %w. The errors of package retry, timeout, breaker and fallback all keep the cause"
	case failedCall:
		return "package fallback, which lets something else answer; and package retry, when the failure is a short one"
	case amplified:
		return "package retry, which gives up after its Attempts and has a budget, in place of a loop; then package breaker,\n" +
			"which stops calling what keeps failing"
	case leaked:
		return "let what is started end with the context of the call, which ends when the call has returned. Package timeout\n" +
			"bounds a call without another goroutine"
	case leftOpen:
		return "close every response's Body, also when the status is bad; gabion.Config.Discard closes what a retry supersedes"
	case notRecovered:
		return "package breaker, which tries again by itself (OpenFor, OpenMax, Probes), in place of a state that stays; and a\n" +
			"gabion.Pipe, which gives every permit back, whatever becomes of the call"
	}
	return ""
}

func helpLate(m Mode) string {
	switch m {
	case Error, Reset, Panic:
		return "package retry, which gives up after its Attempts, or when the deadline is near; and package timeout, whose Total\n" +
			"bounds all tries together"
	case Overload:
		return "package timeout, which ends the wait, with the context passed on to the dependency; and package bulkhead or shed,\n" +
			"which refuses at once what would only wait"
	}
	return "package timeout, which ends the context of a try (Attempt) and of the call (Total): pass that context on to all\n" +
		"that waits; then package breaker, which does not wait again for what keeps being slow (SlowCall, Hanging)"
}
