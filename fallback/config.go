package fallback

import (
	"errors"
	"fmt"

	"github.com/gabion-io/gabion"
)

// Config is what a fallback is made of, besides its alternatives. The zero value of every field means its default.
type Config struct {
	// Name names what the fallback stands in for, in errors and events.
	Name string `yaml:"-" json:"-"`
	// On says whether a failure is one to stand in for. It is asked with the error of the call, which is nil when
	// the pipe's Classify called a result without error a failure. Default: every failure is. The caller's own
	// cancellation never is, whatever On says.
	On func(error) bool `yaml:"-" json:"-"`
	// Exercise is the share of successful calls after which an alternative is asked as well, each in its turn, and what it
	// answers is dropped: what is only used in an emergency fails in one. The call waits for it. The cause that the
	// alternative is given is [ErrExercise]; it can return that to be left out. Default: none.
	Exercise gabion.Share `yaml:"-" json:"-"`
	// Observer is told which alternative served.
	Observer gabion.Observer `yaml:"-" json:"-"`
}

// validate returns all problems of the configuration and the alternatives, each as a [*gabion.FieldError].
func validate(cfg Config, handlers []Handler) error {
	var problems []error
	if !(cfg.Exercise >= 0 && cfg.Exercise <= 1) { // written so that NaN is refused
		problems = append(problems, &gabion.FieldError{Field: "exercise", Problem: fmt.Sprintf("is %v, must be between 0%% and 100%%", cfg.Exercise)})
	}
	problem := func(format string, args ...any) {
		problems = append(problems, &gabion.FieldError{Field: "fallback", Problem: fmt.Sprintf(format, args...)})
	}
	if len(handlers) == 0 {
		problem("is empty, must have at least one alternative")
	}
	seen := map[string]bool{}
	for i, h := range handlers {
		switch {
		case h.serve == nil:
			problem("has no function at index %d: make alternatives with Func or Value", i)
		case h.name == "":
			problem("has no name at index %d: the name is how it is seen in events and metrics", i)
		case seen[h.name]:
			problem("has the name %q twice", h.name)
		}
		seen[h.name] = true
	}
	return errors.Join(problems...)
}
