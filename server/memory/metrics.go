package memory

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/gabion-io/gabion/server/metrics/promapi"
	"github.com/gabion-io/gabion/server/metrics/scrape"
	"github.com/gabion-io/gabion/server/metrics/tier"
	"github.com/gabion-io/gabion/server/store"
)

// KindMetrics is the kind of the items that are the gateway's own metrics: Prometheus' text format, every sample with its
// time, because an item may have waited.
const KindMetrics = "metrics"

// Job is the label job of the gateway's own metrics.
const Job = "gabion"

// Up is the item that says that a gateway is there, as scrapes say it of their targets: nobody scrapes it here. It is none
// of the gateway's metrics, because whoever scrapes those adds it as well.
func Up(now time.Time) []byte {
	return fmt.Appendf(nil, "# HELP up 1 while the target answers.\n# TYPE up gauge\nup 1 %d\n", now.UnixMilli())
}

// metrics is the part that keeps metrics.
type metrics struct {
	env      store.Env
	settings Settings
	own      labels.Labels // of the gateway's metrics
	news     *news
	damaged  atomic.Uint64

	gatewayBirths, storeBirths births // of the gateway's metrics, and of those of the store itself

	store   *tier.Store
	scraper *scrape.Scraper
	cancel  context.CancelFunc
	done    chan struct{} // closed when the roll-ups have ended

	receivers []receiver
}

func newMetrics(env store.Env, settings Settings, news *news) *metrics {
	own := labels.FromStrings("job", Job)
	if settings.Instance != "" {
		own = labels.FromStrings("instance", settings.Instance, "job", Job)
	}
	return &metrics{env: env, settings: settings, own: own, news: news}
}

// Name implements [store.Part].
func (m *metrics) Name() string { return "metrics" }

// Open implements [store.Part].
func (m *metrics) Open(ctx context.Context) (err error) {
	s := m.settings.Metrics
	m.store, err = tier.Open(filepath.Join(m.env.Dir, "metrics"), tier.Options{
		Raw: tier.Keep(s.Raw), Long: tier.Keep(s.Long), Limits: tier.Limits(s.Series), Guard: m.env.Guard, Logger: m.env.Log,
		Taken: m.sendOn, Damaged: func(d tier.Damage) { m.damaged.Add(1); m.news.samples(d) },
	})
	if err != nil {
		return err
	}
	m.openRemote() // before anything is stored
	if m.scraper, err = scrape.Open(scrape.Options{Store: m.store, Logger: m.env.Log}, jobs(s.Scrape)); err != nil {
		m.closeRemote(ctx)
		return errors.Join(err, m.store.Close())
	}
	run, cancel := context.WithCancel(context.Background())
	m.cancel, m.done = cancel, make(chan struct{})
	go func() { defer close(m.done); m.store.Run(run) }()
	return nil
}

// jobs are the targets as the scraper wants them.
func jobs(groups []Scrape) (all []scrape.Job) {
	for _, g := range groups {
		all = append(all, scrape.Job{Name: g.Job, Targets: g.Targets, Interval: g.Interval})
	}
	return all
}

// Handle implements [store.Part].
func (m *metrics) Handle(mux *http.ServeMux) {
	api := promapi.New(promapi.Config{Store: m.store, Version: m.settings.Version, Retention: m.retention(), Producer: producer})
	mux.Handle("/prometheus/", http.StripPrefix("/prometheus", api))
	mux.Handle("POST /api/v1/metrics", api)
}

// retention says for people how long is kept; "" when that is the default.
func (m *metrics) retention() string {
	raw, long := m.settings.Metrics.Raw.For, m.settings.Metrics.Long.For
	if raw == 0 || long == 0 {
		return ""
	}
	return model.Duration(raw).String() + " raw, " + model.Duration(long).String() + " rolled up"
}

// producer is who sent a request, as the gateway says: nobody else speaks on the socket.
func producer(r *http.Request) string {
	client, _, _ := strings.Cut(r.Header.Get("X-Forwarded-For"), ",")
	if client == "" {
		return "local"
	}
	return client
}

// Kinds implements [store.Taker].
func (m *metrics) Kinds() []string { return []string{KindMetrics} }

// Take implements [store.Taker].
func (m *metrics) Take(ctx context.Context, _ string, items [][]byte) (int, error) {
	for i, item := range items {
		if err := m.take(ctx, item); err != nil {
			return i, err
		}
	}
	return len(items), nil
}

func (m *metrics) take(ctx context.Context, item []byte) error {
	samples, about, err := promapi.Read(item, time.Now(), m.own)
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrRefused, err)
	}
	for metric, a := range about {
		m.store.Describe(metric, a)
	}
	// What the guards drop is counted by the store: it would be dropped again.
	_, err = m.store.Append(ctx, Job, append(m.gatewayBirths.zeros(samples, about), samples...))
	return err
}

// Close implements [store.Part].
func (m *metrics) Close(ctx context.Context) error {
	m.cancel()
	m.scraper.Close()
	var late error
	select {
	case <-m.done:
	case <-ctx.Done():
		late = ctx.Err()
	}
	err := errors.Join(late, m.store.Close())
	m.closeRemote(ctx)
	return err
}
