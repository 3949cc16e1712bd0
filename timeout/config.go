package timeout

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/gabion-io/gabion"
)

// Config is what a timeout is made of. The zero value of every field means its default.
type Config struct {
	// Name names what is called, in errors and events.
	Name string `yaml:"-" json:"-"`
	// Total bounds the whole call, all tries and waits together. It can be off.
	Total time.Duration `yaml:"total" json:"total" default:"10s" off:"true"`
	// Attempt bounds each try. It can be off.
	Attempt time.Duration `yaml:"attempt" json:"attempt" default:"3s" off:"true"`
	// Observer is told of every timeout.
	Observer gabion.Observer `yaml:"-" json:"-"`
}

func (c Config) withDefaults() Config {
	c.Total = cmp.Or(c.Total, 10*time.Second)
	c.Attempt = cmp.Or(c.Attempt, 3*time.Second)
	return c
}

// Validate returns all that is impossible in c, joined: each a *[gabion.FieldError]. An Attempt that is longer than
// Total is possible: Total ends it.
func (c Config) Validate() error {
	var problems []error
	check := func(field string, d time.Duration) {
		if d < 0 && d != gabion.Off {
			problems = append(problems, &gabion.FieldError{Field: field, Problem: fmt.Sprintf("is %v, must be positive or off", d)})
		}
	}
	check("total", c.Total)
	check("attempt", c.Attempt)
	return errors.Join(problems...)
}
