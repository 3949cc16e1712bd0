package gabion

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// Config is what a [Pipe] is made of.
type Config struct {
	// Name names what the pipe protects, in errors and events. Default: empty.
	Name string
	// Policies are put in the recommended order (see [Position]); equal positions keep the order given.
	Policies []Policy
	// AsGiven keeps Policies in the order given, outermost first, instead. Default: false.
	AsGiven bool
	// Classify says what an ended call means. Default: an error is a [Failure], none a [Success]. Calls that
	// the caller cancelled and refusals by policies are [Ignored] before Classify is asked.
	Classify func(value any, err error) Outcome
	// Discard is given the values of runs that were superseded by another, so that they can be closed.
	// Default: they are dropped.
	Discard func(value any)
	// Observer is told of every call that ended. Default: nobody is.
	Observer Observer
	// PerKey makes the policies that [Pipe.For] puts in place of Policies for one key, such as a host. It may
	// return some that are shared among keys. Default: For fails.
	PerKey func(key string) ([]Policy, error)
	// MaxKeys bounds how many keys [Pipe.For] remembers; the one unused for longest is forgotten first.
	// Default: 10000.
	MaxKeys int
}

// Pipe is an immutable sequence of policies. It is safe for concurrent use. Make it with [New].
type Pipe struct {
	config Config
	key    string // of a pipe that For made
	steps  []step
	races  bool // one of the steps does
	keys   *keyed
	calls  CallObserver // nil: nobody
}

// step is one policy at its place: one of guard and driver is set.
type step struct {
	desc     Description
	guard    Guard
	admitter Admitter // the guard, when it is one
	driver   Driver
	starter  Starter // the driver, when it is about failures alone
}

// New makes a pipe. It fails when a policy is nil or is neither a [Guard], a [Driver] nor a [Composite].
func New(cfg Config) (*Pipe, error) {
	if cfg.MaxKeys < 0 {
		return nil, &FieldError{"max_keys", fmt.Sprintf("is %d, must be positive (0 means the default)", cfg.MaxKeys)}
	}
	cfg.MaxKeys = cmp.Or(cfg.MaxKeys, 10_000)
	p := &Pipe{config: cfg}
	switch o := cfg.Observer.(type) {
	case nil:
	case CallObserver:
		p.calls = o
	default:
		p.calls = eventCalls{o}
	}
	if err := p.add(cfg.Policies); err != nil {
		return nil, fmt.Errorf("pipe %q: %w", cfg.Name, err)
	}
	if !cfg.AsGiven {
		slices.SortStableFunc(p.steps, func(a, b step) int { return cmp.Compare(a.desc.Position, b.desc.Position) })
	}
	p.races = slices.ContainsFunc(p.steps, func(s step) bool { return s.desc.Races })
	if cfg.PerKey != nil {
		p.keys = newKeyed(cfg.MaxKeys)
	}
	return p, nil
}

func (p *Pipe) add(policies []Policy) error {
	for i, policy := range policies {
		if isNil(policy) {
			return &FieldError{"policies", fmt.Sprintf("has nil at index %d: was the error of its New ignored?", i)}
		}
		switch policy := policy.(type) {
		case Composite:
			if err := p.add(policy.Policies()); err != nil {
				return err
			}
		case Guard:
			s := step{desc: policy.Describe(), guard: policy}
			s.admitter, _ = policy.(Admitter)
			p.steps = append(p.steps, s)
		case Driver:
			s := step{desc: policy.Describe(), driver: policy}
			if s.desc.Failures {
				if s.starter, _ = policy.(Starter); s.starter == nil {
					return &FieldError{"policies", fmt.Sprintf("has a %T, which is about failures alone but is no Starter", policy)}
				}
			}
			p.steps = append(p.steps, s)
		default:
			return &FieldError{"policies", fmt.Sprintf("has a %T, which is neither a Guard, a Driver nor a Composite", policy)}
		}
	}
	return nil
}

// isNil finds also a nil pointer of a concrete type: what a New that failed returned.
func isNil(p Policy) bool {
	if p == nil {
		return true
	}
	v := reflect.ValueOf(p)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

// Policies describes what the pipe is made of, in order, outermost first.
func (p *Pipe) Policies() []Description {
	all := make([]Description, len(p.steps))
	for i := range p.steps {
		all[i] = p.steps[i].desc
	}
	return all
}

// classify says what the end of a call means whose caller holds ctx.
func classify[T any](ctx context.Context, p *Pipe, v T, err error) Outcome {
	if err != nil && (errors.Is(err, ErrRejected) || errors.Is(ctx.Err(), context.Canceled)) {
		return Ignored
	}
	if p.config.Classify != nil {
		return p.config.Classify(v, err)
	}
	if err != nil {
		return Failure
	}
	return Success
}

// Name is that of the configuration.
func (p *Pipe) Name() string { return p.config.Name }

// Key is the one that [Pipe.For] made the pipe for; "" when it did not.
func (p *Pipe) Key() string { return p.key }

func (p *Pipe) ended(outcome Outcome, err error, began, now Instant) {
	if p.calls != nil {
		p.calls.ObserveCall(Call{Pipe: p, At: now, Took: now - began, Outcome: outcome, Err: err})
	}
}
