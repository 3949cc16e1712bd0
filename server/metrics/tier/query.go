package tier

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// LookBack is how long a sample of raw stands for the present. That of a roll-up is two and a half times its step.
const LookBack = 5 * time.Minute

// ErrBusy is what a query fails with when too many others wait already.
var ErrBusy = errors.New("tier: too many queries wait already: try again later")

// NewParser makes the parser of the queries that the engine understands.
func NewParser() parser.Parser { return parser.NewParser(parserOptions) }

var parserOptions = parser.Options{EnableExtendedRangeSelectors: true}

// Asking bounds one query further.
type Asking struct {
	// Timeout is how long it may take, when that is less than [QueryLimits.Timeout]. Default: that one.
	Timeout time.Duration
	// LookBack is how long a sample stands for the present. Default: [LookBack].
	LookBack time.Duration
}

// Answer is what a query found.
type Answer struct {
	// Value is a promql.Vector, promql.Matrix, promql.Scalar or promql.String. It is valid until Close.
	Value parser.Value
	// Warnings say what is doubtful about it.
	Warnings annotations.Annotations

	query  promql.Query
	cancel context.CancelFunc
}

// Close gives back what the answer holds.
func (a *Answer) Close() {
	a.query.Close()
	a.cancel()
}

// Instant evaluates an expression at a moment, over both tiers. Its errors are a parser.ParseErrors (with positions), those
// of package promql (too many samples, too long), [ErrBusy], [ErrClosed] and the context's.
func (s *Store) Instant(ctx context.Context, expr string, at time.Time, ask Asking) (*Answer, error) {
	return s.ask(ctx, ask, func(ctx context.Context, v *view, o promql.QueryOpts) (promql.Query, error) {
		return s.engine.NewInstantQuery(ctx, v, o, expr, at)
	})
}

// Range evaluates an expression at from, and every step after it up to to. Its errors are those of [Store.Instant].
func (s *Store) Range(ctx context.Context, expr string, from, to time.Time, step time.Duration, ask Asking) (*Answer, error) {
	return s.ask(ctx, ask, func(ctx context.Context, v *view, o promql.QueryOpts) (promql.Query, error) {
		return s.engine.NewRangeQuery(ctx, v, o, expr, from, to, step)
	})
}

type prepare func(context.Context, *view, promql.QueryOpts) (promql.Query, error)

// ask bounds the time from the very beginning: preparing a query waits for its turn as well.
func (s *Store) ask(ctx context.Context, ask Asking, prepare prepare) (*Answer, error) {
	limit := s.options.Query.Timeout
	if ask.Timeout > 0 {
		limit = min(limit, ask.Timeout)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	v := &view{Store: s}
	q, err := prepare(ctx, v, promql.NewPrometheusQueryOpts(false, cmp.Or(max(ask.LookBack, 0), LookBack)))
	if err != nil {
		cancel()
		return nil, err
	}
	v.moments, v.folds = momentsOf(q.Statement())
	result := q.Exec(ctx)
	a := &Answer{Value: result.Value, Warnings: result.Warnings, query: q, cancel: cancel}
	if result.Err != nil {
		a.Close()
		return nil, result.Err
	}
	return a, nil
}

func newEngine(q QueryLimits, t *turnstile) *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{
		MaxSamples:               q.Samples,
		Timeout:                  q.Timeout,
		LookbackDelta:            LookBack,
		ActiveQueryTracker:       t,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		Parser:                   NewParser(),
	})
}

// turnstile lets some queries run, some wait, and turns the others away. It implements promql.QueryTracker.
type turnstile struct{ places, waiting chan struct{} }

func newTurnstile(q QueryLimits) *turnstile {
	return &turnstile{places: make(chan struct{}, q.Concurrency), waiting: make(chan struct{}, q.Concurrency+q.Queue)}
}

// GetMaxConcurrent implements promql.QueryTracker.
func (t *turnstile) GetMaxConcurrent() int { return cap(t.places) }

// Insert implements promql.QueryTracker.
func (t *turnstile) Insert(ctx context.Context, _ string) (int, error) {
	select {
	case t.waiting <- struct{}{}:
	default:
		return 0, ErrBusy
	}
	select {
	case t.places <- struct{}{}:
		return 0, nil
	case <-ctx.Done():
		<-t.waiting
		return 0, ctx.Err()
	}
}

// Delete implements promql.QueryTracker.
func (t *turnstile) Delete(int) {
	<-t.places
	<-t.waiting
}

// Close implements promql.QueryTracker.
func (t *turnstile) Close() error { return nil }

// view is both tiers as one query sees them.
type view struct {
	*Store
	moments moments
	folds   bool // the moments are those of all its selectors
}

// Querier implements storage.Queryable.
func (v *view) Querier(from, to int64) (storage.Querier, error) {
	q, err := v.Store.Querier(from, to)
	if err != nil || !v.folds {
		return q, err
	}
	return &folding{q, v.moments}, nil
}

// Querier implements storage.Queryable over both tiers.
func (s *Store) Querier(from, to int64) (storage.Querier, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	raw, err := s.raw.Querier(from, to)
	if err != nil {
		s.readers.Done()
		return nil, err
	}
	long, err := newPatient(s.long, from, to, s.rollup.patience())
	if err != nil {
		err = errors.Join(err, raw.Close())
		s.readers.Done()
		return nil, err
	}
	merged := storage.NewMergeQuerier([]storage.Querier{raw, long}, nil, storage.ChainedSeriesMerge)
	return &guest{Querier: merged, lost: s.lost(from, to), leave: s.readers.Done}, nil
}

// enter keeps the store open until readers.Done.
func (s *Store) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.readers.Add(1)
	return nil
}

// guest is a querier that the store waits for before it closes.
type guest struct {
	storage.Querier
	lost  annotations.Annotations
	leave func()
}

// Close implements storage.Querier.
func (g *guest) Close() error {
	err := g.Querier.Close()
	if g.leave != nil {
		g.leave()
		g.leave = nil
	}
	return err
}
