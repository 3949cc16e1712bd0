package hedge

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/budget"
	"github.com/gabion-io/gabion/internal/quantile"
)

// Hedge makes slow calls again beside themselves. It is a [gabion.Driver], safe for concurrent use. Make it with [New].
type Hedge struct {
	config atomic.Pointer[Config] // with defaults applied
	budget *budget.Budget
	took   quantile.Estimate

	hedges, wins, overBudget atomic.Uint64
}

// enough is how many calls a quantile must be known from before anything is hedged by it.
const enough = 50

// Snapshot is what a hedge knows at one moment.
type Snapshot struct {
	// After is when a call that began now would be hedged; 0: not at all, because too little is known.
	After time.Duration
	// Budget is how many hedges could be made now. It means nothing when the budget is off.
	Budget float64
	// Hedges is how many were made, Wins how often one of them was faster, OverBudget how many were not made for want of
	// budget.
	Hedges, Wins, OverBudget uint64
}

// New makes a hedge. It fails with what [Config.Validate] says.
func New(cfg Config) (*Hedge, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	h := &Hedge{budget: budget.New(cfg.Budget)}
	h.config.Store(&cfg)
	return h, nil
}

// Update changes the configuration. What was learned and what is left of the budget survive. When cfg is impossible,
// nothing changes.
func (h *Hedge) Update(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	cfg = cfg.withDefaults()
	h.budget.Update(cfg.Budget)
	h.config.Store(&cfg)
	return nil
}

// Describe implements [gabion.Policy].
func (h *Hedge) Describe() gabion.Description {
	return gabion.Description{Kind: "hedge", Name: h.config.Load().Name, Position: gabion.PositionHedge, Races: true}
}

// Before implements [gabion.Driver].
func (h *Hedge) Before(_ context.Context, a gabion.Attempt) gabion.Plan {
	h.Start(a.Now)
	return gabion.Plan{Beside: h.Delay(a.Now), Most: h.Max(), Another: h.Another}
}

// After implements [gabion.Driver].
func (h *Hedge) After(_ context.Context, a gabion.Attempt) gabion.Verdict {
	if a.Outcome == gabion.Success {
		// What the whole took is what the first would have taken at least.
		h.Learn(a.Now-a.Entered, a.Second)
	}
	return gabion.Verdict{}
}

// What follows is for loops that make the calls themselves; a [gabion.Pipe] does it through Before and After.

// Start says that a call begins, which adds to the budget.
func (h *Hedge) Start(now gabion.Instant) { h.budget.Start(now) }

// Delay is when a call that begins now is made again; 0: never, because too little is known.
func (h *Hedge) Delay(now gabion.Instant) time.Duration {
	cfg := h.config.Load()
	if cfg.After.Time > 0 {
		return cfg.After.Time
	}
	d, known := h.took.Of(cfg.After.Quantile, now)
	if known < enough {
		return 0
	}
	return d
}

// Max is how many calls are made beside the first.
func (h *Hedge) Max() int { return h.config.Load().Max }

// Another asks whether a call may be made again now. It is charged to the budget at once.
func (h *Hedge) Another(now gabion.Instant) bool {
	ok, cfg := h.budget.Charge(now), h.config.Load()
	e := gabion.Event{Kind: gabion.EventHedge, Policy: "hedge", Name: cfg.Name, At: now}
	if ok {
		h.hedges.Add(1)
	} else {
		h.overBudget.Add(1)
		e.Kind, e.Detail = gabion.EventGaveUp, "budget"
	}
	if cfg.Observer != nil {
		cfg.Observer.Observe(e)
	}
	return ok
}

// Learn says how long a call took that succeeded, hedges and all, and whether a hedge won.
func (h *Hedge) Learn(took time.Duration, won bool) {
	h.took.Observe(took)
	if won {
		h.wins.Add(1)
	}
}

// Snapshot is the state as of now.
func (h *Hedge) Snapshot(now gabion.Instant) Snapshot {
	return Snapshot{
		After: h.Delay(now), Budget: h.budget.Left(now),
		Hedges: h.hedges.Load(), Wins: h.wins.Load(), OverBudget: h.overBudget.Load(),
	}
}
