package tier

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// LookBack is how long a sample of raw stands for the present. That of a roll-up is two and a half times its step.
const LookBack = 5 * time.Minute

// ErrBusy is what a query fails with when too many others wait already.
var ErrBusy = errors.New("tier: too many queries wait already: try again later")

// NewParser makes the parser of the queries that the engine understands.
func NewParser() parser.Parser { return parser.NewParser(parserOptions) }

var parserOptions = parser.Options{EnableExtendedRangeSelectors: true}

// Engine evaluates queries within [Options.Query]. It goes with the store as its storage.Queryable.
func (s *Store) Engine() *promql.Engine { return s.engine }

func newEngine(q QueryLimits) *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{
		MaxSamples:               q.Samples,
		Timeout:                  q.Timeout,
		LookbackDelta:            LookBack,
		ActiveQueryTracker:       &turnstile{places: make(chan struct{}, q.Concurrency), waiting: make(chan struct{}, q.Concurrency+q.Queue)},
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		Parser:                   NewParser(),
	})
}

// turnstile lets some queries run, some wait, and turns the others away. It implements promql.QueryTracker.
type turnstile struct{ places, waiting chan struct{} }

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
	return &guest{Querier: merged, leave: s.readers.Done}, nil
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
