package tier

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gabion-io/gabion"
)

// Options are what a [Store] is made of. The zero value of every field means its default.
type Options struct {
	// Raw is how samples are kept as they came. Default: 15 days, 20 GiB.
	Raw Keep
	// Long is how roll-ups are kept. Default: 5 years (of 365 days), 20 GiB.
	Long Keep

	// Ahead is how far ahead of our clock the time of a sample may lie. Default: 2m. A sample from tomorrow would make the
	// database refuse everything of today.
	Ahead time.Duration
	// Late is how far behind the newest sample of all a sample of raw may lie when its series has newer ones. Roll-ups wait
	// that long, so that they miss nothing. Default: 10m.
	Late time.Duration
	// Oldest is how far behind our clock the time of a sample may lie in any case. Default: 1h.
	Oldest time.Duration

	// Limits bound the series, Labels what they are named.
	Limits Limits
	Labels LabelLimits

	// Guard watches the disk. Default: only the size of each tier is watched.
	Guard Guard

	// Query bounds queries.
	Query QueryLimits

	// Rules are the roll-ups. Default: [DefaultRules]. Steps are over how long each of them sums up. Default: 5m and 1h.
	Rules []Rule
	Steps []time.Duration

	// Taken is called with the samples that Append has written to raw, in the order in which they were written. It must not
	// wait, and must not keep the slice. Default: nobody is told.
	Taken func([]Sample)

	// Damaged is called with what Open finds damaged. Default: nobody is told.
	Damaged func(Damage)

	// Now reads the wall clock. Default: time.Now. Monotonic reads the clock that never leaps. Default: gabion.Now.
	Now       func() time.Time
	Monotonic func() gabion.Instant
	// Logger gets what the databases say: what they say at level info as debug. Default: nothing is logged.
	Logger *slog.Logger
	// Registerer gets the databases' own metrics, with the label tier. Default: they are not kept.
	Registerer prometheus.Registerer
}

// Keep is how long and how much a tier keeps. What comes first counts.
type Keep struct {
	// For is for how long.
	For time.Duration
	// Size is how many bytes the database may take on the disk: then its oldest block goes, and when that is not enough nothing
	// more is taken.
	Size int64
}

// Limits are how many series there may be at a time. A series counts until it has had no sample for two to three hours.
type Limits struct {
	// Service is for each value of the label service (or job, when there is none). Default: 50,000.
	Service int
	// Metric is for each name. Default: 50,000.
	Metric int
	// Total is for all together: a series costs about 1 KB of memory. Default: 200,000.
	Total int
}

// LabelLimits bound the labels of a series.
type LabelLimits struct {
	// Count is how many labels. Default: 64.
	Count int
	// Name and Value are how many bytes each name and value may have. Default: 256 and 2048.
	Name, Value int
}

// QueryLimits bound queries.
type QueryLimits struct {
	// Samples is how many samples a query may hold in memory at a time. Default: 10 million.
	Samples int
	// Timeout is how long a query may take, its wait for others included. Default: 30s.
	Timeout time.Duration
	// Concurrency is how many queries run at a time. Default: 4. Queue is how many more may wait. Default: 32.
	Concurrency, Queue int
}

const day = 24 * time.Hour

func (o Options) withDefaults() Options {
	o.Raw.For = cmp.Or(o.Raw.For, 15*day)
	o.Raw.Size = cmp.Or(o.Raw.Size, 20<<30)
	o.Long.For = cmp.Or(o.Long.For, 5*365*day)
	o.Long.Size = cmp.Or(o.Long.Size, 20<<30)
	o.Ahead = cmp.Or(o.Ahead, 2*time.Minute)
	o.Late = cmp.Or(o.Late, 10*time.Minute)
	o.Oldest = cmp.Or(o.Oldest, time.Hour)
	o.Limits.Service = cmp.Or(o.Limits.Service, 50_000)
	o.Limits.Metric = cmp.Or(o.Limits.Metric, 50_000)
	o.Limits.Total = cmp.Or(o.Limits.Total, 200_000)
	o.Labels.Count = cmp.Or(o.Labels.Count, 64)
	o.Labels.Name = cmp.Or(o.Labels.Name, 256)
	o.Labels.Value = cmp.Or(o.Labels.Value, 2048)
	o.Query.Samples = cmp.Or(o.Query.Samples, 10_000_000)
	o.Query.Timeout = cmp.Or(o.Query.Timeout, 30*time.Second)
	o.Query.Concurrency = cmp.Or(o.Query.Concurrency, 4)
	o.Query.Queue = cmp.Or(o.Query.Queue, 32)
	if o.Rules == nil {
		o.Rules = DefaultRules()
	}
	if o.Steps == nil {
		o.Steps = []time.Duration{5 * time.Minute, time.Hour}
	}
	if o.Damaged == nil {
		o.Damaged = func(Damage) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Monotonic == nil {
		o.Monotonic = gabion.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
