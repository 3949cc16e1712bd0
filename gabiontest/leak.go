package gabiontest

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Goroutines inherit the profiler's labels of those that start them. So a label finds all that a test has started,
// directly or not, and nothing that other tests have, which may run at the same time.
const leakLabel = "gabiontest"

var labels atomic.Uint64

// label makes a label that nobody else has, and a context that carries it.
func label(ctx context.Context) (marked context.Context, mark string) {
	mark = strconv.FormatUint(labels.Add(1), 10)
	return pprof.WithLabels(ctx, pprof.Labels(leakLabel, mark)), mark
}

// patience is how long [NoLeak] waits for goroutines that are about to end.
const patience = 5 * time.Second

// NoLeak fails the test when goroutines that it starts from now on, directly or not, still run when it has ended and all
// other cleanups are done. It gives them 5 s to end. Those are no leak whose stack has a function whose name contains
// one of the ignored texts.
//
// Call it first, on the goroutine of the test: then its check comes last. Tests may run in parallel. Goroutines are known
// by a label of the profiler, which they inherit; labels that the test's goroutine had before are lost, and code that
// sets labels from a context of its own hides what it starts. In a bubble of testing/synctest, which panics when
// goroutines are left, this says where they are.
func NoLeak(t testing.TB, ignored ...string) {
	t.Helper()
	ctx, mark := label(context.Background())
	pprof.SetGoroutineLabels(ctx)
	t.Cleanup(func() {
		t.Helper()
		pprof.SetGoroutineLabels(context.Background())
		ignored = append(slices.Clone(ignored), "os/signal.") // a process has one for good
		var left []stack
		wait := time.Millisecond
		for end := time.Now().Add(patience); ; wait *= 2 {
			left = running(mark, ignored)
			if len(left) == 0 || !time.Now().Before(end) {
				break
			}
			time.Sleep(min(wait, time.Until(end)))
		}
		if len(left) > 0 {
			t.Errorf("goroutines are left:\n%s", show(left, "  "))
		}
	})
}

// stack is where goroutines are that are all at the same place.
type stack struct {
	goroutines int
	frames     []frame // innermost first
}

type frame struct{ function, place string }

// running finds the goroutines with the label.
func running(mark string, ignored []string) []stack {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return []stack{{1, []frame{{"unknown, as there is no profile: " + err.Error(), ""}}}}
	}
	var found []stack
	for record := range strings.SplitSeq(profile.String(), "\n\n") {
		if s, marked := parseRecord(record, mark); marked && !s.has(ignored) {
			found = append(found, s)
		}
	}
	return found
}

var (
	recordStart = regexp.MustCompile(`(?m)^(\d+) @`)
	recordFrame = regexp.MustCompile(`(?m)^#\t0x[0-9a-f]+\t(\S.*?)\+0x[0-9a-f]+\t+(\S.*)$`)
)

// parseRecord reads one record of the text form of a goroutine profile, which is meant for people, and so without a
// promise: what cannot be read is shown as it is.
func parseRecord(record, mark string) (s stack, marked bool) {
	if !strings.Contains(record, fmt.Sprintf("%q:%q", leakLabel, mark)) {
		return stack{}, false
	}
	s.goroutines = 1
	if m := recordStart.FindStringSubmatch(record); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			s.goroutines = n
		}
	}
	for _, m := range recordFrame.FindAllStringSubmatch(record, -1) {
		s.frames = append(s.frames, frame{m[1], m[2]})
	}
	if len(s.frames) == 0 {
		s.frames = []frame{{strings.TrimSpace(record), ""}}
	}
	return s, true
}

func (s stack) has(functions []string) bool {
	for _, f := range s.frames {
		for _, part := range functions {
			if strings.Contains(f.function, part) {
				return true
			}
		}
	}
	return false
}

// maxFrames bounds what is shown of a stack.
const maxFrames = 10

// show lists stacks, a function and its place on two lines.
func show(stacks []stack, indent string) string {
	var b strings.Builder
	for _, s := range stacks {
		if s.goroutines > 1 {
			fmt.Fprintf(&b, "%s%d goroutines at\n", indent, s.goroutines)
		} else {
			fmt.Fprintf(&b, "%sa goroutine at\n", indent)
		}
		for _, f := range s.frames[:min(len(s.frames), maxFrames)] {
			fmt.Fprintf(&b, "%s    %s\n%s        %s\n", indent, f.function, indent, f.place)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}
