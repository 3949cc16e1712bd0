package timeout_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/timeout"
)

func TestPresets(t *testing.T) {
	tests := []struct {
		name   string
		preset timeout.Config
		most   time.Duration // that a single try may take
	}{
		{"default", timeout.Config{}, 3 * time.Second},
		{"database", timeout.ForDatabase(), 5 * time.Second},
		{"jobs", timeout.ForJobs(), time.Minute},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := test.preset.Validate(); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				bound, err := timeout.New(test.preset)
				if err != nil {
					t.Fatal(err)
				}
				pipe, err := gabion.New(gabion.Config{Policies: []gabion.Policy{bound}})
				if err != nil {
					t.Fatal(err)
				}
				for takes, exceeded := range map[time.Duration]bool{test.most - 1: false, test.most + 1: true} {
					err := pipe.Run(t.Context(), func(ctx context.Context) error {
						select {
						case <-time.After(takes):
							return nil
						case <-ctx.Done():
							return ctx.Err()
						}
					})
					if errors.Is(err, timeout.ErrExceeded) != exceeded || (err != nil) != exceeded {
						t.Errorf("a call that takes %v ended with %v", takes, err)
					}
				}
			})
		})
	}
}
