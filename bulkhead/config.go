package bulkhead

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/gabion-io/gabion"
)

// Config is what a bulkhead is made of. The zero value of every field means its default.
type Config struct {
	// Name names what the bulkhead protects, in errors and events.
	Name string `yaml:"-" json:"-"`
	// Concurrency is how many calls may run at once.
	Concurrency int `yaml:"concurrency" json:"concurrency" default:"100"`
	// Queue is how many calls may wait for a place. Off: none waits.
	Queue int `yaml:"queue" json:"queue" default:"off" off:"true"`
	// Wait is how long a call may wait for a place. It needs Queue.
	Wait time.Duration `yaml:"wait" json:"wait" default:"50ms"`
	// Interval is how long the queue may go on without ever being empty before that is no peak any more but pressure. Then
	// the newest call is served first, because the oldest have waited for so long that their callers may have given up,
	// and calls wait no longer than Target. Off: always the oldest first.
	Interval time.Duration `yaml:"-" json:"-" default:"100ms" off:"true"`
	// Target is how long a call may wait under pressure, if that is less than Wait. It is longer where calls take long, so
	// that nobody is sent away just before the next place gets free: twice as long as they usually take.
	Target time.Duration `yaml:"-" json:"-" default:"5ms"`
	// MaxTenants bounds how many tenants have a line of their own in the queue, see [gabion.WithTenant]. All further ones share one.
	MaxTenants int `yaml:"-" json:"-" default:"100"`
	// Observer is told of refusals.
	Observer gabion.Observer `yaml:"-" json:"-"`
}

// Validate returns all problems of the configuration, each a [*gabion.FieldError], joined.
func (c Config) Validate() error {
	var problems []error
	problem := func(field, format string, args ...any) {
		problems = append(problems, &gabion.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if c.Concurrency < 0 {
		problem("concurrency", "is %d, must be positive (0 means the default)", c.Concurrency)
	}
	if c.Queue < 0 && c.Queue != gabion.Off {
		problem("queue", "is %d, must be positive or off", c.Queue)
	}
	if c.Wait < 0 {
		problem("wait", "is %v, must be positive (0 means the default)", c.Wait)
	}
	if c.Interval < 0 && c.Interval != gabion.Off {
		problem("interval", "is %v, must be positive or off", c.Interval)
	}
	if c.Target < 0 {
		problem("target", "is %v, must be positive (0 means the default)", c.Target)
	}
	if c.MaxTenants < 0 {
		problem("max_tenants", "is %d, must be positive (0 means the default)", c.MaxTenants)
	}
	return errors.Join(problems...)
}

// withDefaults is the configuration with every zero value replaced. A Queue that is Off is negative, so it has no room.
func (c Config) withDefaults() Config {
	c.Concurrency = cmp.Or(c.Concurrency, 100)
	c.Queue = cmp.Or(c.Queue, gabion.Off)
	c.Wait = cmp.Or(c.Wait, 50*time.Millisecond)
	c.Interval = cmp.Or(c.Interval, 100*time.Millisecond)
	c.Target = cmp.Or(c.Target, 5*time.Millisecond)
	c.MaxTenants = cmp.Or(c.MaxTenants, 100)
	return c
}
