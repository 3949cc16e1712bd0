package retry

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/gabion-io/gabion"
)

// Config is what a retry policy is made of. The zero value of every field means its default.
type Config struct {
	// Name names what is called, in errors and events.
	Name string `yaml:"-" json:"-"`
	// Attempts is the number of tries in all, the first included.
	Attempts int `yaml:"attempts" json:"attempts" default:"3"`
	// Backoff is the wait between two tries.
	Backoff Backoff `yaml:"backoff" json:"backoff"`
	// Budget bounds retries to this share of calls, so that a failing dependency does not get more load than a
	// healthy one, plus a reserve of 10. It can be off.
	Budget gabion.Share `yaml:"budget" json:"budget" default:"20%" off:"true"`
	// Observer is told of retries and of giving up.
	Observer gabion.Observer `yaml:"-" json:"-"`
}

// Backoff is the wait between two tries.
type Backoff struct {
	// Initial is the bound of the first wait; it doubles with each try.
	Initial time.Duration `yaml:"initial" json:"initial" default:"10ms"`
	// Max bounds the wait.
	Max time.Duration `yaml:"max" json:"max" default:"500ms"`
	// Jitter spreads the waits. full: anything between 0 and the bound; decorrelated: between Initial and three times the
	// wait before; none: the bound itself.
	Jitter string `yaml:"jitter" json:"jitter" default:"full" enum:"full,decorrelated,none"`
}

// The values of [Backoff].Jitter.
const (
	JitterFull         = "full"
	JitterDecorrelated = "decorrelated"
	JitterNone         = "none"
)

func (c Config) withDefaults() Config {
	c.Attempts = cmp.Or(c.Attempts, 3)
	c.Backoff.Initial = cmp.Or(c.Backoff.Initial, 10*time.Millisecond)
	c.Backoff.Max = cmp.Or(c.Backoff.Max, 500*time.Millisecond)
	c.Backoff.Jitter = cmp.Or(c.Backoff.Jitter, JitterFull)
	c.Budget = cmp.Or(c.Budget, 0.2)
	return c
}

// Validate returns all that is impossible in c, joined: each a *[gabion.FieldError]. Fields that are zero are
// not looked at, as they mean the default.
func (c Config) Validate() error {
	var problems []error
	refuse := func(field, format string, args ...any) {
		problems = append(problems, &gabion.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if c.Attempts < 0 {
		refuse("attempts", "is %d, must be at least 1", c.Attempts)
	}
	if c.Backoff.Initial < 0 {
		refuse("backoff.initial", "is %v, must be positive", c.Backoff.Initial)
	}
	if c.Backoff.Max < 0 {
		refuse("backoff.max", "is %v, must be positive", c.Backoff.Max)
	}
	switch c.Backoff.Jitter {
	case "", JitterFull, JitterDecorrelated, JitterNone:
	default:
		refuse("backoff.jitter", "is %q, must be full, decorrelated or none", c.Backoff.Jitter)
	}
	if c.Budget != gabion.Off && !(c.Budget >= 0 && c.Budget <= 1) { // written so that NaN is refused
		refuse("budget", "is %v, must be above 0%% and at most 100%%, or off", c.Budget)
	}
	return errors.Join(problems...)
}
