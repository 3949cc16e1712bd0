package gabiontest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/fallback"
	"github.com/gabion-io/gabion/gabiontest"
	"github.com/gabion-io/gabion/retry"
	"github.com/gabion-io/gabion/timeout"
)

// code is a call of code that has nothing to set up.
type code func(ctx context.Context, dep *gabiontest.Dependency) error

func (f code) setup(_ *testing.T, dep *gabiontest.Dependency, _ *gabiontest.Recorder) func(context.Context) error {
	return func(ctx context.Context) error { return f(ctx, dep) }
}

// careful is f with a timeout and a recover.
func careful(f code) code {
	return func(ctx context.Context, dep *gabiontest.Dependency) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p)
			}
		}()
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		return f(ctx, dep)
	}
}

func plain(ctx context.Context, dep *gabiontest.Dependency) error { return dep.Call(ctx) }

// has checks that a text has all of these in it.
func has(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in\n%s", part, text)
		}
	}
}

func modesOf(breaks []gabiontest.Break) (all []gabiontest.Mode) {
	for _, b := range breaks {
		all = append(all, b.Mode)
	}
	return all
}

func TestCarefulCodeSurvives(t *testing.T) {
	gabiontest.Survives(t, gabiontest.Case{}, careful(plain).setup)
}

func TestNaiveCodeDoesNot(t *testing.T) {
	got := modesOf(gabiontest.Examine(t, gabiontest.Case{}, code(plain).setup))
	want := []gabiontest.Mode{gabiontest.Latency, gabiontest.Hang, gabiontest.Panic, gabiontest.Overload}
	if !slices.Equal(got, want) {
		t.Errorf("it broke in %v, want %v", got, want)
	}
}

// It is only for TestSurvivesFailsTheTest, which starts this binary again and reads what it says.
func TestThatFails(t *testing.T) {
	if os.Getenv("GABIONTEST_FAIL") != "" {
		gabiontest.Survives(t, gabiontest.Case{}, code(plain).setup)
	}
}

// Each of them is careful code with one slip, which breaks it in one mode and in no other.
func TestEachModeFindsItsSlip(t *testing.T) {
	all := func(special ...gabiontest.Rule) []gabiontest.Rule {
		rules := []gabiontest.Rule{
			{Mode: gabiontest.Error},
			{Mode: gabiontest.Latency},
			{Mode: gabiontest.Hang},
			{Mode: gabiontest.Reset},
			{Mode: gabiontest.Panic},
			{Mode: gabiontest.Overload},
		}
		for _, s := range special {
			rules[slices.IndexFunc(rules, func(r gabiontest.Rule) bool { return r.Mode == s.Mode })] = s
		}
		return rules
	}
	tests := []struct {
		mode  gabiontest.Mode
		slip  code
		rules []gabiontest.Rule
		texts []string
	}{
		{gabiontest.Error, careful(hidesTheCause), all(), []string{
			"call 1 of 10 while the dependency fails", `errors.Is finds the dependency's "the dependency failed" in its error`,
			`it does not, in "there are no hats"`, "wrap the error with %w",
		}},
		{
			gabiontest.Latency, asksForEachOf3,
			all(gabiontest.Rule{Mode: gabiontest.Latency, Delay: 6 * time.Second}, gabiontest.Rule{Mode: gabiontest.Overload, Delay: time.Second}),
			[]string{
				"call 1 of 10 while the dependency answers after 6s", "it returns within 15s", "it had not returned after 15s",
				"asksForEachOf3", "survives_test.go:", "package timeout", "Total",
			},
		},
		{
			gabiontest.Hang, recovers(plain),
			all(gabiontest.Rule{Mode: gabiontest.Latency, Delay: 10 * time.Second}, gabiontest.Rule{Mode: gabiontest.Overload, Delay: time.Second}),
			[]string{
				"call 1 of 10 while the dependency does not answer until the context ends", "it had not returned after 15s", "package timeout",
			},
		},
		{gabiontest.Reset, careful(reconnectsAtOnce), all(), []string{
			"10 calls while the dependency resets the connection", "called at most 3 times for each call",
			"it was called 200 times: 20 times for each call", "package retry", "budget",
		}},
		{gabiontest.Panic, timesOut(plain), all(), []string{
			"call 1 of 10 while the dependency panics", "it panicked in github.com/gabion-io/gabion/gabiontest_test.plain",
			"Recover where the dependency\nis called", "Case.PanicsPass",
		}},
		{gabiontest.Overload, careful(insists), all(), []string{
			"serves 1 at a time, each for 5s, lets 5 wait and refuses the rest", "called at most 3 times", "package retry",
		}},
	}
	for _, test := range tests {
		t.Run(string(test.mode), func(t *testing.T) {
			breaks := gabiontest.Examine(t, gabiontest.Case{Rules: test.rules}, test.slip.setup)
			if len(breaks) != 1 || breaks[0].Mode != test.mode {
				t.Fatalf("it broke in %v, want %v:\n%v", modesOf(breaks), test.mode, breaks)
			}
			b := breaks[0]
			has(t, strings.Join([]string{b.Done, b.Expected, b.Happened, b.Help}, "\n"), test.texts...)
		})
	}
}

func recovers(f code) code {
	return func(ctx context.Context, dep *gabiontest.Dependency) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p)
			}
		}()
		return f(ctx, dep)
	}
}

func timesOut(f code) code {
	return func(ctx context.Context, dep *gabiontest.Dependency) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		return f(ctx, dep)
	}
}

func hidesTheCause(ctx context.Context, dep *gabiontest.Dependency) error {
	err := dep.Call(ctx)
	if errors.Is(err, gabiontest.ErrFailed) {
		return errors.New("there are no hats")
	}
	return err
}

// asksForEachOf3 bounds each of its calls, but not all of them together.
func asksForEachOf3(ctx context.Context, dep *gabiontest.Dependency) error {
	for range 3 {
		if err := careful(plain)(ctx, dep); err != nil {
			return err
		}
	}
	return nil
}

func reconnectsAtOnce(ctx context.Context, dep *gabiontest.Dependency) (err error) {
	for range 20 {
		if err = dep.Call(ctx); !errors.Is(err, syscall.ECONNRESET) {
			return err
		}
	}
	return err
}

// insists calls again at once when it is refused.
func insists(ctx context.Context, dep *gabiontest.Dependency) (err error) {
	for range 20 {
		if err = dep.Call(ctx); err == nil || !strings.Contains(err.Error(), "overloaded") {
			return err
		}
	}
	return err
}

// protected puts a function behind the policies of Gabion.
func protected(t *testing.T, events *gabiontest.Recorder, more ...gabion.Policy) *gabion.Pipe {
	t.Helper()
	var policies []gabion.Policy
	add := func(p gabion.Policy, err error) {
		if err != nil {
			t.Fatal(err)
		}
		policies = append(policies, p)
	}
	add(timeout.New(timeout.Config{Observer: events}))
	add(retry.New(retry.Config{Observer: events}))
	add(breaker.New(breaker.Config{Consecutive: 5, Observer: events}))
	add(bulkhead.New(bulkhead.Config{Concurrency: 4, Observer: events}))
	pipe, err := gabion.New(gabion.Config{Policies: append(policies, more...), Observer: events})
	if err != nil {
		t.Fatal(err)
	}
	return pipe
}

// With a pipe, the naive function survives all that it does not survive alone.
func TestAPipeSurvives(t *testing.T) {
	gabiontest.Survives(t, gabiontest.Case{PanicsPass: true}, func(t *testing.T, dep *gabiontest.Dependency, events *gabiontest.Recorder) func(context.Context) error {
		pipe := protected(t, events)
		return func(ctx context.Context) error { return pipe.Run(ctx, dep.Call) }
	})
}

func TestAPipeWithAFallbackAlwaysAnswers(t *testing.T) {
	setup := func(t *testing.T, dep *gabiontest.Dependency, events *gabiontest.Recorder) func(context.Context) error {
		instead, err := fallback.New(fallback.Config{Observer: events}, fallback.Value("best sellers", "a hat"))
		if err != nil {
			t.Fatal(err)
		}
		pipe := protected(t, events, instead)
		return func(ctx context.Context) error {
			_, err := gabion.Do(ctx, pipe, func(ctx context.Context) (v string, err error) {
				return "shoes", recovers(plain)(ctx, dep)
			})
			return err
		}
	}
	gabiontest.Survives(t, gabiontest.Case{MustSucceed: true}, setup)
}

// The negative twin: the same pipe without the fallback.
func TestAPipeWithoutAFallbackDoesNotAlwaysAnswer(t *testing.T) {
	breaks := gabiontest.Examine(t, gabiontest.Case{MustSucceed: true}, func(t *testing.T, dep *gabiontest.Dependency, events *gabiontest.Recorder) func(context.Context) error {
		pipe := protected(t, events)
		return func(ctx context.Context) error {
			return pipe.Run(ctx, func(ctx context.Context) error { return recovers(plain)(ctx, dep) })
		}
	})
	if len(breaks) != 6 {
		t.Fatalf("it broke in %v, want all modes", modesOf(breaks))
	}
	has(t, breaks[0].String(), "done:     call 1 of 10", "expected: it succeeds all the same", "happened: it failed: retry: ", "helps:    package fallback")
}

func ask(ctx context.Context, client *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://catalog/hat", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func TestHTTP(t *testing.T) {
	naive := code(func(ctx context.Context, dep *gabiontest.Dependency) error {
		return ask(ctx, &http.Client{Transport: dep})
	})
	want := []gabiontest.Mode{gabiontest.Latency, gabiontest.Hang, gabiontest.Panic, gabiontest.Overload}
	if got := modesOf(gabiontest.Examine(t, gabiontest.Case{}, naive.setup)); !slices.Equal(got, want) {
		t.Errorf("it broke in %v, want %v", got, want)
	}
	gabiontest.Survives(t, gabiontest.Case{PanicsPass: true}, func(t *testing.T, dep *gabiontest.Dependency, events *gabiontest.Recorder) func(context.Context) error {
		client, pipe := &http.Client{Transport: dep}, protected(t, events)
		return func(ctx context.Context) error {
			return pipe.Run(ctx, func(ctx context.Context) error { return ask(ctx, client) })
		}
	})
}
