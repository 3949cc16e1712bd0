package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/journal"
	"github.com/gabion-io/gabion/server/logs/logql"
	"github.com/gabion-io/gabion/server/logs/where"
	"github.com/gabion-io/gabion/server/store/disk"
	"github.com/gabion-io/gabion/server/store/lost"
)

// Keep is how long and how much a tier keeps. What comes first counts; whole hours of seals are dropped.
type Keep struct {
	// For is for how long, from when the lines were sealed.
	For time.Duration
	// Size is how many bytes the segments may take.
	Size int64
}

// Options are what a Store can be told. The zero value of every field means its default.
type Options struct {
	// Short is how everything is kept. Default: 14 days, 20 GiB.
	Short Keep
	// Long is how the lines are kept for which Where holds. Default: 5 years (of 365 days), 20 GiB.
	Long Keep
	// Where says which lines go to the long tier; see package where. Default: none do.
	Where string

	// SealBytes is how much memory the lines may take until they are sealed. Twice that is the most, then Append refuses.
	// Default: 48 MiB.
	SealBytes int
	// SealAfter is how long a line waits at most until it is sealed. Default: 10m.
	SealAfter time.Duration

	// Queries is how many may read at a time; others wait. Default: 8.
	Queries int

	// Guard watches the disk. While it is full, nothing is appended; while it is low, nothing is merged and the short tier
	// keeps lines only for a quarter of the time. Default: nobody does.
	Guard *disk.Guard
	// Taken is called by Append with the lines that are durable now, before it returns. It must neither keep nor change
	// them, nor block. Default: nobody is told.
	Taken func([]entry.Entry)
	// Damaged is called once for each part that is found damaged, also by Open. It must not block. Default: nobody is told.
	Damaged func(Damage)
	// Log is for messages. Default: nothing is logged.
	Log *slog.Logger
	// Now is the wall clock. Default: time.Now.
	Now func() time.Time
}

const (
	defaultKeepBytes = 20 << 30
	defaultSeal      = 48 << 20
	defaultQueries   = 8
	day              = 24 * time.Hour
)

func (o Options) withDefaults() Options {
	o.Short.For = cmp.Or(o.Short.For, 14*day)
	o.Long.For = cmp.Or(o.Long.For, 5*365*day)
	o.Short.Size = cmp.Or(o.Short.Size, defaultKeepBytes)
	o.Long.Size = cmp.Or(o.Long.Size, defaultKeepBytes)
	o.SealBytes = cmp.Or(o.SealBytes, defaultSeal)
	o.SealAfter = cmp.Or(o.SealAfter, 10*time.Minute)
	o.Queries = cmp.Or(o.Queries, defaultQueries)
	if o.Taken == nil {
		o.Taken = func([]entry.Entry) {}
	}
	if o.Damaged == nil {
		o.Damaged = func(Damage) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Store keeps lines. Make it with [Open], let [Store.Run] run, end it with [Store.Close]. It is safe for concurrent use.
type Store struct {
	logql.Live // who follows

	options Options
	where   where.Condition
	journal *journal.Journal
	kick    chan struct{} // there is something to seal
	slots   chan struct{} // one for each query that reads

	// appending is held by who appends, for reading, from before the journal has the lines until the memory has them; and
	// by who changes the table, so that what is in the journal before the cut is in the table that is sealed.
	appending sync.RWMutex

	mu          sync.RWMutex // of what follows
	active      *table       // takes what comes in
	sealing     *table       // is being written; nil when none is
	short, long *tier
	next        uint64           // the number of the next seal
	cut         journal.Position // where the journal goes on behind sealing
	swapped     time.Time        // when sealing was taken out
	coming      int              // bytes that are on their way to memory

	counts   counts
	reported sync.Map // the damaged parts of segments that were reported
	losses   *lost.List[Damage]
}

// counts are those of a [Status].
type counts struct {
	lines, refused, failures, damaged, lostRecords, lostLines atomic.Uint64
}

// Open opens the store in a directory, and makes it if it is not there: it removes what a crash has left, and reads the
// journal. Damage is no error: it is logged and counted, and everything else is there. Errors: that of a bad Where, and those
// of the file system and of package journal.
func Open(dir string, o Options) (_ *Store, err error) {
	s := &Store{options: o.withDefaults(), active: &table{}, kick: make(chan struct{}, 1)}
	s.slots = make(chan struct{}, s.options.Queries)
	if o.Where != "" {
		if s.where, err = where.Parse(o.Where); err != nil {
			return nil, fmt.Errorf("where: %w", err)
		}
	}
	defer func() {
		if err != nil {
			_ = s.Close() // what failed says more
		}
	}()
	since := s.options.Now().Add(-max(s.options.Short.For, s.options.Long.For))
	if s.losses, err = lost.Open(filepath.Join(dir, lossFile), func(d Damage) bool { return d.To.After(since) }); err != nil {
		s.options.Log.Warn("what was lost of the logs cannot be read: queries do not tell of it", "error", err)
	}
	if s.short, err = s.openTier(filepath.Join(dir, "short"), s.options.Short); err != nil {
		return nil, err
	}
	if s.long, err = s.openTier(filepath.Join(dir, "long"), s.options.Long); err != nil {
		return nil, err
	}
	if s.journal, err = journal.Open(filepath.Join(dir, "journal"), journal.Options{}); err != nil {
		return nil, err
	}
	if err := s.reconcile(); err != nil {
		return nil, err
	}
	return s, s.replay()
}

// reconcile removes from the long tier what was sealed without the short one: the journal still has it.
func (s *Store) reconcile() error {
	sealed := s.short.end()
	s.next = max(sealed.last, s.long.end().last) + 1
	begins, err := s.begins()
	if err != nil {
		return err
	}
	for _, f := range s.long.all() {
		// When the short tier has nothing, that may be because it has dropped everything since; and what was merged is not new.
		if f.span.first > sealed.last && f.span.first == f.span.last && begins.Compare(f.span.position()) < 0 {
			if err := s.long.drop(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// begins is where the first record of the journal is, its end when there is none.
func (s *Store) begins() (journal.Position, error) {
	for record, err := range s.journal.Replay(journal.Position{}) {
		if err == nil {
			return record.Start, nil
		}
		if _, ok := errors.AsType[*journal.DamageError](err); !ok {
			return journal.Position{}, err
		}
	}
	return s.journal.End(), nil
}

// replay brings what is in the journal and in no segment into memory.
func (s *Store) replay() error {
	from := s.short.end().position()
	if end := s.journal.End(); from.Compare(end) > 0 {
		s.options.Log.Warn("the journal of the logs is not the one that belongs to the segments: all of it is read", "segments", from.String(), "journal", end.String())
		from = journal.Position{}
	}
	s.torn(s.journal.Torn())
	holes := newHoles(s)
	for record, err := range s.journal.Replay(from) {
		if damage, ok := errors.AsType[*journal.DamageError](err); ok {
			holes.damage(damage)
			continue
		}
		if err != nil {
			return err
		}
		holes.record(record.Entries)
		s.active.add(s.pack(record.Entries), s.options.Now())
	}
	holes.end()
	return nil
}

// Append keeps lines, and returns nil when they are durable and queries find them. The lines may be changed when it has
// returned, and nothing of them is kept. Errors: a [*ingest.FullError] when there is no room, those of the disk, and of the context,
// after which the lines may be there or not.
func (s *Store) Append(ctx context.Context, lines []entry.Entry) error {
	for len(lines) > 0 {
		n, size := batch(lines)
		if err := s.append(ctx, lines[:n], size); err != nil {
			s.counts.refused.Add(uint64(len(lines)))
			return err
		}
		lines = lines[n:]
	}
	return nil
}

// batch is how many of the lines the journal takes at once, and their size.
func batch(lines []entry.Entry) (n, size int) {
	for i := range lines {
		more := lines[i].Size()
		if size+more > journal.MaxBatch && i > 0 {
			return i, size
		}
		size += more
	}
	return len(lines), size
}

func (s *Store) append(ctx context.Context, lines []entry.Entry, size int) error {
	if s.options.Guard != nil {
		if err := s.options.Guard.Admit(); err != nil {
			return &ingest.FullError{Reason: err.Error(), After: time.Minute / 2}
		}
	}
	s.appending.RLock()
	defer s.appending.RUnlock()
	if !s.reserve(size) {
		return &ingest.FullError{Reason: "memory: more lines come than can be written", After: time.Second}
	}
	own := s.pack(lines)
	err := s.journal.Append(ctx, own)
	s.mu.Lock()
	s.coming -= size
	if err == nil {
		s.active.add(own, s.options.Now())
	}
	ripe := s.active.bytes >= s.options.SealBytes
	s.mu.Unlock()
	if err != nil {
		return s.journalFailed(err)
	}
	if ripe {
		select {
		case s.kick <- struct{}{}:
		default:
		}
	}
	s.counts.lines.Add(uint64(len(lines)))
	if s.Followed() {
		for i := range lines {
			e := clone(&lines[i])
			fill(e)
			s.Publish(e)
		}
	}
	s.options.Taken(lines)
	return nil
}

// reserve takes room in memory, if there is any left: the last batch may be larger than that.
func (s *Store) reserve(bytes int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	used := s.active.bytes + s.coming
	if s.sealing != nil {
		used += s.sealing.bytes
	}
	if used >= 2*s.options.SealBytes {
		return false
	}
	s.coming += bytes
	return true
}

// journalFailed is the error of Append for one of the journal.
func (s *Store) journalFailed(err error) error {
	if errors.Is(err, journal.ErrFull) {
		return &ingest.FullError{Reason: err.Error(), After: time.Second}
	}
	if errors.Is(err, journal.ErrTooLarge) {
		return fmt.Errorf("%w: %w", ingest.ErrTooLarge, err)
	}
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		s.counts.failures.Add(1)
	}
	err = s.report(err)
	if errors.Is(err, journal.ErrNoSpace) {
		return &ingest.FullError{Reason: err.Error(), After: time.Minute / 2}
	}
	return err
}

// report tells the guard how a write ended.
func (s *Store) report(err error) error {
	if s.options.Guard == nil {
		return err
	}
	return s.options.Guard.Report(err)
}

// Close closes the files. What is not sealed is in the journal. Nothing may use the store any more, but for Append, which
// fails.
func (s *Store) Close() error {
	var errs []error
	if s.journal != nil {
		errs = append(errs, s.journal.Close())
	}
	for _, t := range []*tier{s.short, s.long} {
		if t != nil {
			errs = append(errs, t.close())
		}
	}
	return errors.Join(errs...)
}
