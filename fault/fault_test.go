package fault_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/fault"
	"github.com/gabion-io/gabion/retry"
	"github.com/gabion-io/gabion/timeout"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// place is a pipe with a place for faults, and others around it.
func place(others ...gabion.Policy) (*fault.Fault, *gabion.Pipe) {
	f := must(fault.New(fault.Config{Name: "catalog"}))
	return f, must(gabion.New(gabion.Config{Policies: append(others, f)}))
}

func ok(context.Context) error { return nil }

var errOwn = errors.New("own")

func TestKinds(t *testing.T) {
	for _, test := range []struct {
		name  string
		rule  fault.Rule
		is    []error
		took  time.Duration
		calls int
	}{
		{"latency", fault.Rule{Kind: fault.Latency, Latency: time.Second}, nil, time.Second, 1},
		{"error", fault.Rule{Kind: fault.Error}, []error{fault.ErrInjected}, 0, 0},
		{"own error", fault.Rule{Kind: fault.Error, Err: errOwn}, []error{fault.ErrInjected, errOwn}, 0, 0},
		{"hang", fault.Rule{Kind: fault.Hang}, []error{context.DeadlineExceeded}, 10 * time.Second, 0},
		{"reset", fault.Rule{Kind: fault.Reset}, []error{fault.ErrInjected, syscall.ECONNRESET}, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, pipe := place()
				must(f.Inject(test.rule))
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				start, calls := time.Now(), 0
				err := pipe.Run(ctx, func(context.Context) error { calls++; return nil })
				if len(test.is) == 0 && err != nil || time.Since(start) != test.took || calls != test.calls {
					t.Errorf("%v after %v and %d calls", err, time.Since(start), calls)
				}
				for _, is := range test.is {
					if !errors.Is(err, is) {
						t.Errorf("%v is not %v", err, is)
					}
				}
			})
		})
	}
}

// TestItEndsByItself: nobody has to be there to end it.
func TestItEndsByItself(t *testing.T) {
	for lasts, rule := range map[time.Duration]fault.Rule{
		fault.DefaultFor: {Kind: fault.Error},
		5 * time.Second:  {Kind: fault.Error, For: 5 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			f, pipe := place()
			i := must(f.Inject(rule))
			time.Sleep(lasts - time.Millisecond)
			if err := pipe.Run(t.Context(), ok); err == nil {
				t.Errorf("it ended before %v", lasts)
			}
			time.Sleep(time.Millisecond)
			if err := pipe.Run(t.Context(), ok); err != nil || len(f.Active(gabion.Now())) != 0 {
				t.Errorf("after %v: %v", lasts, err)
			}
			if i.Met() != 1 || i.Until() != gabion.Now() {
				t.Errorf("it met %d calls, until %v", i.Met(), i.Until()-gabion.Now())
			}
		})
	}
}

func TestStop(t *testing.T) {
	f, pipe := place()
	first, second := must(f.Inject(fault.Rule{Kind: fault.Error, Err: errOwn})), must(f.Inject(fault.Rule{Kind: fault.Error}))
	if err := pipe.Run(t.Context(), ok); !errors.Is(err, errOwn) || len(f.Active(gabion.Now())) != 2 {
		t.Errorf("%v: the first counts", err)
	}
	first.Stop()
	first.Stop()
	if err := pipe.Run(t.Context(), ok); err == nil || errors.Is(err, errOwn) {
		t.Errorf("%v: the second is still there", err)
	}
	second.Stop()
	if err := pipe.Run(t.Context(), ok); err != nil {
		t.Error(err)
	}
}

func TestWhoseCalls(t *testing.T) {
	f, pipe := place()
	i := must(f.Inject(fault.Rule{Kind: fault.Error, Key: "alice", First: 2}))
	alice, bob := fault.WithKey(t.Context(), "alice"), fault.WithKey(t.Context(), "bob")
	var got []bool
	for _, ctx := range []context.Context{t.Context(), bob, alice, bob, alice, alice} {
		got = append(got, pipe.Run(ctx, ok) != nil)
	}
	if want := []bool{false, false, true, false, true, false}; !equal(got, want) || i.Met() != 2 {
		t.Errorf("%v met it, want %v", got, want)
	}
}

func equal(a, b []bool) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

func TestShareOfCalls(t *testing.T) {
	f, pipe := place()
	i := must(f.Inject(fault.Rule{Kind: fault.Error, Share: 0.25}))
	const n = 10_000
	for range n {
		_ = pipe.Run(t.Context(), ok) // what it meets is counted
	}
	if got := float64(i.Met()) / n; math.Abs(got-0.25) > 0.03 {
		t.Errorf("it met %v of the calls, want 0.25", got)
	}
}

func TestFirstIsExactWhenManyCallAtOnce(t *testing.T) {
	f, pipe := place()
	i := must(f.Inject(fault.Rule{Kind: fault.Error, First: 50}))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				_ = pipe.Run(t.Context(), ok) // what it meets is counted
			}
		})
	}
	all.Wait()
	if i.Met() != 50 {
		t.Errorf("it met %d calls", i.Met())
	}
}

// TestItExercisesThePolicies: whatever stands further out takes it for the real thing.
func TestItExercisesThePolicies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fuse := must(breaker.New(breaker.Config{Consecutive: 3, MinCalls: 100}))
		f, pipe := place(must(retry.New(retry.Config{})), fuse, must(timeout.New(timeout.Config{Attempt: time.Second})))
		must(f.Inject(fault.Rule{Kind: fault.Hang}))
		start := time.Now()
		err := pipe.Run(t.Context(), ok)
		if !errors.Is(err, timeout.ErrExceeded) || fuse.State() != breaker.Open || time.Since(start) < 3*time.Second {
			t.Errorf("%v after %v, the breaker is %v", err, time.Since(start), fuse.State())
		}
	})
}

func TestObserverHears(t *testing.T) {
	var told []gabion.Event
	f := must(fault.New(fault.Config{}))
	if err := f.Update(fault.Config{Name: "x", Observer: gabion.ObserverFunc(func(e gabion.Event) { told = append(told, e) })}); err != nil {
		t.Fatal(err)
	}
	pipe := must(gabion.New(gabion.Config{Policies: []gabion.Policy{f}}))
	must(f.Inject(fault.Rule{Kind: fault.Reset, First: 1}))
	for range 3 {
		_ = pipe.Run(t.Context(), ok) // the observer hears
	}
	if len(told) != 1 || told[0].Kind != gabion.EventFault || told[0].Name != "x" || told[0].Detail != "reset" {
		t.Errorf("%+v", told)
	}
}

func TestRules(t *testing.T) {
	f, _ := place()
	for text, rule := range map[string]fault.Rule{
		`kind is "", must be`:       {},
		`kind is "what"`:            {Kind: "what"},
		"latency is 0s":             {Kind: fault.Latency},
		"latency goes with":         {Kind: fault.Hang, Latency: time.Second},
		"latency must not be":       {Kind: fault.Latency, Latency: time.Second, Jitter: -1},
		"err goes with":             {Kind: fault.Reset, Err: errOwn},
		"share is 150%":             {Kind: fault.Error, Share: 1.5},
		"first is -1":               {Kind: fault.Error, First: -1},
		"for is 2h0m0s, must be po": {Kind: fault.Error, For: 2 * time.Hour},
		"for is -1s":                {Kind: fault.Error, For: -time.Second},
	} {
		if _, err := f.Inject(rule); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v, want %q", rule, err, text)
		}
	}
	if len(f.Active(gabion.Now())) != 0 {
		t.Error("an impossible fault is in force")
	}
}

func BenchmarkNone(b *testing.B) {
	_, pipe := place()
	b.ReportAllocs()
	for b.Loop() {
		if err := pipe.Run(b.Context(), ok); err != nil {
			b.Fatal(err)
		}
	}
}
