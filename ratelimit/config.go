package ratelimit

import (
	"context"
	"time"

	"github.com/gabion-io/gabion"
)

// RequestsConfig is what a limit of requests is made of. The zero value of every field but Rate means its default.
type RequestsConfig struct {
	// Name names the limit, in errors and events.
	Name string `yaml:"-" json:"-"`
	// Rate is how many requests a key may make in a time, at most 10 million in a second. It is required.
	Rate Rate `yaml:"requests" json:"requests"`
	// Burst is how many requests may come at once. Default: as many as Rate allows in one second, at least 1.
	Burst int `yaml:"burst" json:"burst" default:"one second of requests"`
	// Sliding allows what Rate says in every window of its time, however placed, and all of it at once, in place of a bucket
	// that refills: 1000/h is then never more than 1000 in any hour. There is no Burst. It is exact for a Rate.Count up to 128;
	// above that, what was used can count for 1/128 of the time too long, so who always asks gets at least 99 %. A key takes
	// about 150 bytes, and up to 2 kB more when it is used all the time. Default: false. Update cannot change it.
	Sliding bool `yaml:"-" json:"-"`
	// Tiers are other values for groups of keys. The first that matches a key counts.
	Tiers []RequestsTier `yaml:"tiers" json:"tiers"`
	// Overrides are other values for single keys. They win over tiers. These keys always have a bucket of their own.
	Overrides map[string]RequestsValues `yaml:"overrides" json:"overrides"`
	// MaxKeys bounds how many other keys are remembered. When it is reached, a key whose bucket is full is forgotten
	// (which changes nothing for it); if there is none, the new keys of a tier share one bucket.
	MaxKeys int `yaml:"-" json:"-" default:"100000"`
	// Key says whose call it is, when the limit stands in a pipe. Default: [KeyOf].
	Key func(context.Context) string `yaml:"-" json:"-"`
	// Cost says how many requests a call counts as, when the limit stands in a pipe. Default: [CostOf].
	Cost func(context.Context) int `yaml:"-" json:"-"`
	// Observer is told of refusals in a pipe.
	Observer gabion.Observer `yaml:"-" json:"-"`
}

// RequestsValues is how many requests are allowed. What is zero is taken from the limit's own values.
type RequestsValues struct {
	// Rate is how many requests are allowed in a time.
	Rate Rate `yaml:"requests" json:"requests"`
	// Burst is how many may come at once. Default: one second's worth of Rate where that is given.
	Burst int `yaml:"burst" json:"burst"`
}

// RequestsTier is other values for a group of keys, such as the customers of a plan.
type RequestsTier struct {
	// Name names the tier.
	Name string `yaml:"-" json:"-"`
	// Keys are the members: keys, or patterns in which * stands for any characters, such as "partner-*".
	Keys []string `yaml:"keys" json:"keys"`
	// Rate and Burst are as in [RequestsValues].
	Rate  Rate `yaml:"requests" json:"requests"`
	Burst int  `yaml:"burst" json:"burst"`
}

// ServerTimeConfig is what a limit of server time is made of. At least one of Quota and Concurrency is given. The zero
// value of every other field means its default.
type ServerTimeConfig struct {
	// Name names the limit, in errors and events.
	Name string `yaml:"-" json:"-"`
	// Quota is how much server time a key may use in a time. Zero: only Concurrency limits.
	Quota Quota `yaml:"server_time" json:"server_time"`
	// Concurrency is how many calls of a key may be in flight at once. It bounds by how much a key can overdraw its
	// quota with calls that are already running.
	Concurrency int `yaml:"concurrency" json:"concurrency" default:"100"`
	// Tiers are other values for groups of keys. The first that matches a key counts.
	Tiers []ServerTimeTier `yaml:"tiers" json:"tiers"`
	// Overrides are other values for single keys. They win over tiers. These keys always have a bucket of their own.
	Overrides map[string]ServerTimeValues `yaml:"overrides" json:"overrides"`
	// Estimate is what is taken from the bucket when a call begins. Default: learned for each key, as a moving
	// average of what its calls cost, at least 1 ms, which is also what the first calls of a key are taken for.
	// Never more than the quota is taken.
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
