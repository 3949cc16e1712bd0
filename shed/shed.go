package shed

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/admission"
)

// ErrShed says that the call could not have been answered in time, or that one that matters more took its place. It
// satisfies errors.Is(err, gabion.ErrRejected).
var ErrShed = gabion.Rejection("overloaded")

// Shedder decides which calls start, which wait and which are refused. It is a [gabion.Guard] for pipes and safe for
// concurrent use. Make it with [New].
type Shedder struct {
	name   string
	config atomic.Pointer[Config]
	core   *admission.Core
	drops  [admission.Classes][reasons]atomic.Uint64

	parking parking
	mu      sync.Mutex // for the core, as it says
	waited  uint64
	wait    time.Duration
}

// New makes a shedder. Its error holds all problems of the configuration.
func New(cfg Config) (*Shedder, error) {
	s := &Shedder{name: cfg.Name}
	if err := s.validate(cfg); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	s.config.Store(&cfg)
	s.core = admission.New(cfg.core(), gabion.Now())
	return s, nil
}

// Update replaces the configuration, except for the name. What was learned stays, and so do the calls that run or wait: with
// a higher limit, the first in the queue start at once. When Update returns an error, nothing has changed.
func (s *Shedder) Update(cfg Config) error {
	if err := s.validate(cfg); err != nil {
		return err
	}
	cfg = cfg.withDefaults()
	now := gabion.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config.Store(&cfg)
	s.core.Configure(now, cfg.core())
	s.dispatch(now)
	return nil
}

func (s *Shedder) validate(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return fmt.Errorf("shed %q: %w", s.name, err)
	}
	return nil
}

// Describe implements [gabion.Policy].
func (s *Shedder) Describe() gabion.Description {
	return gabion.Description{Kind: "shed", Name: s.name, Position: gabion.PositionShed}
}

// Acquire implements [gabion.Guard]: it starts the call, or has it wait for as long as it can still be answered in time. A
// refusal has the Reason [ErrShed]; when ctx ended while the call waited, its error is the Cause.
func (s *Shedder) Acquire(ctx context.Context, now gabion.Instant) (gabion.Ticket, error) {
	if s.core.TryStart() {
		return gabion.Ticket{}, nil
	}
	w, longest, why := s.lineUp(ctx, now)
	if w == nil {
		if why != granted {
			return gabion.Ticket{}, s.refuse(now, why, classOf(ctx), nil)
		}
		return gabion.Ticket{}, nil
	}
	why = s.await(ctx, w, longest)
	t := gabion.Ticket{Waited: max(0, gabion.Now()-now)}
	if why != granted {
		return t, s.refuse(now+t.Waited, why, w.Class, ctx.Err())
	}
	return t, nil
}

// Done implements [gabion.Guard]: it learns from the result, and gives the place to the next in the queue.
func (s *Shedder) Done(_ gabion.Ticket, r gabion.Result) {
	if r.Outcome == gabion.Ignored || r.Began == 0 {
		s.release()
		return
	}
	sample := s.core.End(r.Ended-r.Began, r.Outcome == gabion.Success)
	if !s.mu.TryLock() {
		if !s.core.Waiting() && s.parking.park(sample) {
			return
		}
		s.mu.Lock()
	}
	s.learn(r.Ended, sample)
	s.mu.Unlock()
}

// learn takes in what a call said, and what others said meanwhile. The lock is held.
func (s *Shedder) learn(now gabion.Instant, sample admission.Sample) {
	s.core.Learn(now, sample)
	if s.parking.parked.Load() != 0 {
		s.parking.collect(func(parked admission.Sample) { s.core.Learn(now, parked) })
	}
	if s.core.Waiting() {
		s.dispatch(now)
	}
}

// release gives back the place of a call that says nothing.
func (s *Shedder) release() {
	s.core.Release()
	if s.core.Waiting() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.dispatch(gabion.Now())
	}
}

// Brownout says how much of the work that calls could do without, such as recommendations beside a product, is to be left out
// now: 0 is none, 1 all of it, and in between a service leaves out that share of it, or what is cheapest to miss first. It rises
// while calls that are not [gabion.Sheddable] are refused, by up to 4 in a second when all are, and falls by 1 in 30 s when none
// is; where leaving work out makes room, it comes to rest where less than 1 % of the calls is refused. Reading it costs about a
// nanosecond while it is 0.
func (s *Shedder) Brownout() float64 { return s.core.Brownout(gabion.Now) }

// refuse counts a refusal, tells the observer and makes the error.
func (s *Shedder) refuse(now gabion.Instant, why reason, class int, cause error) error {
	s.drops[class][why].Add(1)
	cfg := s.config.Load()
	err := &gabion.Error{Policy: "shed", Name: s.name, Reason: ErrShed, Cause: cause, Hint: hints[why]}
	if why != gone {
		err.Until = now + cfg.Deadline // by then, all that waits now is over
	}
	if cfg.Observer != nil {
		cfg.Observer.Observe(gabion.Event{
			Kind: gabion.EventRefused, Policy: "shed", Name: s.name, At: now, Err: err, Detail: why.String(),
		})
	}
	return err
}
