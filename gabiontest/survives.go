package gabiontest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

// Survives calls f while its dependency fails, in every mode of the case, each in a subtest and a bubble of its own, and
// fails the subtests of those that f does not survive, with a report. f must use dep as what it depends on: as a
// function, or as the Transport of an http.Client. It survives when in every mode
//
//   - each call returns within the deadline, and does not panic;
//   - the error of a call has the dependency's own in its tree, in the modes Error and Reset, if that call was given one;
//   - the dependency is called at most three times for each call, on average;
//   - no goroutine is left behind, and no permit, if InFlight is set;
//   - it succeeds again when the dependency does.
//
// An error is not asked for: it may stand in something else for the answer. [Case] changes all of that.
//
// Each mode goes through these steps: Setup; Calls of f while the dependency fails, up to one that does not return; as
// much time as a call may take, in which everything else must end; then the dependency is well, and after the time for
// Recovery f is called once more.
//
// All that f waits for must be in the bubble: its timers, its channels and dep, but no network and no channel that was
// made before. A panic on a goroutine that f starts and that it does not recover from ends the process, here as in
// production. Survives cannot be called in a bubble.
func Survives(t *testing.T, c Case, f func(ctx context.Context, dep *Dependency) error) {
	t.Helper()
	if err := c.validate(); err != nil {
		t.Fatalf("gabiontest: the case is impossible:\n%v", err)
	}
	c = c.withDefaults()
	for _, m := range c.Modes {
		t.Run(m.String(), func(t *testing.T) {
			t.Helper()
			report(t, try(t, c, m, f))
		})
	}
}

// Examine judges as [Survives] does and returns what came out, in the order of the modes, without failing the test: for
// tests that show that code does not survive without its protection.
func Examine(t *testing.T, c Case, f func(ctx context.Context, dep *Dependency) error) []Result {
	t.Helper()
	if err := c.validate(); err != nil {
		t.Fatalf("gabiontest: the case is impossible:\n%v", err)
	}
	c = c.withDefaults()
	var results []Result
	for _, m := range c.Modes {
		results = append(results, try(t, c, m, f))
	}
	return results
}

func report(t TB, r Result) {
	t.Helper()
	if !r.Survived() {
		t.Errorf("%v", r)
	}
}

// try is one mode, in a bubble. A goroutine that is left in it for ever makes synctest panic: that is one more result.
func try(t *testing.T, c Case, m Mode, f func(context.Context, *Dependency) error) (r Result) {
	t.Helper()
	r.Mode = m
	defer func() {
		left := recover()
		if left == nil {
			return
		}
		if !strings.HasPrefix(fmt.Sprint(left), "deadlock:") {
			panic(left)
		}
		if !r.Broke(BreakLate) && !r.Broke(BreakLeaked) {
			r.broke(BreakLeaked, "goroutines that Setup started, or that hide by labels of their own, are left: end them with t.Cleanup")
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		tr := newTrial(t, c, &r, f)
		defer tr.end()
		tr.run(t)
	})
	return r
}
