package bulkhead

import (
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
	// Observer is told of refusals.
	Observer gabion.Observer `yaml:"-" json:"-"`
}
