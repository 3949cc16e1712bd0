package shed

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/admission"
)

// Config is what a shedder is made of. The zero value of every field means its default.
type Config struct {
	// Name names what the shedder protects, in errors and events.
	Name string `yaml:"-" json:"-"`
	// Mode is how the limit of calls in flight is chosen: adaptive finds it, in pool it is Concurrency, and with off there is
	// none. It is pool when Concurrency is set and nothing is said.
	Mode string `yaml:"mode" json:"mode" default:"adaptive" enum:"adaptive,pool,off"`
	// Deadline is how long a call may take, its wait in the queue included: where calls have several, the shortest. A call whose
	// context ends sooner waits less. At least 1ms, at most 10m.
	Deadline time.Duration `yaml:"deadline" json:"deadline" default:"1s"`
	// Concurrency is how many calls the service works on at once, in the mode pool.
	Concurrency int `yaml:"concurrency" json:"concurrency" derived:"the number of processors in the mode pool, else found"`
	// MaxConcurrency bounds the limit in the mode adaptive. It helps where all calls share a few processors and some take very
	// much longer than others: the limit would be too high until the first long ones have ended.
	MaxConcurrency int `yaml:"max_concurrency" json:"max_concurrency" derived:"unbounded"`
	// MaxQueue bounds how many calls wait, on top of the bound in time.
	MaxQueue int `yaml:"-" json:"-" default:"10000"`
	// MaxTenants bounds how many tenants have a line of their own in the queue, for each priority. All further ones share one.
	MaxTenants int `yaml:"-" json:"-" default:"1000"`
	// Observer is told of refusals.
	Observer gabion.Observer `yaml:"-" json:"-"`
}

// The values of [Config].Mode.
const (
	ModeAdaptive = "adaptive"
	ModePool     = "pool"
	ModeOff      = "off"
)

// The bounds of [Config].Deadline. Below, the grain of clocks and schedulers is part of every latency; above, the limit would learn
// within hours.
const (
	MinDeadline = time.Millisecond
	MaxDeadline = 10 * time.Minute
)

// Validate returns all problems of the configuration, each a [*gabion.FieldError], joined. Fields that are zero are not
// looked at, as they mean the default.
func (c Config) Validate() error {
	var problems []error
	problem := func(field, format string, args ...any) {
		problems = append(problems, &gabion.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	positive := func(field string, n int) {
		if n < 0 {
			problem(field, "is %d, must be positive (0 means the default)", n)
		}
	}
	mode := c.withDefaults().Mode
	switch mode {
	case ModeAdaptive, ModePool, ModeOff:
	default:
		problem("mode", "is %q, must be adaptive, pool or off", mode)
	}
	if c.Deadline != 0 && (c.Deadline < MinDeadline || c.Deadline > MaxDeadline) {
		problem("deadline", "is %v, must be at least %v and at most %v", c.Deadline, MinDeadline, MaxDeadline)
	}
	positive("concurrency", c.Concurrency)
	positive("max_concurrency", c.MaxConcurrency)
	positive("max_queue", c.MaxQueue)
	positive("max_tenants", c.MaxTenants)
	if mode == ModeAdaptive && c.Concurrency > 0 {
		problem("concurrency", "is %d, but it is found in the mode adaptive: use the mode pool, or max_concurrency to bound it", c.Concurrency)
	}
	if mode == ModePool && c.MaxConcurrency > 0 {
		problem("max_concurrency", "is %d, but nothing grows in the mode pool: use concurrency", c.MaxConcurrency)
	}
	return errors.Join(problems...)
}

// withDefaults is the configuration with every zero value replaced that has a default.
func (c Config) withDefaults() Config {
	if c.Mode == "" && c.Concurrency > 0 {
		c.Mode = ModePool
	}
	c.Mode = cmp.Or(c.Mode, ModeAdaptive)
	if c.Mode == ModePool {
		c.Concurrency = cmp.Or(c.Concurrency, runtime.GOMAXPROCS(0))
	}
	c.Deadline = cmp.Or(c.Deadline, time.Second)
	c.MaxQueue = cmp.Or(c.MaxQueue, 10_000)
	c.MaxTenants = cmp.Or(c.MaxTenants, 1000)
	return c
}

// core is what the core needs to know.
func (c Config) core() admission.Config {
	cfg := admission.Config{
		Deadline: c.Deadline, Most: c.MaxConcurrency, Queue: c.MaxQueue, Tenants: c.MaxTenants, Off: c.Mode == ModeOff,
	}
	if c.Mode == ModePool {
		cfg.Known = c.Concurrency
	}
	return cfg
}
