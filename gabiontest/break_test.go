package gabiontest_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/gabiontest"
)

// only asks for one mode.
func only(m gabiontest.Mode) gabiontest.Case {
	return gabiontest.Case{Rules: []gabiontest.Rule{{Mode: m}}}
}

func TestWhatElseBreaks(t *testing.T) {
	lenient := only(gabiontest.Panic)
	lenient.PanicsPass = true
	succeed := only(gabiontest.Reset)
	succeed.MustSucceed = true
	strict := only(gabiontest.Error)
	strict.Amplification, strict.Calls, strict.Deadline = 1, 4, time.Second
	tests := []struct {
		name  string
		c     gabiontest.Case
		setup gabiontest.Setup
		texts []string
	}{
		{"goexit", only(gabiontest.Error), code(func(context.Context, *gabiontest.Dependency) error {
			runtime.Goexit()
			return nil
		}).setup, []string{"runtime.Goexit", "no policy"}},
		{"a panic of its own", lenient, code(func(context.Context, *gabiontest.Dependency) error {
			panic("the code itself")
		}).setup, []string{"call 1 of 10", "panicked in", "the code itself"}},
		{"a goroutine", only(gabiontest.Hang), code(leaves).setup, []string{
			"10 calls while the dependency does not answer until the context ends, and 15s more",
			"all goroutines that the calls started have ended", "10 goroutines at", "leaves.func1", "context of the call",
		}},
		{"a goroutine of Setup", only(gabiontest.Error), func(_ *testing.T, dep *gabiontest.Dependency, _ *gabiontest.Recorder) func(context.Context) error {
			go func() { select {} }()
			return dep.Call
		}, []string{"goroutines of Setup"}},
		{"an open body", only(gabiontest.Error), code(func(ctx context.Context, dep *gabiontest.Dependency) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://catalog/", nil)
			if err != nil {
				return err
			}
			resp, err := dep.RoundTrip(req)
			if err == nil && resp.StatusCode == http.StatusOK {
				err = resp.Body.Close()
			}
			return err
		}).setup, []string{"the bodies of all responses are closed", "10 are open", "gabion.Config.Discard"}},
		{"a state that stays", only(gabiontest.Reset), func(_ *testing.T, dep *gabiontest.Dependency, _ *gabiontest.Recorder) func(context.Context) error {
			var down error
			return func(ctx context.Context) error {
				if down == nil {
					down = dep.Call(ctx)
				}
				return down
			}
		}, []string{"a call 1m0s after the dependency was well again", "it succeeds", "it failed: read tcp", "package breaker"}},
		{"a round trip whose error is lost", only(gabiontest.Reset), code(func(ctx context.Context, dep *gabiontest.Dependency) error {
			if ask(ctx, &http.Client{Transport: dep}) != nil {
				return errors.New("there are no hats")
			}
			return nil
		}).setup, []string{`errors.Is finds the dependency's "connection reset by peer"`, `it does not, in "there are no hats"`}},
		{"no success", succeed, careful(plain).setup, []string{"it succeeds all the same", "connection reset", "package fallback"}},
		{"amplification", strict, code(func(ctx context.Context, dep *gabiontest.Dependency) error {
			return errors.Join(dep.Call(ctx), dep.Call(ctx))
		}).setup, []string{"4 calls while the dependency fails", "at most 1 times", "it was called 8 times: 2 times for each call"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			breaks := gabiontest.Examine(t, test.c, test.setup)
			if len(breaks) != 1 {
				t.Fatalf("%d breaks, want 1:\n%v", len(breaks), breaks)
			}
			has(t, breaks[0].String(), test.texts...)
		})
	}
}

// leaves gives up, and leaves behind what does not.
func leaves(ctx context.Context, dep *gabiontest.Dependency) error {
	go func() { dep.Call(context.WithoutCancel(ctx)) }()
	return nil
}

// What never stops calling is stopped, or nothing would ever be reported: here time stands still while it runs.
func TestWhatDoesNotStopIsStopped(t *testing.T) {
	breaks := gabiontest.Examine(t, only(gabiontest.Error), code(func(_ context.Context, dep *gabiontest.Dependency) error {
		for {
			if err := dep.Call(context.Background()); err == nil {
				return nil
			}
		}
	}).setup)
	if len(breaks) != 2 {
		t.Fatalf("got %v", breaks)
	}
	has(t, breaks[0].Happened, "it had not returned after 15s", "TestWhatDoesNotStopIsStopped")
	has(t, breaks[1].Happened, "it was called 1301 times", "stopped there")
}

func TestAmplificationCanBeOff(t *testing.T) {
	c := only(gabiontest.Reset)
	c.Amplification = gabion.Off
	gabiontest.Survives(t, c, careful(reconnectsAtOnce).setup)
}

// What waits for the end of its call's context is no leak.
func TestTheContextEndsWithTheCall(t *testing.T) {
	gabiontest.Survives(t, only(gabiontest.Error), code(func(ctx context.Context, dep *gabiontest.Dependency) error {
		go func() { <-ctx.Done() }()
		return dep.Call(ctx)
	}).setup)
}

// A dependency is well while the code is set up: a client may need that, to greet it, for example.
func TestSetUpWhileTheDependencyIsWell(t *testing.T) {
	gabiontest.Survives(t, only(gabiontest.Hang), func(t *testing.T, dep *gabiontest.Dependency, _ *gabiontest.Recorder) func(context.Context) error {
		for range 2000 { // which do not count
			if err := dep.Call(t.Context()); err != nil {
				t.Error(err)
			}
		}
		return func(ctx context.Context) error { return careful(plain)(ctx, dep) }
	})
}

func TestTheDeadlineItselfIsInTime(t *testing.T) {
	c := gabiontest.Case{Rules: []gabiontest.Rule{{Mode: gabiontest.Latency, Delay: time.Second}}, Deadline: time.Second}
	gabiontest.Survives(t, c, code(plain).setup)
	c.Rules[0].Delay++
	if n := len(gabiontest.Examine(t, c, code(plain).setup)); n != 1 {
		t.Errorf("a nanosecond more: %d breaks", n)
	}
}

// Recovery says for how long the code may stay away: here a breaker does, for 30 s.
func TestRecoveryTakesAsLongAsItMay(t *testing.T) {
	setup := func(t *testing.T, dep *gabiontest.Dependency, events *gabiontest.Recorder) func(context.Context) error {
		b, err := breaker.New(breaker.Config{Consecutive: 2, OpenFor: 100 * time.Second, Observer: events})
		if err != nil {
			t.Fatal(err)
		}
		pipe, err := gabion.New(gabion.Config{Policies: []gabion.Policy{b}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { events.Expect(gabion.Event{Kind: gabion.EventState, From: "closed", To: "open"}) })
		return func(ctx context.Context) error { return pipe.Run(ctx, dep.Call) }
	}
	for recovery, breaks := range map[time.Duration]int{time.Minute: 1, 3 * time.Minute: 0, gabion.Off: 0} {
		c := only(gabiontest.Error)
		c.Recovery = recovery
		if got := gabiontest.Examine(t, c, setup); len(got) != breaks {
			t.Errorf("Recovery %v: got %v", recovery, got)
		}
	}
}
