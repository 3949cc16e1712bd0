package breaker_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion/breaker"
)

var errDoDown = errors.New("down")

func fuse(t testing.TB, cfg breaker.Config) *breaker.Breaker {
	t.Helper()
	b, err := breaker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fuse(t, breaker.Config{Consecutive: 2, OpenFor: time.Second, Probes: 1})
		call := func(err error) error {
			v, got := breaker.Do(t.Context(), b, func(context.Context) (int, error) { return 7, err })
			if err == nil && got == nil && v != 7 {
				t.Errorf("the value is %d", v)
			}
			return got
		}
		if err := call(nil); err != nil {
			t.Error(err)
		}
		call(errDoDown)
		if err := call(errDoDown); !errors.Is(err, errDoDown) || b.State() != breaker.Open {
			t.Errorf("%v, %v", err, b.State())
		}
		if err := call(nil); !errors.Is(err, breaker.ErrOpen) || !errors.Is(err, errDoDown) {
			t.Errorf("while it is open: %v", err)
		}
		time.Sleep(2 * time.Second)
		if err := call(nil); err != nil || b.State() != breaker.Closed {
			t.Errorf("the probe: %v, %v", err, b.State())
		}
	})
}

func TestDoKnowsSlowCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fuse(t, breaker.Config{SlowCall: time.Second, MinCalls: 2})
		for range 2 {
			breaker.Do(t.Context(), b, func(context.Context) (int, error) { time.Sleep(time.Second); return 0, nil })
		}
		if b.State() != breaker.Open {
			t.Error("slow calls do not open it")
		}
	})
}

func TestDoAndWhatIsNoFailure(t *testing.T) {
	b := fuse(t, breaker.Config{Consecutive: 1})
	ctx, cancel := context.WithCancel(t.Context())
	breaker.Do(ctx, b, func(context.Context) (int, error) { cancel(); return 0, context.Canceled })
	breaker.Do(t.Context(), b, func(context.Context) (int, error) { return 0, breaker.ErrOpen }) // of another one
	if b.State() != breaker.Closed {
		t.Error("it opened")
	}
}

func TestTrap01DoReturnsTheProbeOfWhatUnwinds(t *testing.T) {
	for name, unwind := range map[string]func(){"panic": func() { panic("boom") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := fuse(t, breaker.Config{Consecutive: 1, OpenFor: time.Second, Probes: 1, ProbeLease: time.Hour})
				for range 2 { // opens it, and then is its probe
					done := make(chan struct{})
					go func() {
						defer close(done)
						defer func() { _ = recover() }() // the panic is the point; what it says is not
						breaker.Do(t.Context(), b, func(context.Context) (int, error) { unwind(); return 0, nil })
					}()
					<-done
					if b.State() != breaker.Open {
						t.Fatal(b.State())
					}
					time.Sleep(2 * time.Second)
				}
				if _, err := breaker.Do(t.Context(), b, func(context.Context) (int, error) { return 0, nil }); err != nil {
					t.Errorf("the place of the probe is lost: %v", err)
				}
			})
		})
	}
}

func TestDoDoesNotAllocate(t *testing.T) {
	b := fuse(t, breaker.Config{})
	text := "held"
	if n := testing.AllocsPerRun(1000, func() {
		breaker.Do(t.Context(), b, func(context.Context) (int, error) { return len(text), nil })
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
