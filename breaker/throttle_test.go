package breaker

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
)

// flood makes a thousand calls a second to a dependency that serves a part of them, and returns how many got through in
// the last of some seconds.
func flood(t *testing.T, b *Breaker, from gabion.Instant, seconds, serves int) (through int) {
	t.Helper()
	const perSecond = 1000
	b.core.random = rand.New(rand.NewPCG(1, 2)).Float64 // the same luck in every run
	for second := range seconds {
		through = 0
		for i := range perSecond {
			now := from + time.Duration(second)*time.Second + time.Duration(i)*time.Second/perSecond
			ticket, err := b.Acquire(t.Context(), now)
			if err != nil {
				if !errors.Is(err, ErrOpen) || !errors.Is(err, errDown) {
					t.Fatalf("refused with %v", err)
				}
				continue
			}
			through++
			r := gabion.Result{Began: now, Ended: now}
			if through > serves { // it serves so many in a second
				r.Outcome, r.Err = gabion.Failure, errDown
			}
			b.Done(ticket, r)
		}
	}
	return through
}

func TestThrottleFindsWhatIsAccepted(t *testing.T) {
	for _, test := range []struct {
		name        string
		throttle    float64
		serves      int
		least, most int
	}{
		{"nothing throttles", 0, 100, 1000, 1000},
		{"all is well", 2, 1000, 1000, 1000},
		{"most is well", 2, 600, 1000, 1000},
		{"a tenth is served", 2, 100, 150, 260},
		{"a tenth is served, and hardly more is let through", 1.1, 100, 90, 160},
		{"nothing is served", 2, 0, 1, 40},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBreaker(t, Config{FailureRate: gabion.Off, Consecutive: 1e9, Throttle: test.throttle, Window: 5 * time.Second})
			if n := flood(t, b, time.Hour, 20, test.serves); n < test.least || n > test.most {
				t.Errorf("%d of 1000 get through, want %d to %d", n, test.least, test.most)
			}
			if b.State() != Closed {
				t.Errorf("it is %v", b.State())
			}
		})
	}
}

// TestThrottleLetsGo: once the dependency is well, everything gets through again.
func TestThrottleLetsGo(t *testing.T) {
	b := newBreaker(t, Config{FailureRate: gabion.Off, Throttle: 2, Window: 5 * time.Second})
	if n := flood(t, b, time.Hour, 10, 0); n > 40 {
		t.Fatalf("%d get through", n)
	}
	if n := flood(t, b, time.Hour+10*time.Second, 60, 1000); n != 1000 {
		t.Errorf("%d of 1000 get through", n)
	}
}

func TestThrottleIsBounded(t *testing.T) {
	for _, cfg := range []Config{{Throttle: 0.5}, {Throttle: -2}, {Throttle: 2, LastCalls: 10}} {
		var field *gabion.FieldError
		if _, err := New(cfg); !errors.As(err, &field) || field.Field != "throttle" {
			t.Errorf("%v: %v", cfg.Throttle, err)
		}
	}
}
