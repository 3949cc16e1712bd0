package retry

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
		"zero":    {Config{}, nil},
		"all set": {Config{Attempts: 1, Backoff: Backoff{time.Second, time.Minute, JitterNone}, Budget: 1}, nil},
		"off":     {Config{Budget: gabion.Off}, nil},
		"all wrong": {
			Config{Attempts: -1, Backoff: Backoff{-1, -1, "some"}, Budget: 1.5},
			[]string{"attempts", "backoff.initial", "backoff.max", "backoff.jitter", "budget"},
		},
		"off where it cannot be": {
			Config{Attempts: gabion.Off, Backoff: Backoff{Initial: gabion.Off, Max: gabion.Off}},
			[]string{"attempts", "backoff.initial", "backoff.max"},
		},
		"not a number": {Config{Budget: gabion.Share(math.NaN())}, []string{"budget"}},
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
