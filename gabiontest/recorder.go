package gabiontest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gabion-io/gabion"
)

// maxEvents bounds what a recorder keeps.
const maxEvents = 10_000

// Recorder is a gabion.Observer that keeps the first 10000 events, for a test to look at. It is safe for concurrent use.
// Make it with [NewRecorder].
type Recorder struct {
	t     testing.TB
	start gabion.Instant // what times are shown relative to

	mu     sync.Mutex
	events []gabion.Event
	lost   int
}

// NewRecorder makes a recorder that shows times relative to now. Questions that it cannot answer, because events came
// after the last that it keeps, fail the test.
func NewRecorder(t testing.TB) *Recorder { return &Recorder{t: t, start: gabion.Now()} }

// Observe implements gabion.Observer.
func (r *Recorder) Observe(e gabion.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) < maxEvents {
		r.events = append(r.events, e)
	} else {
		r.lost++
	}
}

// Events returns all events, oldest first.
func (r *Recorder) Events() []gabion.Event {
	r.t.Helper()
	events, lost := r.kept()
	if lost > 0 {
		r.t.Errorf("gabiontest: %d events came after the first %d and are not known", lost, maxEvents)
	}
	return slices.Clone(events)
}

// kept returns events that nobody changes, as the recorder only adds to them. They are not to be appended to.
func (r *Recorder) kept() (events []gabion.Event, lost int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events, r.lost
}

// Count is how many events there are like this one: they have the same in every field that is set in it except At, and
// its Err in the tree of their error. Outcome is compared when the Kind is gabion.EventCall, where it is always set.
func (r *Recorder) Count(like gabion.Event) int {
	r.t.Helper()
	n := 0
	for _, e := range r.Events() {
		if matches(like, e) {
			n++
		}
	}
	return n
}

// Expect fails the test unless there are events like these (as for [Recorder.Count]), in this order. There may be others
// between.
func (r *Recorder) Expect(like ...gabion.Event) {
	r.t.Helper()
	next := 0
	for _, e := range r.Events() {
		if next < len(like) && matches(like[next], e) {
			next++
		}
	}
	if next == len(like) {
		return
	}
	var b strings.Builder
	for i, e := range like {
		found := "found"
		switch {
		case i == next:
			found = "NOT FOUND after those"
		case i > next:
			found = "not looked for"
		}
		fmt.Fprintf(&b, "  %d. %s: %s\n", i+1, describe(e), found)
	}
	r.t.Errorf("the events break off at %d of %d:\n%sin\n%s", next+1, len(like), &b, r.short())
}

func matches(like, e gabion.Event) bool {
	return same(like.Kind, e.Kind) && same(like.Policy, e.Policy) && same(like.Name, e.Name) && same(like.Key, e.Key) &&
		same(like.From, e.From) && same(like.To, e.To) && same(like.Detail, e.Detail) &&
		same(like.Attempt, e.Attempt) && same(like.Took, e.Took) &&
		same(like.Outcome, e.Outcome) && (like.Kind != gabion.EventCall || like.Outcome == e.Outcome) &&
		(like.Err == nil || errors.Is(e.Err, like.Err))
}

// same says whether a field has the value that is asked for, if one is.
func same[T comparable](like, got T) bool {
	var unset T
	return like == unset || like == got
}

// String is a line for each event, in order, with its time since the recorder was made.
func (r *Recorder) String() string {
	events, lost := r.kept()
	if len(events) == 0 {
		return "  (no events)"
	}
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "  %11s  %s\n", "+"+(e.At-r.start).String(), describe(e))
	}
	if lost > 0 {
		fmt.Fprintf(&b, "  (%d more came)\n", lost)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// shownEvents bounds the events in a report.
const shownEvents = 40

// short is the text without most of the middle, if it is long.
func (r *Recorder) short() string {
	lines := strings.Split(r.String(), "\n")
	if more := len(lines) - shownEvents; more > 0 {
		const half = shownEvents / 2
		lines = slices.Replace(lines, half, len(lines)-half, fmt.Sprintf("  … %d more …", more))
	}
	return strings.Join(lines, "\n")
}

// describe is an event on one line.
func describe(e gabion.Event) string {
	var b strings.Builder
	part := func(show bool, format string, args ...any) {
		if show {
			fmt.Fprintf(&b, format, args...)
		}
	}
	part(true, "%s", e.Policy)
	part(e.Name != "", " %q", e.Name)
	part(e.Key != "", " key %q", e.Key)
	part(true, ": %s", e.Kind)
	part(e.Kind == gabion.EventCall, " %v", e.Outcome)
	part(e.Attempt != 0, " attempt %d", e.Attempt)
	part(e.From != "" || e.To != "", " %s → %s", e.From, e.To)
	part(e.Took != 0, " took %v", e.Took)
	part(e.Detail != "", " (%s)", e.Detail)
	part(e.Err != nil, ": %v", e.Err)
	return b.String()
}
