package ratelimit

import (
	"context"
	"time"

	"github.com/gabion-io/gabion"
)

// ServerTimeConfig is what a limit of server time is made of. At least one of Quota and Concurrency is given, here or
// in a tier or override. The zero value of every other field means its default.
type ServerTimeConfig struct {
	// Name names the limit, in errors and events.
	Name string `yaml:"-" json:"-"`
	// Quota is how much server time a key may use in a time. Zero: only Concurrency limits.
	Quota Quota `yaml:"server_time" json:"server_time"`
	// Concurrency is how many calls of a key may be in flight at once. Default: 100. It bounds by how much a
	// key can overdraw its quota with calls that are already running.
	Concurrency int `yaml:"concurrency" json:"concurrency" default:"100"`
	// Tiers are other values for groups of keys. The first that matches a key counts.
	Tiers []ServerTimeTier `yaml:"tiers" json:"tiers"`
	// Overrides are other values for single keys. They win over tiers. These keys always have a bucket of their own.
	Overrides map[string]ServerTimeValues `yaml:"overrides" json:"overrides"`
	// Estimate is what is taken from the bucket when a call begins. Default: learned for each key, as a moving
	// average of what its calls cost, at least 1 ms. Never more than the quota is taken.
	Estimate time.Duration `yaml:"-" json:"-" default:"learned"`
	// MaxKeys bounds how many other keys are remembered. When it is reached, a key whose bucket is full and that
	// has no call in flight is forgotten; if there is none, the new keys of a tier share one bucket.
	MaxKeys int `yaml:"-" json:"-" default:"100000"`
	// Key says whose call it is, when the limit stands in a pipe. Default: [KeyOf].
	Key func(context.Context) string `yaml:"-" json:"-"`
	// Observer is told of refusals in a pipe.
	Observer gabion.Observer `yaml:"-" json:"-"`
}

// ServerTimeValues is how much is allowed. What is zero is taken from the limit's own values.
type ServerTimeValues struct {
	// Quota is how much server time is allowed in a time.
	Quota Quota `yaml:"server_time" json:"server_time"`
	// Concurrency is how many calls may be in flight at once.
	Concurrency int `yaml:"concurrency" json:"concurrency"`
}

// ServerTimeTier is other values for a group of keys, such as the customers of a plan.
type ServerTimeTier struct {
	// Name names the tier.
	Name string `yaml:"-" json:"-"`
	// Keys are the members: keys, or patterns in which * stands for any characters, such as "partner-*".
	Keys []string `yaml:"keys" json:"keys"`
	// Quota and Concurrency are as in [ServerTimeValues].
	Quota       Quota `yaml:"server_time" json:"server_time"`
	Concurrency int   `yaml:"concurrency" json:"concurrency"`
}
