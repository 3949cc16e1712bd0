package retry

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
)

// Each preset gets through what it is for, and the default does not: else it would not be needed.
func TestPresets(t *testing.T) {
	errConflict, errDown := errors.New("deadlock detected"), errors.New("connection refused")
	loses4Times := func() func(context.Context) error {
		calls := 0
		return func(context.Context) error {
			if calls++; calls <= 4 {
				return errConflict
			}
			return nil
		}
	}
	isDownForAMinute := func() func(context.Context) error {
		back := time.Now().Add(time.Minute)
		return func(context.Context) error {
			if time.Now().Before(back) {
				return errDown
			}
			return nil
		}
	}
	tests := []struct {
		name     string
		preset   Config
		call     func() func(context.Context) error
		cause    error
		atMost   time.Duration
		together int // calls at once
	}{
		{"database", ForDatabase(), loses4Times, errConflict, 100 * time.Millisecond, 1},
		{"jobs", ForJobs(), isDownForAMinute, errDown, 2 * time.Minute, 100},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := test.preset.Validate(); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				if err := together(t, Config{}, test.together, test.call()); !errors.Is(err, test.cause) {
					t.Errorf("by default: %v", err)
				}
			})
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				if err := together(t, test.preset, test.together, test.call()); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took > test.atMost {
					t.Errorf("it took %v, at most %v", took, test.atMost)
				}
			})
		})
	}
}

// together makes n calls at once, whose waits are half of their bounds, and joins their errors.
func together(t *testing.T, cfg Config, n int, f func(context.Context) error) error {
	t.Helper()
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.random = func() float64 { return 0.5 }
	pipe, err := gabion.New(gabion.Config{Policies: []gabion.Policy{r}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, n)
	for range n {
		go func() { ended <- pipe.Run(t.Context(), f) }()
	}
	for range n {
		err = errors.Join(err, <-ended)
	}
	return err
}
