package timeout

import (
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
