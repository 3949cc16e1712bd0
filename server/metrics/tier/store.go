package tier

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/gabion-io/gabion/server/store/lost"
)

// ErrClosed is what a closed [Store] answers.
var ErrClosed = errors.New("tier: closed")

// Store is the two databases. It is safe for concurrent use. Make it with [Open] and end it with [Store.Close].
type Store struct {
	options   Options
	raw, long *database
	ledger    ledger
	catalog   catalog
	engine    *promql.Engine
	turnstile *turnstile
	rollup    *rollup
	losses    *lost.List[Damage]

	clockMu sync.Mutex
	clock   clock

	mu      sync.Mutex
	closed  bool
	done    chan struct{}  // closed when it is
	readers sync.WaitGroup // queriers that are open
}

// Open opens the databases in dir, which it makes when it is not there. It fails when another process has it open.
func Open(dir string, options Options) (*Store, error) {
	o := options.withDefaults()
	s := &Store{options: o, done: make(chan struct{})}
	rollup, err := newRollup(o)
	if err != nil {
		return nil, err
	}
	since := o.Now().Add(-max(o.Raw.For, o.Long.For))
	if s.losses, err = lost.Open(filepath.Join(dir, lossFile), func(d Damage) bool { return d.To.After(since) }); err != nil {
		o.Logger.Warn("what was lost of the metrics cannot be read: queries do not tell of it", "error", err)
	}
	s.raw, err = openDatabase(filepath.Join(dir, "raw"), shape{
		name: "raw", keep: o.Raw, shortest: 2 * time.Hour, widest: max(o.Raw.For/10, 2*time.Hour), late: o.Late,
	}, o, s)
	if err != nil {
		return nil, err
	}
	s.raw.taken = o.Taken
	s.long, err = openDatabase(filepath.Join(dir, "long"), shape{
		name: "long", keep: o.Long, shortest: day, widest: 60 * day,
		late:   o.Raw.For + day, // a roll-up that is made up for may be as old as raw
		exempt: markName,
	}, o, s)
	if err != nil {
		return nil, errors.Join(err, s.raw.Close())
	}
	s.turnstile = newTurnstile(o.Query)
	s.engine = newEngine(o.Query, s.turnstile)
	s.rollup = rollup
	if err := rollup.start(s); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close ends the store after the appends and queries that are under way. Calling it again does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.done)
	s.mu.Unlock()
	s.readers.Wait()
	s.raw.turn <- struct{}{} // for good: what comes now finds done closed
	s.long.turn <- struct{}{}
	return errors.Join(s.engine.Close(), s.rollup.engine.Close(), s.raw.Close(), s.long.Close())
}

// now is the time as the guards see it.
func (s *Store) now() time.Time {
	s.clockMu.Lock()
	defer s.clockMu.Unlock()
	return s.clock.read(s.options.Now(), s.options.Monotonic())
}

// Append writes samples of a producer (a name for people, such as the address of who sent them) to raw. What the guards
// refuse is left out and reported; an error means that nothing of the batch was written: [ErrFull] when there is no room,
// [ErrClosed], the context's, or the database's.
func (s *Store) Append(ctx context.Context, producer string, batch []Sample) (Dropped, error) {
	if err := s.raw.take(ctx, s.done); err != nil {
		return Dropped{}, err
	}
	defer s.raw.give()
	return s.appendTo(ctx, s.raw, producer, windowAt(s.now(), s.options.Oldest, s.options.Ahead), batch)
}

// appendTo is for who has the database's turn.
func (s *Store) appendTo(ctx context.Context, d *database, producer string, open window, batch []Sample) (Dropped, error) {
	err := d.room.check(s.options.Monotonic())
	var dropped Dropped
	if err == nil {
		dropped, err = d.append(ctx, producer, open, batch)
		if s.options.Guard != nil && err != nil {
			err = s.options.Guard.Report(err)
		}
	}
	if errors.Is(err, ErrFull) {
		s.ledger.add(producer, Full, d.name, len(batch))
	}
	return dropped, err
}

// Describe remembers what a metric means, until the store is closed. The number of metrics is bounded.
func (s *Store) Describe(metric string, m Metadata) { s.catalog.put(metric, m) }

// Metadata is what is known of the metrics, by name.
func (s *Store) Metadata() map[string]Metadata { return s.catalog.get() }

// Drops is what was refused since the store was opened, the largest count first.
func (s *Store) Drops() []Drop { return s.ledger.drops() }

// Status is the state of a tier.
type Status struct {
	// Name is raw or long.
	Name string
	// Series is how many series have had samples lately.
	Series uint64
	// Bytes is what it takes on the disk.
	Bytes int64
	// Oldest and Newest are the times of its first and last sample; zero when it is empty.
	Oldest, Newest time.Time
	// Full says why nothing is taken now; nil while samples are.
	Full error
}

// Status tells the state of both tiers, raw first.
func (s *Store) Status() []Status {
	all := make([]Status, 0, 2)
	for _, d := range []*database{s.raw, s.long} {
		st := Status{Name: d.name, Series: d.Head().NumSeries(), Bytes: d.size(), Full: d.room.check(s.options.Monotonic())}
		if at, ok := d.oldest(); ok {
			st.Oldest = time.UnixMilli(at).UTC()
		}
		if at, ok := d.newest(); ok {
			st.Newest = time.UnixMilli(at).UTC()
		}
		all = append(all, st)
	}
	return all
}

// Cardinality is which names, labels and values have the most series in raw, at most limit of each.
func (s *Store) Cardinality(limit int) *tsdb.Stats { return s.raw.Head().Stats("__name__", limit) }

// check fails early when two rules or steps contradict each other.
func (o Options) check() error {
	if len(o.Steps) == 0 && len(o.Rules) > 0 {
		return errors.New("tier: there are roll-up rules, but no steps")
	}
	for _, step := range o.Steps {
		if step < time.Minute || step > day || day%step != 0 {
			return fmt.Errorf("tier: a step of %v: it must be between 1m and 24h, and a day must be a multiple of it", step)
		}
	}
	return nil
}
