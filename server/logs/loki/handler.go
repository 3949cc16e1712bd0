package loki

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"runtime"
	"time"

	"github.com/gabion-io/gabion/server/logs/logql"
)

// Config is what a handler needs.
type Config struct {
	// Source has the lines. If it is a [logql.Follower], they can be followed.
	Source logql.Source
	// Labels knows the labels. Default: the newest lines are looked at, see [Scan].
	Labels Labels
	// Limits bound each query.
	Limits logql.Limits
	// Timeout ends a query. Default 1 minute.
	Timeout time.Duration
	// Concurrent is how many queries are answered at once; further ones wait, until their time is up. Default 4.
	Concurrent int
	// Version is told as that of the build. Default "gabion".
	Version string
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Handler serves the API. Make it with [New].
type Handler struct {
	config Config
	engine *logql.Engine
	mux    *http.ServeMux
	slots  chan struct{}
}

// New makes a handler.
func New(c Config) *Handler {
	c.Timeout = cmp.Or(c.Timeout, time.Minute)
	c.Concurrent = cmp.Or(c.Concurrent, 4)
	c.Version = cmp.Or(c.Version, "gabion")
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Labels == nil {
		c.Labels = Scan{Source: c.Source}
	}
	h := &Handler{config: c, engine: logql.New(c.Source, c.Limits), mux: http.NewServeMux(), slots: make(chan struct{}, c.Concurrent)}
	const v1 = "/loki/api/v1/"
	h.route(v1+"query", h.query)
	h.route(v1+"query_range", h.queryRange)
	h.route(v1+"labels", h.labels)
	h.route(v1+"label", h.labels)
	h.route(v1+"label/{name}/values", h.values)
	h.route(v1+"series", h.series)
	h.route(v1+"index/stats", h.stats)
	h.route(v1+"detected_labels", h.detectedLabels)
	h.serve(v1+"format_query", h.formatQuery)
	h.serve(v1+"status/buildinfo", h.buildInfo)
	h.mux.HandleFunc("GET "+v1+"tail", h.tail)
	h.mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		plain(w, http.StatusOK, "ready")
	})
	return h
}

// ServeHTTP answers a request whose path starts with /loki/api/v1/, or is /ready.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// maxForm is the most bytes a form may have.
const maxForm = 1 << 20

// route serves what looks at lines or labels, of which only so many do so at once.
func (h *Handler) route(path string, answer func(ctx context.Context, r *request) (any, error)) {
	h.serve(path, func(ctx context.Context, r *request) (any, error) {
		return h.take(ctx, func() (any, error) { return answer(ctx, r) })
	})
}

// serve serves a function that gives what is written as JSON.
func (h *Handler) serve(path string, answer func(ctx context.Context, r *request) (any, error)) {
	serve := func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			plain(w, http.StatusBadRequest, "the form cannot be read: "+err.Error())
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), h.config.Timeout)
		defer cancel()
		body, err := answer(ctx, &request{r, h.config.Now()})
		if err != nil {
			fail(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		// An error here means that the client is gone.
		_ = json.NewEncoder(w).Encode(body)
	}
	h.mux.HandleFunc("GET "+path, serve)
	h.mux.HandleFunc("POST "+path, serve)
}

// take answers when fewer than so many do.
func (h *Handler) take(ctx context.Context, answer func() (any, error)) (any, error) {
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
		return answer()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// statusClosed is what Loki and others answer, and log, when the client went away.
const statusClosed = 499

// fail answers an error: what the client can do something about is 400.
func fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if _, ok := errors.AsType[*logql.Error](err); ok {
		status = http.StatusBadRequest
	}
	if _, ok := errors.AsType[*logql.LimitError](err); ok {
		status = http.StatusBadRequest
	}
	if _, ok := errors.AsType[*logql.QueryError](err); ok {
		status = http.StatusBadRequest
	}
	if _, ok := errors.AsType[*parameterError](err); ok {
		status = http.StatusBadRequest
	}
	switch {
	case errors.Is(err, context.Canceled):
		status = statusClosed
	case errors.Is(err, context.DeadlineExceeded):
		plain(w, http.StatusGatewayTimeout, "the query took too long: narrow the time or the selector")
		return
	case errors.Is(err, logql.ErrFollowers):
		status = http.StatusTooManyRequests
	case errors.Is(err, logql.ErrNoFollow):
		status = http.StatusNotImplemented
	}
	plain(w, status, err.Error())
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// An error here means that the client is gone.
	_, _ = w.Write([]byte(text + "\n"))
}

func (h *Handler) buildInfo(context.Context, *request) (any, error) {
	return map[string]string{
		"version": h.config.Version, "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": runtime.Version(),
	}, nil
}

func (h *Handler) formatQuery(_ context.Context, r *request) (any, error) {
	e, err := logql.Parse(r.FormValue("query"))
	if err != nil {
		return nil, err
	}
	return success(e.String()), nil
}

// answer is what most answers look like.
type answer struct {
	Status string `json:"status"`
	// Warnings say what is left out.
	Warnings []string `json:"warnings,omitempty"`
	Data     any      `json:"data"`
}

func success(data any) answer { return answer{Status: "success", Data: data} }
