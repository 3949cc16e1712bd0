// Package scrape asks targets for their metrics and stores what they say: Prometheus' text format and OpenMetrics, by the
// scraper of Prometheus itself.
//
// Every series gets the labels job and instance; a label of the target with such a name becomes exported_job or
// exported_instance. Each scrape also stores up (1 or 0), scrape_duration_seconds and scrape_samples_scraped. A series that
// the target no longer has, or all of them when the scrape fails, end at once with a staleness marker, and so do those of a
// target that is no longer asked, after two of its intervals.
//
// Each target is asked by a goroutine of its own, at a moment of its interval that depends on its name, so that not all are
// asked at once. Redirects are not followed: they would let a target choose whom we ask.
package scrape

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	httpconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/scrape"

	"github.com/gabion-io/gabion/server/metrics/tier"
)

// Store takes what was scraped. A [tier.Store] is one.
type Store interface {
	Append(ctx context.Context, producer string, batch []tier.Sample) (tier.Dropped, error)
	Describe(metric string, m tier.Metadata)
}

// Options are what a [Scraper] is made of. The zero value of every field but Store means its default.
type Options struct {
	// Store takes what was scraped. The producer is "scrape JOB INSTANCE". Required.
	Store Store
	// Body is how many bytes a target may say at once, unpacked. Default: 16 MiB.
	Body int64
	// Samples is how many samples it may say at once. Default: 100,000. With more, the scrape fails.
	Samples uint
	// Logger gets what the scraper says. Default: nothing is logged.
	Logger *slog.Logger
	// Registerer gets the scraper's own metrics. Default: they are not kept.
	Registerer prometheus.Registerer

	delay time.Duration // until an update is looked at; default: 1s
}

// pool is the one group of targets that the manager knows: what jobs differ in are labels of their targets. So a change
// concerns the targets that differ and no other, and those that are gone are marked as such.
const pool = "gabion"

// settings are those that all targets share.
const settings = `
scrape_configs:
- job_name: ` + pool + `
  follow_redirects: false
  body_size_limit: %dB
  sample_limit: %d
`

// Scraper asks targets. It is safe for concurrent use. Make it with [Open] and end it with [Scraper.Close].
type Scraper struct {
	manager *scrape.Manager
	log     *slog.Logger
	ready   atomic.Bool // the manager answers
	cancel  context.CancelFunc
	ended   chan struct{}

	mu      sync.Mutex
	updates chan targets // the newest that was not looked at yet
}

// targets is how the manager wants them.
type targets map[string][]*targetgroup.Group

// Open begins to ask the targets of the jobs. It fails when [Check] does.
func Open(o Options, jobs []Job) (*Scraper, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	c, err := config.Load(fmt.Sprintf(settings, cmp.Or(o.Body, 16<<20), cmp.Or(o.Samples, 100_000)), o.Logger)
	if err != nil {
		return nil, fmt.Errorf("scrape: %w", err)
	}
	m, err := scrape.NewManager(&scrape.Options{
		AppendMetadata:           true,
		DiscoveryReloadInterval:  model.Duration(cmp.Or(o.delay, time.Second)),
		DiscoveryReloadOnStartup: true,
		HTTPClientOptions:        []httpconfig.HTTPClientOption{httpconfig.WithUserAgent("gabion")},
	}, o.Logger, nil, nil, &shelf{store: o.Store}, o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("scrape: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Scraper{manager: m, log: o.Logger, cancel: cancel, ended: make(chan struct{}), updates: make(chan targets, 1)}
	if err := s.Update(jobs); err != nil {
		cancel()
		return nil, err
	}
	go s.run(ctx, c)
	return s, nil
}

// run is the goroutine that owns the manager.
func (s *Scraper) run(ctx context.Context, c *config.Config) {
	defer close(s.ended)
	if !s.prepare(ctx, c) {
		return
	}
	sets := make(chan map[string][]*targetgroup.Group)
	done := make(chan struct{})
	go func() {
		defer close(done)
		// It never fails.
		_ = s.manager.Run(sets)
	}()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case t := <-s.updates:
			sets <- t
		}
	}
	// An update that the manager looks at after it was stopped must find nothing to start again.
	sets <- nil
	sets <- nil // when it takes the second, it has done the first
	s.manager.Stop()
	<-done
}

// prepare applies the settings. The manager asks for the full name of this host then, and a broken name server may take
// long to answer: nobody waits for it.
func (s *Scraper) prepare(ctx context.Context, c *config.Config) bool {
	applied := make(chan error, 1)
	go func() { applied <- s.manager.ApplyConfig(c) }()
	select {
	case err := <-applied:
		if err != nil {
			s.log.Error("metrics: targets cannot be scraped", slog.Any("err", err))
		}
		s.ready.Store(err == nil)
		return err == nil
	case <-ctx.Done():
		return false
	}
}

// Update replaces the jobs. Targets that stay as they are go on undisturbed. It fails, and changes nothing, when [Check]
// does.
func (s *Scraper) Update(jobs []Job) error {
	all, err := groups(jobs)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.updates: // an older one
	default:
	}
	s.updates <- targets{pool: all}
	return nil
}

// Close ends all scrapes that are under way and starts no more. It writes no staleness markers: whoever comes back goes on
// with the same series. Calling it again does nothing.
func (s *Scraper) Close() {
	s.cancel()
	<-s.ended
}

// Target is how a target is.
type Target struct {
	Job, Instance string
	// URL is what is asked.
	URL string
	// Health is up, down, or unknown as long as it was never asked.
	Health string
	// Error is why the last scrape failed; "" when it did not.
	Error string
	// Last is when the last scrape began, zero when there was none, and Took is how long it lasted.
	Last time.Time
	Took time.Duration
}

// Targets are all targets, by job and instance. It takes a moment until it tells what [Scraper.Update] has changed.
func (s *Scraper) Targets() []Target {
	if !s.ready.Load() {
		return nil
	}
	var all []Target
	b := labels.NewBuilder(labels.EmptyLabels())
	for _, t := range s.manager.TargetsActive()[pool] {
		l := t.Labels(b)
		about := Target{
			Job: l.Get(model.JobLabel), Instance: l.Get(model.InstanceLabel), URL: t.URL().String(), Health: string(t.Health()),
			Last: t.LastScrape(), Took: t.LastScrapeDuration(),
		}
		if err := t.LastError(); err != nil {
			about.Error = err.Error()
		}
		all = append(all, about)
	}
	slices.SortFunc(all, func(a, b Target) int {
		return cmp.Or(strings.Compare(a.Job, b.Job), strings.Compare(a.Instance, b.Instance), strings.Compare(a.URL, b.URL))
	})
	return all
}
