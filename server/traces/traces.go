// Package traces finds what is kept of a trace: its spans that failed or were slow, and its lines in the logs.
//
//	GET /api/v1/traces/{id}?start=…&end=…
//
// Spans are kept as entries of the log store, see package ingest/otlp; all of them are forwarded to a system that keeps
// traces by package logs/forward.
package traces

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/logql"
)

// Config is what a [Handler] is made of. The zero value of every field but Source means its default.
type Config struct {
	// Source has the entries. Required.
	Source logql.Source
	// Since is how far back a trace is sought when the request does not say it. Default: 30 days.
	Since time.Duration
	// Limit is how many spans and lines an answer has at most. Default: 10,000.
	Limit int
	// Size is how much there can be in an answer, in bytes of memory; the first span or line always is. Default: 16 MiB.
	Size int
	// Timeout bounds a search. Default: 30s.
	Timeout time.Duration
	// AtOnce is how many searches run at a time; who comes then is told to come again. Default: 4.
	AtOnce int
	// Log is told of errors of the source. Default: nobody.
	Log *slog.Logger
}

// ahead is how far after now a trace is sought: clocks differ.
const ahead = time.Hour

// Handler answers with traces. Make it with [New].
type Handler struct {
	config Config
	slots  chan struct{}
}

// New makes a handler.
func New(cfg Config) *Handler {
	cfg.Since = cmp.Or(max(cfg.Since, 0), 30*24*time.Hour)
	cfg.Limit = cmp.Or(max(cfg.Limit, 0), 10_000)
	cfg.Size = cmp.Or(max(cfg.Size, 0), 16<<20)
	cfg.Timeout = cmp.Or(max(cfg.Timeout, 0), 30*time.Second)
	cfg.AtOnce = cmp.Or(max(cfg.AtOnce, 0), 4)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Handler{config: cfg, slots: make(chan struct{}, cfg.AtOnce)}
}

// ServeHTTP answers GET with a [Trace]. The ID is the last part of the path, in upper or lower case. Start and end are RFC
// 3339, or nanoseconds since 1970, or seconds when they are small.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		fail(w, http.StatusMethodNotAllowed, "Method not allowed", "Possible here: GET, HEAD.")
		return
	}
	id := strings.ToLower(r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:])
	if id == "" || len(id) > entry.MaxName {
		fail(w, http.StatusBadRequest, "Bad parameter", "The ID of a trace must have 1 to 256 bytes.")
		return
	}
	q, problem := h.query(r, id, time.Now())
	if problem != "" {
		fail(w, http.StatusBadRequest, "Bad parameter", problem)
		return
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		w.Header().Set("Retry-After", "1")
		fail(w, http.StatusServiceUnavailable, "Too many searches", "Ask again later.")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.config.Timeout)
	defer cancel()
	trace, err := h.find(ctx, id, q)
	switch {
	case errors.Is(err, context.Canceled): // the client is gone
	case errors.Is(err, context.DeadlineExceeded):
		fail(w, http.StatusGatewayTimeout, "Too slow", "The search took too long: narrow start and end.")
	case err != nil:
		h.config.Log.Error("a trace cannot be read", "trace_id", id, "error", err)
		fail(w, http.StatusInternalServerError, "Internal error", "The logs cannot be read: "+err.Error())
	case len(trace.Spans)+len(trace.Lines) == 0:
		detail := "Nothing is kept of this trace: spans are kept when they failed or were slow."
		if len(trace.Warnings) > 0 {
			detail += " Not all can be read: " + strings.Join(trace.Warnings, "; ") + "."
		}
		fail(w, http.StatusNotFound, "Not found", detail)
	default:
		write(w, http.StatusOK, "application/json", trace)
	}
}

// query is what the source is asked for, or what is wrong with the request.
func (h *Handler) query(r *http.Request, id string, now time.Time) (q logql.Query, problem string) {
	form := r.URL.Query()
	from, ok := parseTime(form.Get("start"), now.Add(-h.config.Since))
	if !ok {
		return q, "start must be a time: RFC 3339, or a number since 1970."
	}
	to, ok := parseTime(form.Get("end"), now.Add(ahead))
	if !ok {
		return q, "end must be a time: RFC 3339, or a number since 1970."
	}
	if from >= to {
		return q, "start must be before end."
	}
	matcher, err := logql.NewMatcher("trace_id", "=", id)
	if err != nil {
		return q, err.Error()
	}
	return logql.Query{
		From: from, To: to, Forward: true, Matchers: []*logql.Matcher{matcher}, Levels: logql.AllLevels, Fields: logql.AllFields, Limit: h.config.Limit + 1,
	}, ""
}

// parseTime reads a time; there is another one when it is empty.
func parseTime(text string, other time.Time) (int64, bool) {
	if text == "" {
		return other.UnixNano(), true
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n >= 0 && n < math.MaxInt64/int64(time.Second) { // the year 2262 in seconds, 9 s after 1970 in nanoseconds
			n *= int64(time.Second)
		}
		return n, n >= 0
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() < 1970 || t.Year() > 2261 {
		return 0, false
	}
	return t.UnixNano(), true
}

// find reads a trace.
func (h *Handler) find(ctx context.Context, id string, q logql.Query) (*Trace, error) {
	t := &Trace{ID: id, Services: []string{}, Spans: []Span{}, Lines: []Line{}}
	ctx, gaps := logql.WithGaps(ctx)
	size := 0
	for e, err := range h.config.Source.Select(ctx, q) {
		if err != nil {
			return nil, err
		}
		if !q.Match(e) {
			continue
		}
		size += e.Size()
		if n := len(t.Spans) + len(t.Lines); n >= h.config.Limit || n > 0 && size > h.config.Size {
			t.Truncated = true
			break
		}
		t.add(e)
	}
	if err := ctx.Err(); err != nil { // a source may just end
		return nil, err
	}
	t.sort()
	t.Warnings = gaps.Warnings()
	return t, nil
}

// fail answers with a problem (RFC 9457).
func fail(w http.ResponseWriter, status int, title, detail string) {
	write(w, status, "application/problem+json", map[string]any{"title": title, "status": status, "detail": detail})
}

func write(w http.ResponseWriter, status int, kind string, v any) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// What is written can be encoded, so an error means that the client is gone.
	_ = json.NewEncoder(w).Encode(v)
}
