package breaker

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/defaulttest"
)

func TestDefaultsAreAsDocumented(t *testing.T) { defaulttest.Check(t, Config{}.withDefaults()) }

func TestValidate(t *testing.T) {
	tests := map[string]struct {
		config Config
		want   []string // fields with a problem
	}{
		"zero": {Config{}, nil},
		"all set": {Config{
			Window: time.Minute, MinCalls: 1, FailureRate: 1, SlowCall: time.Second, SlowRate: 0.01, Consecutive: 1,
			OpenFor: 1, Probes: 1, ProbeLease: 1,
		}, nil},
		"off where it can be":  {Config{FailureRate: gabion.Off, SlowCall: gabion.Off, SlowRate: gabion.Off, Consecutive: 5}, nil},
		"slow calls only":      {Config{FailureRate: gabion.Off, SlowCall: time.Second}, nil},
		"everything off":       {Config{FailureRate: gabion.Off}, []string{"failure_rate"}},
		"slow rate alone":      {Config{SlowRate: 0.3}, []string{"slow_rate"}},
		"default written out":  {Config{SlowRate: 0.8, SlowCall: gabion.Off}, nil},
		"a share that is none": {Config{FailureRate: 50}, []string{"failure_rate"}},
		"not a number":         {Config{FailureRate: gabion.Share(math.NaN())}, []string{"failure_rate"}},
		"all wrong": {
			Config{Window: 1, MinCalls: -1, FailureRate: -1, SlowCall: -1, SlowRate: 2, Consecutive: -1, OpenFor: -1, Probes: -1, ProbeLease: -1},
			[]string{"window", "min_calls", "failure_rate", "slow_call", "slow_rate", "consecutive", "open_for", "probes", "probe_lease"},
		},
		"off where it cannot be": {
			Config{Window: gabion.Off, MinCalls: gabion.Off, OpenFor: gabion.Off, Probes: gabion.Off, ProbeLease: gabion.Off},
			[]string{"window", "min_calls", "open_for", "probes", "probe_lease"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := test.config.Validate()
			var got []string
			if err != nil {
				for _, problem := range err.(interface{ Unwrap() []error }).Unwrap() {
					if field, ok := errors.AsType[*gabion.FieldError](problem); ok {
						got = append(got, field.Field)
					}
				}
			}
			if strings.Join(got, " ") != strings.Join(test.want, " ") {
				t.Errorf("problems with %v, want %v:\n%v", got, test.want, err)
			}
			if _, made := New(test.config); (made == nil) != (err == nil) {
				t.Errorf("New says %v, Validate %v", made, err)
			}
		})
	}
}
