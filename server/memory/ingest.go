package memory

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"sync"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/ingest/bulk"
	"github.com/gabion-io/gabion/server/ingest/jsonlines"
	"github.com/gabion-io/gabion/server/ingest/lokipush"
	"github.com/gabion-io/gabion/server/ingest/otlp"
	"github.com/gabion-io/gabion/server/ingest/syslog"
	"github.com/gabion-io/gabion/server/store"
)

// gates is the part with the ways in for what others send: lines of logs, spans, and metrics over OTLP. Those over HTTP
// are always there, since the gateway passes them on; those with listeners or files of their own are there when the
// settings name them. All share one guard and one bound of what is read at a time.
type gates struct {
	env      store.Env
	settings Ingest
	sink     ingest.Sink
	samples  func() otlp.Metrics // where metrics go, once that is open; nil: nowhere

	guard  *ingest.Guard
	intake ingest.Intake
	otlp   otlp.Receiver
	syslog syslog.Server
	ways   []*way

	cancel context.CancelFunc
	open   sync.WaitGroup // the ways
}

func newGates(env store.Env, settings Ingest, sink ingest.Sink) *gates {
	return &gates{env: env, settings: settings, sink: sink}
}

// Name implements [store.Part].
func (g *gates) Name() string { return "ingest" }

// Open implements [store.Part]. A way that cannot begin, such as one whose address is taken, is tried again and again: it
// must not keep the others from being open.
func (g *gates) Open(context.Context) (err error) {
	if g.guard, err = ingest.NewGuard(g.sink, ingest.Limits{Lines: g.settings.Lines, Bytes: g.settings.Bytes}); err != nil {
		return err
	}
	g.otlp.Sink, g.otlp.Intake, g.otlp.Producer = g.guard, &g.intake, producer
	if g.samples != nil {
		g.otlp.Metrics = g.samples()
	}
	g.syslog.Sink = g.guard
	s := g.settings
	g.add("otlp_grpc", s.OTLP, g.serveGRPC)
	g.add("syslog_udp", s.SyslogUDP, g.serveUDP)
	g.add("syslog_tcp", s.SyslogTCP, g.serveTCP)
	if len(s.Files) > 0 {
		g.add("files", filepath.Join(g.env.Dir, "files.json"), g.follow)
	}
	ctx, cancel := context.WithCancel(context.Background())
	g.cancel = cancel
	for _, w := range g.ways {
		g.open.Go(func() { w.keep(ctx) })
	}
	return nil
}

// add adds a way, if it is wanted.
func (g *gates) add(name, address string, serve func(context.Context, *way) error) {
	if address != "" {
		g.ways = append(g.ways, &way{name: name, address: address, serve: serve, log: g.env.Log})
	}
}

// Handle implements [store.Part].
func (g *gates) Handle(mux *http.ServeMux) {
	mux.HandleFunc("/v1/logs", g.otlp.ServeLogs)
	mux.HandleFunc("/v1/traces", g.otlp.ServeTraces)
	if g.otlp.Metrics != nil {
		mux.HandleFunc("/v1/metrics", g.otlp.ServeMetrics)
	}
	mux.Handle("/loki/api/v1/push", from(&lokipush.Handler{Sink: g.guard, Intake: &g.intake}))
	mux.Handle("/api/v1/logs", from(&jsonlines.Handler{Sink: g.guard, Intake: &g.intake}))
	mux.Handle("/elasticsearch/", from(http.StripPrefix("/elasticsearch", &bulk.Handler{Sink: g.guard, Intake: &g.intake})))
	mux.HandleFunc("GET /api/v1/logs/ways", g.show)
}

// show says which ways are open, and what was not taken as it came.
func (g *gates) show(w http.ResponseWriter, _ *http.Request) {
	type limited struct {
		Service string `json:"service"`
		Reason  string `json:"reason"`
		Lines   uint64 `json:"lines"`
		Bytes   uint64 `json:"bytes"`
	}
	answer := struct {
		Ways    []wayStatus `json:"ways"`
		Limited []limited   `json:"limited"`
	}{[]wayStatus{}, []limited{}}
	for _, w := range g.ways {
		answer.Ways = append(answer.Ways, w.status())
	}
	for _, c := range g.guard.Counts() {
		answer.Limited = append(answer.Limited, limited{c.Service, c.Reason.String(), c.Lines, c.Bytes})
	}
	w.Header().Set("Content-Type", "application/json")
	// A client that is gone is not told.
	_ = json.NewEncoder(w).Encode(answer)
}

// from lets a handler see who sent a request instead of the gateway that passed it on.
func from(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent := *r
		sent.RemoteAddr = producer(r)
		h.ServeHTTP(w, &sent)
	})
}

// Close implements [store.Part].
func (g *gates) Close(ctx context.Context) error {
	g.cancel()
	ended := make(chan struct{})
	go func() { g.open.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
