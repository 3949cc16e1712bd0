package fallback

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/gabion-io/gabion"
)

// ErrExhausted says that the call failed and that no alternative could answer either. The error that carries it
// also holds the call's own error and those of the alternatives.
var ErrExhausted = errors.New("no alternative could answer")

// Fallback stands in for failed calls. It is a [gabion.Driver] for a pipe and safe for concurrent use.
type Fallback struct {
	name      string
	settings  atomic.Pointer[settings]
	exhausted atomic.Uint64

	succeeded, turn, exercised, broken atomic.Uint64 // of exercises
}

// settings is one configuration. It does not change.
type settings struct {
	config   Config
	handlers []Handler
}

// Handler is one alternative. Make it with [Func] or [Value].
type Handler struct {
	name   string
	serve  func(ctx context.Context, cause error) (any, error)
	served *atomic.Uint64
}

// Func is an alternative that calls serve with the error of the call. Its value must have the type that the
// caller of [gabion.Do] expects. It can return cause to say that it has no answer for it.
func Func(name string, serve func(ctx context.Context, cause error) (any, error)) Handler {
	return Handler{name: name, serve: serve}
}

// Value is an alternative that always answers v, which must have the type that the caller of [gabion.Do] expects. All
// callers get the same v: they must not change what it points to.
func Value(name string, v any) Handler {
	return Func(name, func(context.Context, error) (any, error) { return v, nil })
}

// Snapshot counts what a fallback did since it was made.
type Snapshot struct {
	// Served counts the answers of each alternative.
	Served map[string]uint64
	// Exhausted counts the calls for which no alternative could answer.
	Exhausted uint64
	// Exercised counts how often an alternative was asked although nothing had failed, Broken how often it failed then.
	Exercised, Broken uint64
}

// New makes a fallback of alternatives, which are tried in the order given.
func New(cfg Config, handlers ...Handler) (*Fallback, error) {
	f := &Fallback{name: cfg.Name}
	if err := f.Update(cfg, handlers...); err != nil {
		return nil, err
	}
	return f, nil
}

// Update replaces the configuration and the alternatives. The name and the counts of alternatives that keep their
// names stay. When it returns an error, nothing has changed.
func (f *Fallback) Update(cfg Config, handlers ...Handler) error {
	if err := validate(cfg, handlers); err != nil {
		return fmt.Errorf("fallback %q: %w", f.name, err)
	}
	cfg.Name = f.name
	next := &settings{config: cfg, handlers: append([]Handler(nil), handlers...)}
	for i := range next.handlers {
		next.handlers[i].served = f.counter(next.handlers[i].name)
	}
	f.settings.Store(next)
	return nil
}

// counter returns the count of the alternative called name, or a new one.
func (f *Fallback) counter(name string) *atomic.Uint64 {
	if known := f.settings.Load(); known != nil {
		for _, h := range known.handlers {
			if h.name == name {
				return h.served
			}
		}
	}
	return new(atomic.Uint64)
}

// Describe implements [gabion.Policy].
func (f *Fallback) Describe() gabion.Description {
	return gabion.Description{Kind: "fallback", Name: f.name, Position: gabion.PositionFallback}
}

// Before implements [gabion.Driver]: the call is made as it is.
func (f *Fallback) Before(context.Context, gabion.Attempt) gabion.Plan { return gabion.Plan{} }

// After implements [gabion.Driver]: it replaces a failure for which the alternatives stand in.
func (f *Fallback) After(ctx context.Context, a gabion.Attempt) gabion.Verdict {
	s := f.settings.Load()
	if a.Outcome == gabion.Success && f.due(s) {
		f.exercise(ctx, s)
	}
	if !s.acts(ctx, a) {
		return gabion.Verdict{}
	}
	return gabion.Verdict{Replace: func(ctx context.Context, cause error) (any, error) {
		return f.serve(ctx, s, cause)
	}}
}

// acts says whether the alternatives stand in for what happened. An Ignored outcome is either a refusal of one of
// our own policies, for which they do, or the caller going away.
func (s *settings) acts(ctx context.Context, a gabion.Attempt) bool {
	if a.Outcome == gabion.Success || errors.Is(ctx.Err(), context.Canceled) {
		return false
	}
	if a.Outcome == gabion.Ignored && !errors.Is(a.Err, gabion.ErrRejected) {
		return false
	}
	return s.config.On == nil || s.config.On(a.Err)
}

// serve asks one alternative after the other.
func (f *Fallback) serve(ctx context.Context, s *settings, cause error) (any, error) {
	all := cause
	for _, h := range s.handlers {
		v, err := h.serve(ctx, cause)
		if err == nil {
			h.served.Add(1)
			s.observe(gabion.Event{Kind: gabion.EventFallback, Detail: h.name, Err: cause})
			return v, nil
		}
		all = also(all, h.name, err)
	}
	f.exhausted.Add(1)
	return nil, &gabion.Error{Policy: "fallback", Name: f.name, Reason: ErrExhausted, Cause: all}
}

// also is the error of the call and of the alternatives so far, and that of one more, in one line.
func also(all error, name string, err error) error {
	if all == nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return fmt.Errorf("%w; %s: %w", all, name, err)
}

func (s *settings) observe(e gabion.Event) {
	if s.config.Observer == nil {
		return
	}
	e.Policy, e.Name, e.At = "fallback", s.config.Name, gabion.Now()
	s.config.Observer.Observe(e)
}

// Snapshot returns the counts.
func (f *Fallback) Snapshot() Snapshot {
	s := Snapshot{Served: map[string]uint64{}, Exhausted: f.exhausted.Load(), Exercised: f.exercised.Load(), Broken: f.broken.Load()}
	for _, h := range f.settings.Load().handlers {
		s.Served[h.name] = h.served.Load()
	}
	return s
}
