package tier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/compression"
)

// database is one tier. Appends take turns: what the guard decided about a new series holds until it is born.
type database struct {
	*tsdb.DB
	name   string
	turn   chan struct{}
	census *census
	gate   gate
	room   *room
	ledger *ledger
	recall recall
	taken  func([]Sample) // may be nil
}

// shape is how a tier differs from the other.
type shape struct {
	name             string
	keep             Keep
	shortest, widest time.Duration // of a block
	late             time.Duration
	exempt           string // series whose names begin so are not counted against the limits; "": none
}

// stripes is over how many maps the index of series is spread, each with a lock; a power of two. The default is for many
// writers and millions of series: with one writer and some ten thousand, all that it does is to find no lock in the cache of
// the processor.
const stripes = 2048

func openDatabase(dir string, s shape, o Options, of *Store) (*database, error) {
	d := &database{name: s.name, turn: make(chan struct{}, 1), census: newCensus(), ledger: &of.ledger}
	d.recall.deaths = &d.census.deaths
	d.gate = gate{limits: o.Limits, labels: o.Labels, census: d.census, exempt: s.exempt}
	t := tsdb.DefaultOptions()
	t.RetentionDuration = s.keep.For.Milliseconds()
	t.MaxBytes = s.keep.Size
	t.MinBlockDuration, t.MaxBlockDuration = s.shortest.Milliseconds(), s.widest.Milliseconds()
	t.OutOfOrderTimeWindow = s.late.Milliseconds()
	t.WALCompression = compression.Snappy
	t.StripeSize = stripes
	t.SeriesLifecycleCallback = d.census
	torn := &tornBlocks{tier: s.name, lose: of.lose, told: map[string]bool{}}
	torn.remember(of.losses.All())
	t.BlockQuerierFunc = torn.querier
	var own *prometheus.Registry
	open := opening{dir: dir, tier: s.name, lose: of.lose, open: func() (*tsdb.DB, error) {
		own = prometheus.NewRegistry() // what failed to open stays in its own
		return tsdb.Open(dir, hush(o.Logger).With(slog.String("tier", s.name)), own, t, nil)
	}}
	db, err := open.run()
	if err == nil && o.Registerer != nil {
		if err = prometheus.WrapRegistererWith(prometheus.Labels{"tier": s.name}, o.Registerer).Register(own); err != nil {
			err = errors.Join(err, db.Close())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("tier: open %s: %w", s.name, err)
	}
	d.DB = db
	d.room = &room{tier: s.name, guard: o.Guard, quota: s.keep.Size, used: d.size}
	return d, nil
}

// size is how many bytes the database takes on the disk.
func (d *database) size() int64 {
	n := d.Head().Size()
	for _, b := range d.Blocks() {
		n += b.Size()
	}
	return n
}

// oldest and newest are the times of its first and last sample; ok is false when it has none.
func (d *database) oldest() (at int64, ok bool) {
	at = d.Head().MinTime()
	if blocks := d.Blocks(); len(blocks) > 0 {
		at = min(at, blocks[0].MinTime())
	}
	return at, at != math.MaxInt64
}

func (d *database) newest() (at int64, ok bool) {
	at = d.Head().MaxTime()
	if blocks := d.Blocks(); len(blocks) > 0 {
		at = max(at, blocks[len(blocks)-1].MaxTime()-1) // the end of a block is not in it
	}
	return at, at != math.MinInt64
}

// take waits for the turn to append.
func (d *database) take(ctx context.Context, closed <-chan struct{}) error {
	select {
	case <-closed:
		return ErrClosed
	default:
	}
	select {
	case <-closed:
		return ErrClosed
	case d.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("tier: waiting for %s: %w", d.name, context.Cause(ctx))
	}
}

func (d *database) give() { <-d.turn }

// append writes what the gate lets through, all or nothing. Whoever calls it has the turn.
func (d *database) append(ctx context.Context, producer string, open window, batch []Sample) (Dropped, error) {
	var dropped Dropped
	// Not the appender of the database: that adds a call to each sample, and to each batch a look whether it is time for a
	// block, which the database takes every minute anyway.
	app := d.Head().AppenderV2(ctx)
	known := d.recall.begin(producer)
	var refused []int
	for i := range batch {
		s := &batch[i]
		var reason Reason
		var culprit string
		var err error
		if usual := known.expected(s.Labels); usual != nil && open.holds(s.At) && !s.ends() {
			// Nearly all samples go this way: it is written out here because calls would be most of what it costs.
			known.at++
			if _, err = app.Append(usual.ref, usual.labels, 0, s.At, s.Value, s.Histogram, s.FloatHistogram, storage.AppendV2Options{}); err == nil {
				continue
			}
			reason, culprit, err = judge(err)
		} else {
			reason, culprit, err = d.one(app, &known, open, s)
		}
		switch {
		case err == nil:
		case errors.Is(err, errRefused):
			dropped.add(reason, s, err.Error())
			d.ledger.add(producer, reason, culprit, 1)
			if d.taken != nil {
				refused = append(refused, i)
			}
		default:
			return dropped, d.failed(errors.Join(err, app.Rollback()))
		}
	}
	if err := app.Commit(); err != nil {
		return dropped, d.failed(err)
	}
	d.recall.end(producer, &known)
	if d.taken != nil {
		d.taken(without(batch, refused))
	}
	return dropped, nil
}

// without is a batch without the samples of those indexes, which are in order.
func without(batch []Sample, refused []int) []Sample {
	if len(refused) == 0 {
		return batch
	}
	kept := make([]Sample, 0, len(batch)-len(refused))
	from := 0
	for _, i := range refused {
		kept = append(kept, batch[from:i]...)
		from = i + 1
	}
	return append(kept, batch[from:]...)
}

// one appends a sample. An error that is errRefused concerns this sample alone.
func (d *database) one(app storage.AppenderV2, known *sequence, open window, s *Sample) (Reason, string, error) {
	if reason, err := open.admit(s.At); err != nil {
		return reason, "", err
	}
	series, recalled := known.next(s.Labels)
	if !recalled {
		var reason Reason
		var culprit string
		var err error
		if series, reason, culprit, err = d.find(app, s.Labels); err != nil {
			return reason, culprit, err
		}
	}
	ends := s.ends()
	ref, err := app.Append(series.ref, series.labels, 0, s.At, s.Value, s.Histogram, s.FloatHistogram, storage.AppendV2Options{RejectOutOfOrder: ends})
	if err != nil {
		if ends && errors.Is(err, storage.ErrOutOfOrderSample) {
			return 0, "", nil // the series went on meanwhile
		}
		return judge(err)
	}
	if !recalled {
		series.ref = ref
		known.learn(series)
	}
	return 0, "", nil
}

// find looks a series up; its reference is 0 when it is new and may be born.
func (d *database) find(app storage.AppenderV2, l labels.Labels) (recalled, Reason, string, error) {
	if index, ok := app.(storage.GetRef); ok {
		if ref, own := index.GetRef(l, l.Hash()); ref != 0 {
			return recalled{own, ref}, 0, "", nil
		}
	}
	reason, culprit, err := d.gate.admit(l)
	return recalled{labels: l}, reason, culprit, err
}

// judge tells a bad sample from a broken database.
func judge(err error) (Reason, string, error) {
	_, badHistogram := errors.AsType[histogram.Error](err)
	switch {
	case errors.Is(err, storage.ErrTooOldSample), errors.Is(err, storage.ErrOutOfOrderSample), errors.Is(err, storage.ErrOutOfBounds):
		return TooOld, "", refuse("there are newer samples, and it is too late for an older one")
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		return Duplicate, "", refuse("there is another value for that moment")
	case badHistogram:
		return BadHistogram, "", refuse(err.Error())
	case errors.Is(err, tsdb.ErrInvalidSample):
		return BadLabels, "", refuse(err.Error())
	}
	return 0, "", err
}

// failed names the tier, and tells a full disk from other trouble.
func (d *database) failed(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &FullError{Tier: d.name, Err: err}
	}
	return fmt.Errorf("tier: append to %s: %w", d.name, err)
}
