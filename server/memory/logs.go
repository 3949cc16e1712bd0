package memory

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/loki"
	"github.com/gabion-io/gabion/server/logs/own"
	logstore "github.com/gabion-io/gabion/server/logs/store"
	"github.com/gabion-io/gabion/server/logs/template"
	"github.com/gabion-io/gabion/server/store"
	"github.com/gabion-io/gabion/server/traces"
)

// ownLimits bound the gateway's own lines, for each service that it serves, unless others may send more. They are wider than
// the default of those: one gateway writes for all instances of a service.
var ownLimits = ingest.Limits{Lines: 50_000, Bytes: 64 << 20}

// logs is the part that keeps logs.
type logs struct {
	env      store.Env
	settings Settings
	kept     func([]entry.Entry) // is given what is kept

	store      *logstore.Store
	miner      *template.Miner
	news       *news
	guard      *ingest.Guard // of the gateway's own lines
	unreadable atomic.Uint64 // of these

	cancel context.CancelFunc
	beside sync.WaitGroup
}

func newLogs(env store.Env, settings Settings, news *news, kept func([]entry.Entry)) *logs {
	return &logs{env: env, settings: settings, kept: kept, news: news}
}

// Name implements [store.Part].
func (l *logs) Name() string { return "logs" }

// Open implements [store.Part].
func (l *logs) Open(context.Context) (err error) {
	limits := ownLimits
	limits.Lines, limits.Bytes = max(limits.Lines, l.settings.Ingest.Lines), max(limits.Bytes, l.settings.Ingest.Bytes)
	if l.guard, err = ingest.NewGuard(l, limits); err != nil {
		return err
	}
	s := l.settings.Logs
	dir := filepath.Join(l.env.Dir, "logs")
	l.store, err = logstore.Open(dir, logstore.Options{
		Short: logstore.Keep(s.Short), Long: logstore.Keep(s.Long), Where: s.Where, Guard: l.env.Guard, Log: l.env.Log,
		Damaged: l.news.lines,
	})
	if err != nil {
		return err
	}
	miner := template.Open(template.Options{Path: filepath.Join(dir, "templates.json"), Log: l.env.Log})
	l.miner = miner
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	l.beside.Go(func() { l.store.Run(ctx) })
	l.beside.Go(func() { miner.Run(ctx) })
	return nil
}

// Append implements [ingest.Sink]: it is where all ways in end.
func (l *logs) Append(ctx context.Context, _ string, lines []entry.Entry) error {
	if err := l.keep(ctx, lines); err != nil {
		return err
	}
	events := l.miner.Observe(time.Now(), lines)
	if len(events) == 0 {
		return nil
	}
	if err := l.keep(ctx, l.news.add(events, l.settings.Instance)); err != nil { // the lines themselves are kept
		l.env.Log.Warn("an error that is new could not be told", "error", err)
	}
	return nil
}

func (l *logs) keep(ctx context.Context, lines []entry.Entry) error {
	err := l.store.Append(ctx, lines)
	if err == nil {
		l.kept(lines)
	}
	return err
}

// Handle implements [store.Part].
func (l *logs) Handle(mux *http.ServeMux) {
	mux.Handle("/loki/", loki.New(loki.Config{Source: l.store, Labels: l.store, Version: l.settings.Version}))
	mux.Handle("GET /api/v1/traces/{id}", traces.New(traces.Config{Source: l.store, Log: l.env.Log}))
	mux.Handle("GET "+NewsPath, l.news)
}

// Kinds implements [store.Taker].
func (l *logs) Kinds() []string { return own.Kinds() }

// Take implements [store.Taker]. All items are kept at once, or none.
func (l *logs) Take(ctx context.Context, kind string, items [][]byte) (int, error) {
	var lines []entry.Entry
	unreadable := 0
	for _, item := range items {
		read, bad := own.Read(kind, l.settings.Instance, item)
		lines, unreadable = append(lines, read...), unreadable+bad
	}
	_, err := ingest.Partial(l.guard.Append(ctx, "gateway", lines))
	if ingest.Retry(err) {
		return 0, err
	}
	if err != nil { // the guard has counted them, and they would be refused again
		l.env.Log.Debug("lines of the gateway are refused", "kind", kind, "error", err)
	}
	l.unreadable.Add(uint64(unreadable))
	return len(items), nil
}

// Close implements [store.Part].
func (l *logs) Close(ctx context.Context) error {
	l.cancel()
	ended := make(chan struct{})
	go func() { l.beside.Wait(); close(ended) }()
	select {
	case <-ended:
		return l.store.Close()
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), l.store.Close())
	}
}
