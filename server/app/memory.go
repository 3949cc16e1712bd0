package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/logs/own"
	"github.com/gabion-io/gabion/server/memory"
	"github.com/gabion-io/gabion/server/status"
	"github.com/gabion-io/gabion/server/store"
	"github.com/gabion-io/gabion/server/supervise"
)

const (
	// metricsEvery is how often the gateway's own metrics go to the store.
	metricsEvery = 10 * time.Second
	// metricsRoom is the memory for those that wait: an hour of a gateway with some ten services.
	metricsRoom = 16 << 20
	// linesBatch is how many bytes of lines are sent at once. Each batch waits until the disk has the one before.
	linesBatch = 512 << 10
	// lastFeeds is how long the end of the process waits for the store to take what is left.
	lastFeeds = 3 * time.Second
)

// keeper is the gateway's side of the process that keeps metrics and logs.
type keeper struct {
	child   *supervise.Child
	proxy   http.Handler
	metrics *supervise.Feed
	lines   *supervise.Feed

	mu       sync.Mutex
	pages    config.Link // whom the pager tells
	stopPage context.CancelFunc
	paging   sync.WaitGroup
}

// keepData starts the store process, if there is to be one. It does not wait for it, and a gateway without it serves all
// the same.
func (a *App) keepData() {
	cfg := &a.config.File
	if a.opt.Store == nil || cfg.Data == config.DataOff {
		return
	}
	child := *a.opt.Store
	child.Output = &words{to: a.out, put: func(line []byte) { a.put(own.Process, line) }}
	child.Events, child.Log = a.events, a.log
	settings, err := a.storeSettings(cfg)
	if err == nil {
		child.Settings = settings
		k := &keeper{stopPage: func() {}}
		if k.child, err = supervise.Start(context.Background(), child); err == nil {
			k.proxy = k.child.Proxy()
			k.metrics = k.child.Feed(supervise.FeedConfig{Max: metricsRoom})
			k.lines = k.child.Feed(supervise.FeedConfig{Batch: linesBatch})
			k.page(a, cfg)
			a.keeper.Store(k)
			a.beside.Go(a.keepMetrics)
			a.beside.Go(a.tellNews)
			return
		}
	}
	reason := err.Error()
	a.failed.Store(&status.Store{State: string(supervise.Down), Since: time.Now().UTC(), Reason: reason, Feeds: []status.Feed{}})
	a.events.Add(event.Event{Kind: event.KindStore, To: string(supervise.Down), Reason: reason})
}

// storeSettings is what the store process is told.
func (a *App) storeSettings(cfg *config.File) (store.Settings, error) {
	dir, err := filepath.Abs(cfg.Data)
	if err != nil {
		return store.Settings{}, err
	}
	made, err := partSettings(cfg, a.opt.Version)
	if err != nil {
		return store.Settings{}, err
	}
	parts, err := json.Marshal(made)
	return store.Settings{Dir: dir, Memory: storeMemory(), Parts: parts}, err
}

// partSettings is what the parts of the store are made of.
func partSettings(cfg *config.File, version string) (memory.Settings, error) {
	m, l, in := cfg.Metrics, cfg.Logs, cfg.Ingest
	s := memory.Settings{
		Version: version, Instance: instance(cfg),
		Metrics: memory.Metrics{
			Raw:    memory.Keep{For: m.Raw.Keep, Size: int64(m.Raw.MaxSize)},
			Long:   memory.Keep{For: m.Long.Keep, Size: int64(m.Long.MaxSize)},
			Series: memory.Series{Service: in.Series.PerService, Metric: in.Series.PerMetric, Total: in.Series.Total},
		},
		Logs: memory.Logs{
			Short: memory.Keep{For: l.Short.Keep, Size: int64(l.Short.MaxSize)},
			Long:  memory.Keep{For: l.Long.Keep, Size: int64(l.Long.MaxSize)}, Where: l.Long.Where,
		},
		Ingest: memory.Ingest{
			Lines: int64(float64(in.PerService.Lines.Count) / in.PerService.Lines.Per.Seconds()), Bytes: int64(in.PerService.Bytes.PerSecond()),
			OTLP: in.OTLPGRPC, SyslogUDP: in.Syslog.UDP, SyslogTCP: in.Syslog.TCP, Files: slices.Clone(in.Files),
		},
	}
	for _, one := range m.Scrape {
		s.Metrics.Scrape = append(s.Metrics.Scrape, memory.Scrape{Job: one.Job, Targets: one.Targets, Interval: one.Interval})
	}
	err := receivers(cfg, &s)
	return s, err
}

// instance tells this gateway from others: by its host, and its port there.
func instance(cfg *config.File) string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	_, port, err := net.SplitHostPort(cfg.Gateway.Admin)
	if err != nil {
		return host
	}
	return net.JoinHostPort(host, port)
}

// reconfigureStore brings what concerns the store into force.
func (a *App) reconfigureStore(cfg *config.File, settings store.Settings) {
	if k := a.keeper.Load(); k != nil {
		k.child.Reconfigure(settings)
		k.page(a, cfg)
	}
}

var errData = errors.New("data: cannot change while running; restart")

// page tells whom the configuration names when the store stays away. When that is another one, the one before is told
// nothing any more.
func (k *keeper) page(a *App, cfg *config.File) {
	var to config.Link
	if hook := cfg.Alerts.Receivers[cfg.Alerts.Route.Receiver].Webhook; hook != nil {
		to = hook.URL
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if to == k.pages {
		return
	}
	k.stopPage()
	k.pages, k.stopPage = to, func() {}
	if to.IsZero() {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	k.stopPage = stop
	k.paging.Go(func() { k.child.Page(ctx, supervise.PagerConfig{URL: to.Read, After: a.opt.PageAfter, Log: a.log}) })
}

// put gives an item to the store. It never blocks, and does nothing when there is no store.
func (a *App) put(kind string, item []byte) {
	if k := a.keeper.Load(); k != nil {
		k.lines.Put(kind, item)
	}
}

// keepMetrics gives the gateway's own metrics to the store, for the first time when it is up and for the last time when
// the process ends.
func (a *App) keepMetrics() {
	k := a.keeper.Load()
	soon, cancel := context.WithTimeout(a.ctx, metricsEvery)
	_ = k.child.WaitUp(soon) // when it is not, the metrics wait
	cancel()
	tick := time.NewTicker(metricsEvery)
	defer tick.Stop()
	losses := []*loss{{feed: "metrics"}, {feed: "lines"}}
	for last := false; ; {
		now := time.Now()
		k.metrics.Put(memory.KindMetrics, memory.Up(now))
		err := a.metrics.Texts(now, func(text []byte) { k.metrics.Put(memory.KindMetrics, text) })
		if err != nil {
			a.log.Warn("not all metrics can be kept", "error", err)
		}
		for i, f := range []*supervise.Feed{k.metrics, k.lines} {
			if e, changed := losses[i].look(f.Counts()); changed {
				a.events.Add(e)
			}
		}
		if last {
			return
		}
		select {
		case <-tick.C:
		case <-a.ctx.Done():
			last = true
		}
	}
}

// loss tells when items of a feed begin to be lost, and when that is over.
type loss struct {
	feed  string
	seen  uint64 // how many were lost when it last looked
	began uint64 // how many when it began; seen when none are being lost
}

// look compares with the last time.
func (l *loss) look(c supervise.FeedCounts) (e event.Event, changed bool) {
	lost := c.Dropped + c.Refused
	losing, goesOn := l.began != l.seen, lost != l.seen
	e = event.Event{Kind: event.KindStore, Key: l.feed, From: "complete", To: "losing", Reason: "the store does not take what there is fast enough, or not at all"}
	if losing {
		e.From, e.To, e.Reason = "losing", "complete", fmt.Sprintf("%d items were lost", l.seen-l.began)
	}
	if !losing || !goesOn {
		l.began = l.seen
	}
	l.seen = lost
	return e, losing != goesOn
}

// closeStore gives the store what is left and ends it, after everything that has something for it.
func (a *App) closeStore() {
	k := a.keeper.Load()
	if k == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastFeeds)
	defer cancel()
	var both sync.WaitGroup
	both.Go(func() { k.metrics.Close(ctx) })
	both.Go(func() { k.lines.Close(ctx) })
	both.Wait()
	k.mu.Lock()
	k.stopPage()
	k.mu.Unlock()
	k.paging.Wait()
	k.child.Close()
}

// stored answers what is asked of the store.
func (a *App) stored() http.Handler {
	if a.opt.Store == nil || a.config.File.Data == config.DataOff {
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if k := a.keeper.Load(); k != nil {
			k.proxy.ServeHTTP(w, r)
			return
		}
		store.Problem{
			Title: "Store away", Status: http.StatusServiceUnavailable, RetryAfter: time.Second,
			Detail: "The store process could not be started. Requests through the gateway are served all the same.",
		}.Write(w)
	})
}

// storeStatus is how the store is.
func (a *App) storeStatus() status.Store {
	k := a.keeper.Load()
	if k == nil {
		if failed := a.failed.Load(); failed != nil {
			return *failed
		}
		return status.Store{State: status.StoreOff, Feeds: []status.Feed{}}
	}
	s := k.child.Status()
	return status.Store{
		State: string(s.State), Since: s.Since.UTC(), Reason: s.Reason, PID: s.PID, Restarts: s.Restarts, Disk: s.Disk,
		Feeds: []status.Feed{feed("metrics", k.metrics), feed("lines", k.lines)},
	}
}

func feed(name string, f *supervise.Feed) status.Feed {
	c := f.Counts()
	return status.Feed{Name: name, Buffered: c.Buffered, Bytes: c.Bytes, Sent: c.Sent, Dropped: c.Dropped, Refused: c.Refused}
}
