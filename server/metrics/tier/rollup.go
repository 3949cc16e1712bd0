package tier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// markName is the series that says up to where a step has been evaluated: its last sample, whose value is how many samples
// the step got.
const markName = "gabion_rollup:samples"

// producerRollup is the producer of what the store writes itself.
const producerRollup = "rollup"

// maxSteps is how many steps are evaluated in one go: what a long downtime left to do is not to starve the queries.
const maxSteps = 200

// tickEvery is how often [Store.Run] looks for steps to evaluate.
const tickEvery = 15 * time.Second

// rollup evaluates rules. Its steps are multiples of their length since 1970.
type rollup struct {
	engine *promql.Engine
	groups []*group

	mu       sync.Mutex // held while steps are evaluated
	statusMu sync.Mutex
	progress Progress
}

// group is all rules at one step.
type group struct {
	step  time.Duration
	mark  labels.Labels
	rules []compiled
	done  time.Time // end of the last step evaluated; zero: none yet
}

type compiled struct{ name, expr string }

// Progress is how far the roll-ups have come.
type Progress struct {
	// Steps is how many steps the last call evaluated.
	Steps int
	// Behind is how much older than it should be the step is that comes next; 0 when there is none to do.
	Behind time.Duration
	// Failed is how many times a rule could not be evaluated, such as for having too many samples. Its step went on without it.
	Failed int
	// Err is what stopped the last call or, when nothing did, why the last of those rules failed; else nil.
	Err error
}

func newRollup(o Options) (*rollup, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	limits := o.Query
	limits.Concurrency, limits.Queue = 1, 1
	r := &rollup{engine: newEngine(limits, newTurnstile(limits))}
	for _, step := range o.Steps {
		g := &group{step: step, mark: labels.FromStrings(model.MetricNameLabel, markName+model.Duration(step).String())}
		for _, rule := range o.Rules {
			name, expr, err := rule.at(step)
			if err != nil {
				return nil, errors.Join(err, r.engine.Close())
			}
			g.rules = append(g.rules, compiled{name, expr})
		}
		r.groups = append(r.groups, g)
	}
	return r, nil
}

// patience is the longest stretch of a series in the long tier.
func (r *rollup) patience() time.Duration {
	longest := time.Hour
	for _, g := range r.groups {
		longest = max(longest, g.step)
	}
	return longest * 5 / 2
}

// start finds out where the last process stopped.
func (r *rollup) start(s *Store) error {
	newest, ok := s.long.newest()
	if !ok {
		return nil
	}
	q, err := s.long.Querier(newest-(s.options.Raw.For+day).Milliseconds(), newest)
	if err != nil {
		return fmt.Errorf("tier: read the marks of the roll-ups: %w", err)
	}
	defer q.Close() //nolint:errcheck // it only read
	for _, g := range r.groups {
		set := q.Select(context.Background(), false, nil, labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, g.mark.Get(model.MetricNameLabel)))
		for set.Next() {
			it := set.At().Iterator(nil)
			for it.Next() != 0 {
				g.done = time.UnixMilli(it.AtT())
			}
			if err := it.Err(); err != nil {
				return fmt.Errorf("tier: read the marks of the roll-ups: %w", err)
			}
		}
		if err := set.Err(); err != nil {
			return fmt.Errorf("tier: read the marks of the roll-ups: %w", err)
		}
	}
	return nil
}

// Run evaluates steps when they are due, until ctx ends.
func (s *Store) Run(ctx context.Context) {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		if p := s.RollUp(ctx, s.now()); p.Err != nil && ctx.Err() == nil {
			s.options.Logger.Error("roll-up failed", slog.Any("error", p.Err), slog.Duration("behind", p.Behind), slog.Int("rules", p.Failed))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// RollUp evaluates the steps that are due at now and have not been, the oldest first, but not more than a bounded number.
func (s *Store) RollUp(ctx context.Context, now time.Time) Progress {
	r := s.rollup
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.run(ctx, s, now)
	r.statusMu.Lock()
	defer r.statusMu.Unlock()
	r.progress = p
	return p
}

// RolledUp is what the last [Store.RollUp] did.
func (s *Store) RolledUp() Progress {
	s.rollup.statusMu.Lock()
	defer s.rollup.statusMu.Unlock()
	return s.rollup.progress
}

func (r *rollup) run(ctx context.Context, s *Store, now time.Time) (p Progress) {
	if p.Err = s.enter(); p.Err != nil {
		return p
	}
	defer s.readers.Done()
	first, ok := s.raw.oldest()
	if !ok {
		return p
	}
	oldest := time.UnixMilli(max(first, now.Add(-s.options.Raw.For).UnixMilli()))
	final := now.Add(-s.options.Late) // what ended by then gets no more samples
	for {
		g, end := r.due(oldest)
		if g == nil || end.After(final) {
			p.Behind = 0
			return p
		}
		p.Behind = final.Sub(end)
		if p.Steps >= maxSteps {
			return p
		}
		failed, err := g.evaluate(ctx, r.engine, s, end)
		if err != nil {
			p.Err = err
			return p
		}
		if len(failed) > 0 {
			p.Failed += len(failed)
			p.Err = failed[len(failed)-1]
		}
		g.done = end
		p.Steps++
	}
}

// due is the group whose next step ends first, and when it does. Steps that lie before oldest are gone.
func (r *rollup) due(oldest time.Time) (*group, time.Time) {
	var first *group
	var end time.Time
	for _, g := range r.groups {
		from := g.done
		if from.Before(oldest) {
			at := oldest.UnixMilli() - 1 // a sample at the end of a step belongs to it
			from = time.UnixMilli(at - at%g.step.Milliseconds())
		}
		if next := from.Add(g.step); first == nil || next.Before(end) {
			first, end = g, next
		}
	}
	return first, end
}

// evaluate writes what the rules say of the step that ends at end, and the mark last. A rule that fails by itself is left
// out: it would fail again, and no step would ever be done.
func (g *group) evaluate(ctx context.Context, engine *promql.Engine, s *Store, end time.Time) (failed []error, err error) {
	var batch []Sample
	for _, rule := range g.rules {
		found, err := instant(ctx, engine, s.raw, rule.expr, end)
		if err != nil {
			err = fmt.Errorf("tier: roll-up %s at %s: %w", rule.name, end.UTC().Format(time.RFC3339), err)
			if _, broken := errors.AsType[promql.ErrStorage](err); broken || ctx.Err() != nil {
				return nil, err
			}
			failed = append(failed, err)
		}
		for _, f := range found {
			b := labels.NewBuilder(f.Metric)
			b.Set(model.MetricNameLabel, rule.name)
			batch = append(batch, Sample{Labels: b.Labels(), At: end.UnixMilli(), Value: f.F, FloatHistogram: f.H})
		}
	}
	batch = append(batch, Sample{Labels: g.mark, At: end.UnixMilli(), Value: float64(len(batch))})
	if err := s.long.take(ctx, s.done); err != nil {
		return nil, err
	}
	defer s.long.give()
	// The step was chosen by our own clock, and may be as old as raw.
	_, err = s.appendTo(ctx, s.long, producerRollup, window{0, end.UnixMilli()}, batch)
	return failed, err
}

// instant evaluates an expression over one database at a moment.
func instant(ctx context.Context, engine *promql.Engine, d *database, expr string, at time.Time) (promql.Vector, error) {
	q, err := engine.NewInstantQuery(ctx, d, nil, expr, at)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	result := q.Exec(ctx)
	if result.Err != nil {
		return nil, result.Err
	}
	if scalar, err := result.Scalar(); err == nil {
		return promql.Vector{{T: scalar.T, F: scalar.V}}, nil
	}
	v, err := result.Vector()
	return slices.Clone(v), err // the query takes its own back
}
