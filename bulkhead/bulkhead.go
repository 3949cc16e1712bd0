package bulkhead

import (
	"context"
	"fmt"
	"time"

	"github.com/gabion-io/gabion"
)

// ErrFull says that all places are taken and that the queue is off, or full, or that the wait in it was or would be too long.
// It satisfies errors.Is(err, gabion.ErrRejected).
var ErrFull = gabion.Rejection("full")

// Bulkhead bounds how many calls run at once. It is a [gabion.Guard] for pipes and safe for concurrent use.
// Make it with [New].
type Bulkhead struct {
	name   string
	places places
}

// Snapshot is the state of a bulkhead at one moment, and what it did since it was made.
type Snapshot struct {
	// InFlight is how many calls hold a place, of Limit, and Queued how many wait for one.
	InFlight, Limit, Queued int
	// Pressed is set while the queue has not been empty for longer than Config.Interval: the newest are served first.
	Pressed bool
	// Usual is how long calls run, as a moving average. It is learned while the queue is on; 0 before the first call.
	Usual time.Duration
	// Waited is how many calls got a place after waiting for it, and Wait how long those waited together.
	Waited uint64
	Wait   time.Duration
	// Refused counts the calls that got no place: the sum of Drops.
	Refused uint64
	// Drops counts them by reason.
	Drops Drops
}

// Drops counts the calls that got no place, by reason. In events, the reason is the Detail.
type Drops struct {
	// Full ("full"): all places were taken, and the queue was off or had no room.
	Full uint64
	// Wait ("wait"): the call waited for as long as it may.
	Wait uint64
	// Deadline ("deadline"): it could not start so long before its deadline as calls usually take.
	Deadline uint64
	// Gone ("gone"): its context ended while it waited.
	Gone uint64
	// Displaced ("displaced"): it made room in the full queue for a call of a tenant that has fewer in it, or, under
	// pressure, for a newer one.
	Displaced uint64
}

// New makes a bulkhead. Its error holds all problems of the configuration.
func New(cfg Config) (*Bulkhead, error) {
	b := &Bulkhead{name: cfg.Name}
	if err := b.Update(cfg); err != nil {
		return nil, err
	}
	return b, nil
}

// Update replaces the configuration, except for the name. Calls that run or wait go on: with more places, the first in
// the queue start at once; with fewer, none starts until enough have ended. When Update returns an error, nothing has
// changed.
func (b *Bulkhead) Update(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return fmt.Errorf("bulkhead %q: %w", b.name, err)
	}
	b.places.configure(gabion.Now(), cfg.withDefaults())
	return nil
}

// Describe implements [gabion.Policy].
func (b *Bulkhead) Describe() gabion.Description {
	return gabion.Description{Kind: "bulkhead", Name: b.name, Position: gabion.PositionBulkhead}
}

// timeless is the Stamp of a call of which nobody knows when it began.
const timeless = 1

// Admit implements [gabion.Admitter]: where there is no queue, it does not matter how long calls run.
func (b *Bulkhead) Admit() (gabion.Ticket, bool) {
	if b.places.config.Load().Queue > 0 {
		return gabion.Ticket{}, false
	}
	_, ok := b.places.enter()
	return gabion.Ticket{Stamp: timeless}, ok
}

// Acquire implements [gabion.Guard]: it takes a place, and waits for one if the configuration says so. A refusal has the
// Reason [ErrFull]; when ctx ended while the call waited, its error is the Cause.
func (b *Bulkhead) Acquire(ctx context.Context, now gabion.Instant) (gabion.Ticket, error) {
	cfg, ok := b.places.enter()
	if ok {
		return gabion.Ticket{}, nil
	}
	if cfg.Queue <= 0 {
		b.places.drops[full].Add(1)
		return gabion.Ticket{}, b.refuse(now, full, nil, cfg)
	}
	var deadline gabion.Instant
	if at, ok := ctx.Deadline(); ok {
		deadline = gabion.InstantOf(at)
	}
	w, patience, why := b.places.lineUp(now, gabion.TenantOf(ctx), deadline)
	if w == nil {
		if why != granted {
			return gabion.Ticket{}, b.refuse(now, why, nil, cfg)
		}
		return gabion.Ticket{}, nil
	}
	why = b.wait(ctx, w, patience)
	waited := max(0, gabion.Now()-now)
	if why != granted {
		return gabion.Ticket{Waited: waited}, b.refuse(now+waited, why, ctx.Err(), cfg)
	}
	return gabion.Ticket{Waited: waited}, nil
}

// TryAcquire is [Bulkhead.Acquire] without waiting.
func (b *Bulkhead) TryAcquire(now gabion.Instant) (gabion.Ticket, error) {
	if cfg, ok := b.places.tryEnter(); !ok {
		return gabion.Ticket{}, b.refuse(now, full, nil, cfg)
	}
	return gabion.Ticket{}, nil
}

// wait waits until the case is decided, and says how.
func (b *Bulkhead) wait(ctx context.Context, w *waiter, p patience) reason {
	timer := time.NewTimer(p.longest)
	defer timer.Stop()
	over := p.then
	select {
	case <-w.decided:
		if ctx.Err() == nil {
			return w.why
		}
	case <-timer.C:
	case <-ctx.Done():
	}
	if ctx.Err() != nil { // whoever has gone away needs no place, even if it was granted just now
		over = gone
	}
	switch {
	case b.places.leave(w, over):
		return over
	case w.why == granted && over == gone:
		b.places.exit(gabion.Now())
		b.places.drops[gone].Add(1)
		return gone
	}
	return w.why
}

// Done implements [gabion.Guard]: it gives the place to the next in the queue.
func (b *Bulkhead) Done(t gabion.Ticket, r gabion.Result) {
	if t.Stamp != timeless && r.Began > 0 && r.Outcome != gabion.Ignored && b.places.config.Load().Queue > 0 {
		b.places.learn(r.Ended - r.Began)
	}
	if r.Ended == 0 {
		r.Ended = gabion.Now()
	}
	b.places.exit(r.Ended)
}

// Snapshot returns the state.
func (b *Bulkhead) Snapshot() Snapshot { return b.places.snapshot(gabion.Now()) }

func (b *Bulkhead) refuse(now gabion.Instant, why reason, cause error, cfg *Config) error {
	err := &gabion.Error{Policy: "bulkhead", Name: b.name, Reason: ErrFull, Cause: cause, Hint: hint(why, cfg)}
	if cfg.Observer != nil {
		cfg.Observer.Observe(gabion.Event{
			Kind: gabion.EventRefused, Policy: "bulkhead", Name: b.name, At: now, Err: err, Detail: why.String(),
		})
	}
	return err
}

func hint(why reason, cfg *Config) string {
	switch why {
	case tooLate:
		return "its deadline is nearer than the time that calls usually take"
	case displaced:
		return "it made room in the queue for another call"
	}
	return fmt.Sprintf("%d calls run at once, %d may wait for %v", cfg.Concurrency, max(cfg.Queue, 0), cfg.Wait)
}
