package breaker

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/window"
)

// ErrOpen says that a breaker refused a call: it is open, or half-open with all its probes running.
// It satisfies errors.Is(err, gabion.ErrRejected).
var ErrOpen = gabion.Rejection("open")

// Breaker stops calls to what keeps failing. It is a [gabion.Guard], safe for concurrent use. Make it with [New].
type Breaker struct {
	// face is what a caller has to know. While the breaker is closed, and while it refuses, Acquire reads
	// nothing else and takes no lock.
	face atomic.Pointer[face]
	mu   sync.Mutex
	core core
	mode Mode
}

// face is the outside of a state. It never changes; a new one is published instead.
type face struct {
	config *Config
	state  State
	period uint64 // the stamp of tickets while closed
	// calls is where a success is counted that is not slow, nil where that may do more than to count it.
	calls *window.Window
	slow  time.Duration // how long a call takes to be slow
	// timeless is set when it does not matter when a call begins.
	timeless bool
	watching bool // nothing is refused
	deaf     bool // no result counts
	piles    bool // calls are counted while they run
	minds    bool // while closed not every call is admitted
	// Calls before until are refused, with refusal.
	until   gabion.Instant
	refusal *gabion.Error
}

// New makes a closed breaker. It fails with what [Config.Validate] says.
func New(cfg Config) (*Breaker, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	b := &Breaker{core: newCore(cfg, rand.Float64)}
	b.publish(&cfg, 0)
	return b, nil
}

// Update changes the configuration. The state, its counts and the probes that run survive; new durations apply
// from when the state began. When cfg is impossible, nothing changes.
func (b *Breaker) Update(cfg Config) error { return b.update(cfg, gabion.Now()) }

func (b *Breaker) update(cfg Config, now gabion.Instant) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	cfg = cfg.withDefaults()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.core.reconfigure(cfg, now)
	b.publish(&cfg, now)
	return nil
}

// Describe implements [gabion.Policy].
func (b *Breaker) Describe() gabion.Description {
	return gabion.Description{Kind: "breaker", Name: b.face.Load().config.Name, Position: gabion.PositionBreaker}
}

// Admit implements [gabion.Admitter]: while it is closed, most breakers do not mind when a call begins.
func (b *Breaker) Admit() (gabion.Ticket, bool) {
	f := b.face.Load()
	return gabion.Ticket{Stamp: f.period}, f.timeless
}

// Acquire implements [gabion.Guard]. It never waits. A refusal is a *[gabion.Error] with the reason [ErrOpen], the
// error that opened the breaker as its cause, and the time of the next probe.
func (b *Breaker) Acquire(_ context.Context, now gabion.Instant) (gabion.Ticket, error) {
	f := b.face.Load()
	if f.state == Closed && !f.minds {
		return gabion.Ticket{Stamp: f.period}, nil
	}
	return b.enter(f, now)
}

// enter asks for admission as of f. It looks at now only when f is not timeless.
func (b *Breaker) enter(f *face, now gabion.Instant) (gabion.Ticket, error) {
	switch {
	case f.state != Closed:
	case f.minds:
		return b.begin(now)
	default:
		return gabion.Ticket{Stamp: f.period}, nil
	}
	if now >= f.until {
		return b.probe(now)
	}
	if f.watching {
		return gabion.Ticket{}, nil // no state has the stamp 0
	}
	return gabion.Ticket{}, f.refuse(now)
}

// begin admits a call where that takes more than a look at the state.
func (b *Breaker) begin(now gabion.Instant) (gabion.Ticket, error) {
	b.mu.Lock()
	if f := b.face.Load(); f.state != Closed || !f.minds { // it has just changed
		b.mu.Unlock()
		return b.enter(f, now)
	}
	stamp, admitted, turn := b.core.begin(now)
	f := b.face.Load()
	if turn != nil {
		f = b.publish(f.config, now)
	}
	b.mu.Unlock()
	f.tell(turn, now)
	switch {
	case turn != nil:
		return b.enter(f, now)
	case !admitted && !f.watching:
		return gabion.Ticket{}, f.refuse(now)
	}
	return gabion.Ticket{Stamp: stamp}, nil
}

// probe asks for a place among the probes.
func (b *Breaker) probe(now gabion.Instant) (gabion.Ticket, error) {
	b.mu.Lock()
	config := b.face.Load().config
	stamp, admitted, turn := b.core.acquire(now)
	if turn != nil || b.core.state != Closed {
		b.publish(config, now)
	}
	f := b.face.Load()
	b.mu.Unlock()
	f.tell(turn, now)
	if !admitted && !f.watching {
		return gabion.Ticket{}, f.refuse(now)
	}
	return gabion.Ticket{Stamp: stamp}, nil
}

// Done implements [gabion.Guard]. The result of a call that was admitted in an earlier state, or of a probe whose
// place was given to another, is dropped.
func (b *Breaker) Done(t gabion.Ticket, r gabion.Result) {
	f := b.face.Load()
	if f.calls != nil && r.Outcome == gabion.Success && t.Stamp == f.period && (r.Began == 0 || r.Ended-r.Began < f.slow) &&
		b.core.streak.Load() == 0 && f.calls.Success(r.Ended) {
		return // it cannot change the state, and takes no lock
	}
	b.conclude(f, t.Stamp, r)
}

// conclude is Done where it is not enough to count a success.
func (b *Breaker) conclude(f *face, stamp uint64, r gabion.Result) {
	if f.deaf || f.state == Closed && r.Outcome == gabion.Ignored && !f.piles {
		return // nothing to count
	}
	b.mu.Lock()
	turn, freed := b.core.done(stamp, &r)
	if turn == nil && !freed {
		b.mu.Unlock()
		return
	}
	f = b.publish(b.face.Load().config, r.Ended)
	b.mu.Unlock()
	f.tell(turn, r.Ended)
}

// State is the present state. An open breaker stays Open until a call comes after its time. Forced open it is Open.
func (b *Breaker) State() State { return b.face.Load().state }

// Snapshot is the state and the counts as of now.
func (b *Breaker) Snapshot(now gabion.Instant) Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.core.snapshot(now)
	s.State, s.Mode = b.face.Load().state, b.mode
	return s
}

// publish shows the outside of the core's state. It is called with the lock held, except by New.
func (b *Breaker) publish(cfg *Config, now gabion.Instant) *face {
	f := &face{
		config: cfg, state: b.core.state, period: b.core.period, until: b.core.refusesUntil(now),
		slow: math.MaxInt64,
	}
	if cfg.SlowCall != gabion.Off {
		f.slow = cfg.SlowCall
	}
	f.timeless = f.state == Closed && cfg.SlowCall == gabion.Off && cfg.Throttle == 0
	f.piles = cfg.Hanging != gabion.Off
	f.minds = f.piles || cfg.Throttle > 0
	f.deaf = f.state == Open
	if f.state != Closed || cfg.Throttle > 0 {
		f.refusal = &gabion.Error{
			Policy: "breaker", Name: cfg.Name, Reason: ErrOpen, Cause: b.core.cause, Until: f.until,
		}
	}
	f.override(b.mode)
	if f.state == Closed && !f.piles && !f.deaf {
		f.calls = b.core.calls.window
	}
	b.face.Store(f)
	return f
}

// refuse is the error of a refused call.
func (f *face) refuse(now gabion.Instant) error {
	if f.config.Observer != nil {
		f.config.Observer.Observe(gabion.Event{
			Kind: gabion.EventRefused, Policy: "breaker", Name: f.config.Name, At: now, Err: f.refusal,
		})
	}
	return f.refusal
}

// tell reports a change of state. It is called without the lock, so whoever is told may use the breaker.
func (f *face) tell(t *turn, now gabion.Instant) {
	if t == nil {
		return
	}
	if f.config.Observer != nil {
		f.config.Observer.Observe(gabion.Event{
			Kind: gabion.EventState, Policy: "breaker", Name: f.config.Name, At: now,
			From: t.from.String(), To: t.to.String(), Detail: t.why, Err: t.err,
		})
	}
	if t.to == Open && f.config.OnOpen != nil {
		f.config.OnOpen()
	}
}
