package fault

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/gabion-io/gabion"
)

// Config is what a fault policy is made of.
type Config struct {
	// Name names what is called, in errors and events.
	Name string `yaml:"-" json:"-"`
	// Observer is told of every call that meets a fault.
	Observer gabion.Observer `yaml:"-" json:"-"`
}

// Kind is what a fault does to a call.
type Kind string

// The kinds of faults.
const (
	Latency Kind = "latency"
	Error   Kind = "error"
	Hang    Kind = "hang"
	Reset   Kind = "reset"
)

// The bounds of a lease.
const (
	// DefaultFor is how long a fault lasts when its Rule does not say.
	DefaultFor = time.Minute
	// MaxFor is how long it can last.
	MaxFor = time.Hour
)

// ErrInjected is in the tree of every error that a fault makes.
var ErrInjected = errors.New("injected fault")

// Rule is a fault and the calls that it meets.
type Rule struct {
	// Kind is what happens to them.
	Kind Kind
	// Latency is how long calls wait; Jitter is by how much more, at random. For Kind Latency alone.
	Latency, Jitter time.Duration
	// Err is what calls fail with; errors.Is finds it and [ErrInjected]. For Kind Error alone. Default: ErrInjected.
	Err error
	// Share is the part of the calls that it meets. Default: all.
	Share gabion.Share
	// First is how many calls it meets, and then no more; 0: all.
	First int
	// Key is whose calls it meets: see [WithKey]. Default: everybody's.
	Key string
	// For is how long it lasts, at most [MaxFor]. Default: [DefaultFor].
	For time.Duration
}

type keyOf struct{}

// WithKey says whose call it is, such as a user or a request that is to meet a fault.
func WithKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, keyOf{}, key)
}

func (r Rule) validate() error {
	var problems []error
	refuse := func(field, format string, args ...any) {
		problems = append(problems, &gabion.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	switch r.Kind {
	case Latency:
		if r.Latency <= 0 && r.Jitter <= 0 {
			refuse("latency", "is %v, must be positive", r.Latency)
		}
	case Error, Hang, Reset:
		if r.Latency != 0 || r.Jitter != 0 {
			refuse("latency", "goes with the kind latency, not with %s", r.Kind)
		}
	default:
		refuse("kind", "is %q, must be latency, error, hang or reset", r.Kind)
	}
	if r.Latency < 0 || r.Jitter < 0 {
		refuse("latency", "must not be negative")
	}
	if r.Err != nil && r.Kind != Error {
		refuse("err", "goes with the kind error, not with %s", r.Kind)
	}
	if !(r.Share >= 0 && r.Share <= 1) { // written so that NaN is refused
		refuse("share", "is %v, must be above 0%% and at most 100%%", r.Share)
	}
	if r.First < 0 {
		refuse("first", "is %d, must be positive", r.First)
	}
	if r.For < 0 || r.For > MaxFor {
		refuse("for", "is %v, must be positive and at most %v: a fault must end by itself", r.For, MaxFor)
	}
	return errors.Join(problems...)
}

// failure is the error of a call that meets it.
func (r *Rule) failure() error {
	switch {
	case r.Kind == Reset:
		return fmt.Errorf("%w: %w", ErrInjected, syscall.ECONNRESET)
	case r.Err != nil:
		return fmt.Errorf("%w: %w", ErrInjected, r.Err)
	}
	return ErrInjected
}
