package memory

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/own"
	"github.com/gabion-io/gabion/server/logs/template"
	"github.com/gabion-io/gabion/server/store"
)

// maxNews is how many of the last errors that were new are shown.
const maxNews = 100

// news is the last errors that services never had before.
type news struct {
	mu     sync.Mutex
	last   []NewError
	number uint64 // of the last one
}

// NewError is an error that a service never had before.
type NewError struct {
	// Number grows, also over restarts: it is when it was told, in microseconds since 1970, or more.
	Number  uint64    `json:"number"`
	Time    time.Time `json:"time"`
	Service string    `json:"service"`
	// Template is what does not vary of the text, ID tells it from others everywhere and always.
	ID       string `json:"id"`
	Template string `json:"template"`
	// Message is the first line of its kind, Trace its trace.
	Message string `json:"message"`
	Trace   string `json:"trace_id,omitempty"`
	// Omitted is how many errors of the service were new before this one, and not told: it had too many.
	Omitted int `json:"omitted,omitempty"`
}

// ErrorsPath is where the store tells of the last errors that were new: [NewErrors]. With ?after=NUMBER only those behind
// one.
const ErrorsPath = "/api/v1/logs/errors"

// NewErrors are errors that were new, the oldest first.
type NewErrors struct {
	Errors []NewError `json:"errors"`
}

// add remembers events, and makes the lines that tell of them.
func (n *news) add(events []template.Event, instance string) (lines []entry.Entry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range events {
		n.number = max(n.number+1, uint64(max(time.Now().UnixMicro(), 0)))
		n.last = append(n.last, NewError{n.number, time.Unix(0, e.Time).UTC(), e.Service, e.ID, e.Template, e.Message, e.Trace, e.Omitted})
		line := entry.Entry{
			Time: e.Time, Level: entry.Warn, Service: own.Service, Instance: instance, Trace: e.Trace,
			Message: "new error of " + e.Service + ": " + e.Message,
			Attrs:   []entry.Attr{{Name: "kind", Value: "new_error"}, {Name: "of", Value: e.Service}, {Name: "template", Value: e.Template}, {Name: "id", Value: e.ID}},
		}
		if e.Omitted > 0 {
			line.Attrs = append(line.Attrs, entry.Attr{Name: "omitted", Value: strconv.Itoa(e.Omitted)})
		}
		lines = append(lines, line)
	}
	n.last = n.last[max(len(n.last)-maxNews, 0):]
	return lines
}

// since are those behind a number, the oldest first.
func (n *news) since(number uint64) []NewError {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := []NewError{}
	for _, e := range n.last {
		if e.Number > number {
			list = append(list, e)
		}
	}
	return list
}

// ServeHTTP answers what [ErrorsPath] says.
func (n *news) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	after := uint64(0)
	if text := r.URL.Query().Get("after"); text != "" {
		var err error
		if after, err = strconv.ParseUint(text, 10, 64); err != nil {
			store.Problem{Title: "Bad request", Status: http.StatusBadRequest, Detail: "after is not a number."}.Write(w)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	// A client that is gone is not told.
	_ = json.NewEncoder(w).Encode(NewErrors{n.since(after)})
}
