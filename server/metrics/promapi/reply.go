package promapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/gabion-io/gabion/server/metrics/tier"
)

// formMax bounds the body of a request that is no write.
const formMax = 1 << 20

// retryAfter is what a client that found no room is told, in seconds.
const retryAfter = 30

// failure is an error as the client gets it.
type failure struct {
	status int
	kind   string // errorType
	text   string
}

func bad(err error) *failure { return &failure{http.StatusBadRequest, "bad_data", err.Error()} }

// statusGone is what a client that went away would have got. No standard has a number for it; this one is customary.
const statusGone = 499

// failed tells what an error of the store means to a client.
func failed(err error) *failure {
	_, unreadable := errors.AsType[parser.ParseErrors](err)
	_, timeout := errors.AsType[promql.ErrQueryTimeout](err)
	_, canceled := errors.AsType[promql.ErrQueryCanceled](err)
	_, storage := errors.AsType[promql.ErrStorage](err)
	switch {
	case unreadable:
		return bad(err)
	case errors.Is(err, tier.ErrBusy), errors.Is(err, tier.ErrClosed), errors.Is(err, tier.ErrFull):
		return &failure{http.StatusServiceUnavailable, "unavailable", err.Error()}
	case timeout, errors.Is(err, context.DeadlineExceeded):
		return &failure{http.StatusServiceUnavailable, "timeout", err.Error()}
	case canceled, errors.Is(err, context.Canceled):
		return &failure{statusGone, "canceled", err.Error()}
	case storage:
		return &failure{http.StatusInternalServerError, "internal", err.Error()}
	}
	return &failure{http.StatusUnprocessableEntity, "execution", err.Error()}
}

// streamed is an answer that writes itself.
type streamed interface {
	write(w *bufio.Writer)
	done()
}

// warned is an answer with warnings.
type warned struct {
	data     any
	warnings []string
	infos    []string
}

func (a *API) answer(e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path != "/api/v1/metrics" {
			r.Body = http.MaxBytesReader(w, r.Body, formMax)
		}
		data, f := e(r)
		if f != nil {
			fail(w, f)
			return
		}
		reply(w, data)
	})
}

func fail(w http.ResponseWriter, f *failure) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if f.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	w.WriteHeader(f.status)
	body, err := json.Marshal(map[string]string{"status": "error", "errorType": f.kind, "error": f.text})
	if err == nil {
		_, _ = w.Write(body) // a client that is gone cannot be told
	}
}

func reply(w http.ResponseWriter, data any) {
	var warnings, infos []string
	if with, ok := data.(warned); ok {
		data, warnings, infos = with.data, with.warnings, with.infos
	}
	var body []byte
	stream, streams := data.(streamed)
	if streams {
		defer stream.done()
	} else {
		var err error
		if body, err = json.Marshal(data); err != nil {
			fail(w, &failure{http.StatusInternalServerError, "internal", err.Error()})
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	b := bufio.NewWriterSize(w, 32<<10)
	put(b, `{"status":"success","data":`)
	if streams {
		stream.write(b)
	} else {
		put(b, string(body))
	}
	list(b, "warnings", warnings)
	list(b, "infos", infos)
	put(b, "}")
	_ = b.Flush() // a client that is gone cannot be told
}

// put writes to a buffer, which remembers its first error until it is flushed.
func put(b *bufio.Writer, s string) { _, _ = b.WriteString(s) }

func list(b *bufio.Writer, name string, texts []string) {
	if len(texts) == 0 {
		return
	}
	encoded, err := json.Marshal(texts)
	if err == nil {
		put(b, `,"`+name+`":`+string(encoded))
	}
}

// annotate takes what a query remarked. Positions are those in expr.
func annotate(data any, remarks annotations.Annotations, expr string) warned {
	warnings, infos := remarks.AsStrings(expr, 10, 10)
	return warned{data, warnings, infos}
}
