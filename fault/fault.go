package fault

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
)

// Fault is the place where faults are injected. It is a [gabion.Driver], safe for concurrent use. Make it with [New].
type Fault struct {
	config atomic.Pointer[Config]
	random func() float64

	mu     sync.Mutex
	active atomic.Pointer[[]*Injection] // never changed, but replaced; nil: none
}

// Injection is a fault in force.
type Injection struct {
	fault *Fault
	rule  Rule
	until gabion.Instant
	met   atomic.Int64
	calls atomic.Int64 // it has met, counted before it is sure
}

// New makes a place for faults. It has none. It never fails; the error is there for the sake of uniformity.
func New(cfg Config) (*Fault, error) {
	f := &Fault{random: rand.Float64}
	f.config.Store(&cfg)
	return f, nil
}

// Update changes the configuration. Faults in force stay. It never fails.
func (f *Fault) Update(cfg Config) error {
	f.config.Store(&cfg)
	return nil
}

// Describe implements [gabion.Policy].
func (f *Fault) Describe() gabion.Description {
	return gabion.Description{Kind: "fault", Name: f.config.Load().Name, Position: gabion.PositionFault}
}

// Inject brings a fault into force, until its time is over or [Injection.Stop] is called. When a call meets several,
// the one that was injected first counts. It fails when the rule is impossible; each problem is a *[gabion.FieldError].
func (f *Fault) Inject(r Rule) (*Injection, error) { return f.inject(r, gabion.Now()) }

func (f *Fault) inject(r Rule, now gabion.Instant) (*Injection, error) {
	if err := r.validate(); err != nil {
		return nil, err
	}
	r.Share = cmp.Or(r.Share, 1)
	i := &Injection{fault: f, rule: r, until: now + cmp.Or(r.For, DefaultFor)}
	f.change(func(all []*Injection) []*Injection {
		all = slices.DeleteFunc(all, func(i *Injection) bool { return now >= i.until })
		return append(all, i)
	})
	return i, nil
}

// change replaces what is in force.
func (f *Fault) change(by func([]*Injection) []*Injection) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []*Injection
	if active := f.active.Load(); active != nil {
		all = slices.Clone(*active)
	}
	if all = by(all); len(all) == 0 {
		f.active.Store(nil)
		return
	}
	f.active.Store(&all)
}

// Stop ends the fault.
func (i *Injection) Stop() {
	i.fault.change(func(all []*Injection) []*Injection {
		return slices.DeleteFunc(all, func(other *Injection) bool { return other == i })
	})
}

// Rule is what was injected.
func (i *Injection) Rule() Rule { return i.rule }

// Met is how many calls it has met.
func (i *Injection) Met() int64 { return i.met.Load() }

// Until is when it ends by itself.
func (i *Injection) Until() gabion.Instant { return i.until }

// Active are the faults in force.
func (f *Fault) Active(now gabion.Instant) []*Injection {
	active := f.active.Load()
	if active == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(*active), func(i *Injection) bool { return now >= i.until })
}

// Armed says whether any fault may be in force. It costs one atomic load, for those who would have to prepare something
// for Before.
func (f *Fault) Armed() bool { return f.active.Load() != nil }

// Before implements [gabion.Driver].
func (f *Fault) Before(ctx context.Context, a gabion.Attempt) gabion.Plan {
	active := f.active.Load()
	if active == nil {
		return gabion.Plan{}
	}
	ended := true
	for _, i := range *active {
		if a.Now >= i.until {
			continue
		}
		ended = false
		if i.meets(ctx) {
			f.tell(i, a.Now)
			return i.plan()
		}
	}
	if ended { // so that the next call costs nothing again
		f.change(func(all []*Injection) []*Injection {
			return slices.DeleteFunc(all, func(i *Injection) bool { return a.Now >= i.until })
		})
	}
	return gabion.Plan{}
}

// After implements [gabion.Driver].
func (f *Fault) After(context.Context, gabion.Attempt) gabion.Verdict { return gabion.Verdict{} }

// meets says whether a call meets the fault, and counts it.
func (i *Injection) meets(ctx context.Context) bool {
	if i.rule.Key != "" {
		if key, ok := ctx.Value(keyOf{}).(string); !ok || key != i.rule.Key {
			return false
		}
	}
	if i.rule.Share < 1 && i.fault.random() >= float64(i.rule.Share) {
		return false
	}
	if i.rule.First > 0 && i.calls.Add(1) > int64(i.rule.First) {
		return false
	}
	i.met.Add(1)
	return true
}

// plan is what becomes of a call that meets the fault.
func (i *Injection) plan() gabion.Plan {
	r := &i.rule
	switch r.Kind {
	case Latency:
		return gabion.Plan{Delay: r.Latency + time.Duration(i.fault.random()*float64(r.Jitter))}
	case Hang:
		return gabion.Plan{Instead: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}}
	}
	return gabion.Plan{Instead: func(context.Context) error { return r.failure() }}
}

func (f *Fault) tell(i *Injection, now gabion.Instant) {
	cfg := f.config.Load()
	if cfg.Observer != nil {
		cfg.Observer.Observe(gabion.Event{
			Kind: gabion.EventFault, Policy: "fault", Name: cfg.Name, Key: i.rule.Key, At: now, Detail: string(i.rule.Kind),
		})
	}
}
