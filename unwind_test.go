package gabion_test

import (
	"context"
	"runtime"
	"strings"
	"testing"

	"github.com/gabion-io/gabion"
)

// leave runs f, which does not return, on a goroutine of its own, and says what it panicked with.
func leave(t *testing.T, f func()) (panicked any) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		f()
		t.Error("returned")
	}()
	<-done
	return panicked
}

// exits are the ways not to return.
var exits = map[string]func(){"panic": func() { panic("at the disco") }, "Goexit": runtime.Goexit}

func TestFunctionThatDoesNotReturnGivesEveryPermitBack(t *testing.T) {
	for name, exit := range exits {
		t.Run(name, func(t *testing.T) {
			var told []gabion.Event
			outer := &watcher{name: "outer", position: 1, journal: new(journal)}
			inner := &watcher{name: "inner", position: 3, journal: new(journal)}
			again := &director{position: 2, plan: gabion.Plan{Timeout: 1 << 40}, after: func(a gabion.Attempt) gabion.Verdict {
				return gabion.Verdict{Again: true}
			}}
			pipe := newPipe(t, gabion.Config{Observer: gabion.ObserverFunc(func(e gabion.Event) { told = append(told, e) })}, outer, again, inner)
			calls := 0
			panicked := leave(t, func() {
				pipe.Run(t.Context(), func(context.Context) error {
					if calls++; calls == 2 {
						exit()
					}
					return errDown
				})
			})
			if name == "panic" && panicked != "at the disco" {
				t.Errorf("the panic became %v", panicked)
			}
			if outer.held.Load() != 0 || inner.held.Load() != 0 || calls != 2 {
				t.Errorf("still held: %d outside, %d inside", outer.held.Load(), inner.held.Load())
			}
			for _, r := range []gabion.Result{outer.results[0], inner.results[1]} {
				if r.Outcome != gabion.Failure || r.Err == nil || r.Ended == 0 || r.Began == 0 {
					t.Errorf("told %+v, want a failure", r)
				}
			}
			if len(told) != 1 || told[0].Kind != gabion.EventCall || told[0].Outcome != gabion.Failure || told[0].Err == nil {
				t.Errorf("the observer is told %+v, want a failed call", told)
			}
		})
	}
}

func TestPoliciesThatPanicGiveThePermitsBack(t *testing.T) {
	outer := &watcher{name: "outer", position: 1, journal: new(journal)}
	tests := map[string]gabion.Policy{
		"guard":  &watcher{name: "inner", position: 2, journal: new(journal), panics: true},
		"driver": &director{position: 2, after: func(gabion.Attempt) gabion.Verdict { panic("in After") }},
		"replaces": &director{position: 2, after: func(gabion.Attempt) gabion.Verdict {
			return gabion.Verdict{Replace: func(context.Context, error) (any, error) { panic("in Replace") }}
		}},
	}
	for name, policy := range tests {
		pipe := newPipe(t, gabion.Config{}, outer, policy)
		if panicked, ok := leave(t, func() { pipe.Run(t.Context(), fail) }).(string); !ok || !strings.HasPrefix(panicked, "in ") {
			t.Errorf("%s: the panic became %v", name, panicked)
		}
		if outer.held.Load() != 0 {
			t.Errorf("%s: the permit further out is still held", name)
		}
	}
	pipe := newPipe(t, gabion.Config{}, outer, tests["guard"])
	leave(t, func() { pipe.Acquire(t.Context()) })
	if outer.held.Load() != 0 {
		t.Error("Acquire: the permit further out is still held")
	}
}
