package gabiontest

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
)

// Survives calls the code that setup makes while its dependency fails, in every way that the case has: error, latency,
// hang, reset, panic, overload. Each is a subtest, in a bubble of its own, in virtual time. The code survives when
//
//   - each call returns within the deadline, and does not panic;
//   - the error of a call has the dependency's own in its tree, if that call was given one;
//   - the dependency is called at most three times for each call, on average;
//   - no goroutine is left behind, and no response with an open body;
//   - it succeeds again when the dependency does.
//
// [Case] can change all of that. A subtest that fails says what was done, what was expected, what happened instead and
// what helps against it.
//
// Each way goes through these steps: setup; the calls while the dependency fails, up to one that does not survive; as
// much time as a call may take, in which everything that they started must end; then the dependency is well, and after
// the time for recovery there is one more call.
//
// All that the code waits for must be in the bubble: its timers, its channels and dep, but no network and no channel that
// was made before. A panic on a goroutine that the code starts and that it does not recover from ends the process, here
// as in production. Survives cannot be called in a bubble.
func Survives(t *testing.T, c Case, setup Setup) {
	t.Helper()
	c, ok := c.checked(t)
	if !ok {
		return
	}
	for _, rule := range c.Rules {
		t.Run(string(rule.Mode), func(t *testing.T) {
			t.Helper()
			if r := try(t, c, rule, setup); len(r.breaks) > 0 {
				t.Error(r.report())
			}
		})
	}
}

// Examine judges as [Survives] does and returns what broke, in the order of the rules, without failing the test. It is for
// tests that show that code does not survive without its protection: only then is it proven that the protection is what
// saves it.
func Examine(t *testing.T, c Case, setup Setup) []Break {
	t.Helper()
	c, ok := c.checked(t)
	if !ok {
		return nil
	}
	var breaks []Break
	for _, rule := range c.Rules {
		breaks = append(breaks, try(t, c, rule, setup).breaks...)
	}
	return breaks
}

func (c Case) checked(t testing.TB) (complete Case, ok bool) {
	t.Helper()
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		t.Errorf("gabiontest: the case is impossible:\n%v", err)
		return Case{}, false
	}
	return c, true
}

// result is what came out with one rule.
type result struct {
	mode   Mode
	breaks []Break
	calls  int // calls of the code while the dependency failed
	made   int // calls of the dependency meanwhile
	events *Recorder
}

func (r *result) report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "does not survive %v:\n", r.mode)
	for _, broken := range r.breaks {
		fmt.Fprintf(&b, "%v\n", broken)
	}
	fmt.Fprintf(&b, "  calls:    of the code: %d, of the dependency: %d", r.calls, r.made)
	if events, _ := r.events.kept(); len(events) > 0 {
		b.WriteString("\n  events:\n" + r.events.short())
	}
	return b.String()
}

// try is one rule, in a bubble. A goroutine that is left in it for ever makes synctest panic: that is one more break.
func try(t *testing.T, c Case, rule Rule, setup Setup) (r *result) {
	t.Helper()
	tr := &trial{Case: c, rule: rule, result: result{mode: rule.Mode}}
	r = &tr.result
	defer func() {
		stuck := recover()
		if stuck == nil {
			return
		}
		if !strings.HasPrefix(fmt.Sprint(stuck), "deadlock:") {
			panic(stuck)
		}
		if len(tr.breaks) == 0 {
			tr.broke(leaked, "the end of the test", "all that was started in it has ended",
				"goroutines of Setup, or with labels of their own for the profiler, are still there")
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		defer tr.end()
		tr.run(t, setup)
	})
	return r
}
