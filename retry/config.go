package retry

import (
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
	// Jitter spreads the waits. full: anything between 0 and the bound; none: the bound itself.
	Jitter string `yaml:"jitter" json:"jitter" default:"full" enum:"full,none"`
}
