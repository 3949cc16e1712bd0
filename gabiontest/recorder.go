package gabiontest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gabion-io/gabion"
)

// Recorder is a gabion.Observer that keeps events, for a test to look at. The zero Recorder is ready for use, by any
// number of goroutines.
type Recorder struct {
	// Max is how many events are kept; the oldest are dropped first, and an assertion that cannot be sure without them
	// fails. Default: 10000.
	Max int

	mu      sync.Mutex
	events  []gabion.Event // a ring when it is full
	oldest  int
	dropped int
	start   gabion.Instant // what times are shown relative to; default: the first event
	started bool
}

// NewRecorder makes a recorder that shows times relative to now.
func NewRecorder() *Recorder { return &Recorder{start: gabion.Now(), started: true} }

// Observe implements gabion.Observer.
func (r *Recorder) Observe(e gabion.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.started {
		r.start, r.started = e.At, true
	}
	bound := r.Max
	if bound <= 0 {
		bound = 10_000
	}
	if len(r.events) < bound {
		r.events = append(r.events, e)
		return
	}
	r.events[r.oldest] = e
	r.oldest = (r.oldest + 1) % len(r.events)
	r.dropped++
}

// Events returns what is kept, oldest first.
func (r *Recorder) Events() []gabion.Event {
	events, _ := r.kept()
	return events
}

func (r *Recorder) kept() (events []gabion.Event, dropped int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	events = make([]gabion.Event, 0, len(r.events))
	events = append(events, r.events[r.oldest:]...)
	return append(events, r.events[:r.oldest]...), r.dropped
}

// Count is how many events there are of those kept that match p.
func (r *Recorder) Count(p Pattern) int {
	n := 0
	for _, e := range r.Events() {
		if p.matches(e) {
			n++
		}
	}
	return n
}

// Has fails the test unless an event matches p. It returns the first that does.
func (r *Recorder) Has(t TB, p Pattern) gabion.Event {
	t.Helper()
	for _, e := range r.Events() {
		if p.matches(e) {
			return e
		}
	}
	t.Errorf("no event matches %v in\n%v", p, r)
	return gabion.Event{}
}

// None fails the test if an event matches p, or if events were dropped that might.
func (r *Recorder) None(t TB, p Pattern) {
	t.Helper()
	events, dropped := r.kept()
	for i, e := range events {
		if p.matches(e) {
			t.Errorf("event %d matches %v in\n%v", dropped+i+1, p, r)
			return
		}
	}
	if dropped > 0 {
		t.Errorf("cannot tell whether an event matches %v: %d were dropped; raise Recorder.Max", p, dropped)
	}
}

// Sequence fails the test unless there are events that match the patterns, in this order. There may be others between.
func (r *Recorder) Sequence(t TB, patterns ...Pattern) {
	t.Helper()
	next := 0
	for _, e := range r.Events() {
		if next < len(patterns) && patterns[next].matches(e) {
			next++
		}
	}
	if next == len(patterns) {
		return
	}
	var b strings.Builder
	for i, p := range patterns {
		found := "found"
		switch {
		case i == next:
			found = "NOT FOUND after those"
		case i > next:
			found = "not looked for"
		}
		fmt.Fprintf(&b, "  %d. %v: %s\n", i+1, p, found)
	}
	t.Errorf("the sequence of events breaks at %d of %d:\n%sin\n%v", next+1, len(patterns), &b, r)
}

// String is a line for each event, in order, with its time since the recorder was made (a zero Recorder: since its first
// event).
func (r *Recorder) String() string {
	events, dropped := r.kept()
	if len(events) == 0 {
		return "  (no events)"
	}
	r.mu.Lock()
	start := r.start
	r.mu.Unlock()
	var b strings.Builder
	if dropped > 0 {
		fmt.Fprintf(&b, "  (%d earlier events were dropped)\n", dropped)
	}
	for _, e := range events {
		fmt.Fprintf(&b, "  %11s  %s\n", signed(e.At-start), describe(e))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func signed(d time.Duration) string {
	if d < 0 {
		return d.String()
	}
	return "+" + d.String()
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
