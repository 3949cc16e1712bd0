package gabiontest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/gabiontest"
)

// fakeTB is a test that fails without failing the test.
type fakeTB struct {
	testing.TB
	failures []string
	cleanups []func()
}

func (f *fakeTB) Helper() {}
func (f *fakeTB) Errorf(format string, args ...any) {
	f.failures = append(f.failures, fmt.Sprintf(format, args...))
}
func (f *fakeTB) Cleanup(g func()) { f.cleanups = append(f.cleanups, g) }

// end is the end of the fake test.
func (f *fakeTB) end() {
	for _, g := range slices.Backward(f.cleanups) {
		g()
	}
}

// failed checks that there was one failure, with all of these texts in it.
func (f *fakeTB) failed(t *testing.T, texts ...string) {
	t.Helper()
	if len(f.failures) != 1 {
		t.Fatalf("got %d failures, want 1: %q", len(f.failures), f.failures)
	}
	for _, text := range texts {
		if !strings.Contains(f.failures[0], text) {
			t.Errorf("the failure does not say %q:\n%s", text, f.failures[0])
		}
	}
}

var errOwn = errors.New("own error")

func TestModesOfACall(t *testing.T) {
	tests := []struct {
		rule gabiontest.Rule
		err  error
		took time.Duration
	}{
		{gabiontest.Rule{}, nil, 0},
		{gabiontest.Rule{Delay: time.Second}, nil, time.Second},
		{gabiontest.Rule{Mode: gabiontest.Error}, gabiontest.ErrFailed, 0},
		{gabiontest.Rule{Mode: gabiontest.Error, Err: errOwn, Delay: time.Second}, errOwn, time.Second},
		{gabiontest.Rule{Mode: gabiontest.Latency, Delay: 9 * time.Second}, nil, 9 * time.Second},
		{gabiontest.Rule{Mode: gabiontest.Latency, Delay: time.Minute}, context.DeadlineExceeded, 10 * time.Second},
		{gabiontest.Rule{Mode: gabiontest.Hang}, context.DeadlineExceeded, 10 * time.Second},
		{gabiontest.Rule{Mode: gabiontest.Reset}, syscall.ECONNRESET, 0},
		{gabiontest.Rule{Mode: gabiontest.Overload, Delay: time.Second}, nil, time.Second},
		{gabiontest.Rule{Mode: gabiontest.Overload, Delay: time.Minute}, context.DeadlineExceeded, 10 * time.Second},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.rule.Mode, " ", test.rule.Delay), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dep := gabiontest.New(t, test.rule)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				began := time.Now()
				err := dep.Call(ctx)
				if took := time.Since(began); !errors.Is(err, test.err) || took != test.took {
					t.Errorf("got %v after %v, want %v after %v", err, took, test.err, test.took)
				}
				if got, want := dep.Snapshot(), (gabiontest.Snapshot{Calls: 1, Peak: 1}); got != want {
					t.Errorf("counted %v, want %v", got, want)
				}
			})
		})
	}
}

func TestPanicEndsTheCall(t *testing.T) {
	dep := gabiontest.New(t, gabiontest.Rule{Mode: gabiontest.Panic})
	func() {
		defer func() {
			if p := recover(); p != "gabiontest: the dependency panics" {
				t.Errorf("recovered %v", p)
			}
		}()
		t.Errorf("it returned %v", dep.Call(t.Context()))
	}()
	if n := dep.Snapshot().InFlight; n != 0 {
		t.Errorf("%d in flight", n)
	}
}

func TestRulesSelectCalls(t *testing.T) {
	tests := []struct {
		name  string
		rules []gabiontest.Rule
		want  string // a letter for each call: . succeeds, x ErrFailed, o errOwn
	}{
		{"none", nil, "........"},
		{"first", []gabiontest.Rule{{Mode: gabiontest.Error, First: 3}}, "xxx....."},
		{"first and then", []gabiontest.Rule{{Mode: gabiontest.Error, First: 2}, {Mode: gabiontest.Error, Err: errOwn}}, "xxoooooo"},
		{"share", []gabiontest.Rule{{Mode: gabiontest.Error, Share: 0.25}}, "...x...x"},
		{"all", []gabiontest.Rule{{Mode: gabiontest.Error, Share: 1}}, "xxxxxxxx"},
		{"first of a share", []gabiontest.Rule{{Mode: gabiontest.Error, Share: 0.5, First: 2}}, ".x.x...."},
		{"requests alone", []gabiontest.Rule{{Mode: gabiontest.Error, Path: "/hats"}}, "........"},
		{"the first rule counts", []gabiontest.Rule{{First: 1}, {Mode: gabiontest.Error}}, ".xxxxxxx"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dep := gabiontest.New(t, test.rules...)
			got := ""
			for range 8 {
				switch err := dep.Call(t.Context()); {
				case err == nil:
					got += "."
				case errors.Is(err, errOwn):
					got += "o"
				default:
					got += "x"
				}
			}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestSharesAreExact(t *testing.T) {
	for percent := 1; percent <= 100; percent++ {
		dep := gabiontest.New(t, gabiontest.Rule{Mode: gabiontest.Error, Share: gabion.Share(float64(percent) / 100)})
		failed := 0
		for calls := 1; calls <= 1000; calls++ {
			if dep.Call(t.Context()) != nil {
				failed++
			}
			if want := calls * percent / 100; failed != want {
				t.Fatalf("%d%%: %d of %d failed, want %d", percent, failed, calls, want)
			}
		}
	}
}

func TestOverloadServesInOrderAndRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dep := gabiontest.New(t, gabiontest.Rule{Mode: gabiontest.Overload, Capacity: 2, Queue: 3, Delay: time.Second})
		began := time.Now()
		var calls sync.WaitGroup
		var mu sync.Mutex
		var served []string
		refused := 0
		for i := range 7 {
			calls.Go(func() {
				err := dep.Call(t.Context())
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					refused++
				} else {
					served = append(served, fmt.Sprintf("%d after %v", i, time.Since(began)))
				}
			})
			synctest.Wait()
		}
		if s := dep.Snapshot(); s.InFlight != 5 || s.Peak != 6 {
			t.Errorf("%v", s)
		}
		calls.Wait()
		if refused != 2 {
			t.Errorf("%d were refused", refused)
		}
		slices.Sort(served)
		if got, want := strings.Join(served, ", "), "0 after 1s, 1 after 1s, 2 after 2s, 3 after 2s, 4 after 3s"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if err := dep.Call(t.Context()); err != nil {
			t.Errorf("when all are served: %v", err)
		}
	})
}

func TestWhoGivesUpLeavesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dep := gabiontest.New(t, gabiontest.Rule{Mode: gabiontest.Overload, Queue: 1, Delay: time.Second})
		go dep.Call(t.Context())
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := dep.Call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		if err := dep.Call(t.Context()); err != nil {
			t.Errorf("the place in the queue was not given back: %v", err)
		}
	})
}

func TestAnEndedContextAppliesNoRule(t *testing.T) {
	dep := gabiontest.New(t, gabiontest.Rule{Mode: gabiontest.Error, First: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := dep.Call(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := dep.Call(t.Context()); !errors.Is(err, gabiontest.ErrFailed) {
		t.Errorf("the rule was used up: %v", err)
	}
}

func TestTheEndOfTheTestEndsWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, rule := range []gabiontest.Rule{
			{Mode: gabiontest.Hang},
			{Mode: gabiontest.Latency, Delay: time.Hour},
			{Mode: gabiontest.Overload, Delay: time.Hour, Queue: 1},
		} {
			fake := &fakeTB{}
			dep := gabiontest.New(fake, rule)
			held := make(chan error)
			for range 2 { // with Overload, one is served and one waits
				go func() { held <- dep.Call(context.Background()) }()
			}
			synctest.Wait()
			fake.end()
			for range 2 {
				if err := <-held; err == nil || !strings.Contains(err.Error(), "the test is over") {
					t.Errorf("%v: got %v", rule.Mode, err)
				}
			}
			if err := dep.Call(context.Background()); err == nil {
				t.Errorf("%v: later calls are held, or succeed", rule.Mode)
			}
		}
	})
}

func TestImpossibleRulesFailTheTest(t *testing.T) {
	tests := []struct {
		rule gabiontest.Rule
		want string
	}{
		{gabiontest.Rule{Mode: "latncy"}, `Mode is "latncy", must be one of`},
		{gabiontest.Rule{Delay: -1}, "Delay is -1ns, must not be negative"},
		{gabiontest.Rule{Mode: gabiontest.Latency}, "Delay is 0, must be positive in the mode latency"},
		{gabiontest.Rule{Mode: gabiontest.Overload}, "Delay is 0, must be positive in the mode overload"},
		{gabiontest.Rule{Err: errOwn}, "Err is set, but the mode is \"\""},
		{gabiontest.Rule{Mode: gabiontest.Reset, Status: 500}, "Status is set, but the mode is \"reset\""},
		{gabiontest.Rule{Mode: gabiontest.Error, Status: 200}, "Status is 200, must be from 400 to 599"},
		{gabiontest.Rule{Mode: gabiontest.Overload, Delay: 1, Capacity: -1}, "Capacity is -1, must be positive"},
		{gabiontest.Rule{Mode: gabiontest.Overload, Delay: 1, Queue: -1}, "Queue is -1, must not be negative"},
		{gabiontest.Rule{Capacity: 1}, "Capacity is set, but the mode is \"\""},
		{gabiontest.Rule{Mode: gabiontest.Hang, Queue: 1}, "Queue is set, but the mode is \"hang\""},
		{gabiontest.Rule{Share: 20}, "Share is 2000%, must be above 0% and at most 100%"},
		{gabiontest.Rule{First: -1}, "First is -1, must not be negative"},
	}
	for _, test := range tests {
		fake := &fakeTB{}
		dep := gabiontest.New(fake, gabiontest.Rule{}, test.rule)
		fake.failed(t, "rule 2 is impossible", test.want)
		if err := dep.Call(t.Context()); err != nil {
			t.Errorf("%s: an impossible rule was applied: %v", test.want, err)
		}
	}
}

func TestSetChangesNothingWhenImpossible(t *testing.T) {
	fake := &fakeTB{}
	dep := gabiontest.New(fake, gabiontest.Rule{Mode: gabiontest.Error})
	dep.Set(gabiontest.Rule{First: -1})
	fake.failed(t, "First")
	if err := dep.Call(t.Context()); !errors.Is(err, gabiontest.ErrFailed) {
		t.Errorf("got %v", err)
	}
	dep.Set()
	if err := dep.Call(t.Context()); err != nil {
		t.Errorf("got %v", err)
	}
}
