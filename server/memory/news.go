package memory

import (
	"encoding/json"
	"net/http"
	"path"
	"strconv"
	"sync"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/own"
	logstore "github.com/gabion-io/gabion/server/logs/store"
	"github.com/gabion-io/gabion/server/logs/template"
	"github.com/gabion-io/gabion/server/metrics/tier"
	"github.com/gabion-io/gabion/server/store"
)

// NewsPath is where the store tells [News]. With ?after=NUMBER only those behind one.
const NewsPath = "/api/v1/store/news"

// maxNews is how many of the last ones of each kind are told.
const maxNews = 100

// News is what the store found out lately, the oldest first. All of it is numbered; numbers grow, also over restarts: each is
// when it was told, in microseconds since 1970, or more.
type News struct {
	Errors []NewError `json:"errors"`
	Damage []Damage   `json:"damage"`
}

// NewError is an error that a service never had before.
type NewError struct {
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

// Damage is a file of the store of which something cannot be read, or is missing behind it.
type Damage struct {
	Number uint64 `json:"number"`
	// File is below the directory of the data.
	File string `json:"file"`
	// From and To are the times of what is lost; zero when nothing is, or when they are not known.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// Reason says what is lost, and why.
	Reason string `json:"reason"`

	lines logstore.Damage // what it was made of
}

// news is what was found out lately.
type news struct {
	mu     sync.Mutex
	last   News
	number uint64 // of the last one
	told   uint64 // up to which one somebody has asked
}

// next is the number of another one.
func (n *news) next() uint64 {
	n.number = max(n.number+1, uint64(max(time.Now().UnixMicro(), 0)))
	return n.number
}

// add remembers errors, and makes the lines that tell of them.
func (n *news) add(events []template.Event, instance string) (lines []entry.Entry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := n.last.Errors
	for _, e := range events {
		all = append(all, NewError{n.next(), time.Unix(0, e.Time).UTC(), e.Service, e.ID, e.Template, e.Message, e.Trace, e.Omitted})
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
	n.last.Errors = all[max(len(all)-maxNews, 0):]
	return lines
}

// lines remembers damage of the logs. That of a file of which nobody has been told yet becomes one: many parts of a file are
// found damaged at a time.
func (n *news) lines(d logstore.Damage) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if all := n.last.Damage; len(all) > 0 {
		if last := &all[len(all)-1]; last.lines.File == d.File && last.Number > n.told {
			last.lines.Join(d)
			last.From, last.To, last.Reason = last.lines.From, last.lines.To, last.lines.String()
			return
		}
	}
	n.damaged(Damage{File: path.Join("logs", d.File), From: d.From, To: d.To, Reason: d.String(), lines: d})
}

// samples remembers damage of the metrics.
func (n *news) samples(d tier.Damage) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.damaged(Damage{File: path.Join("metrics", d.File), From: d.From, To: d.To, Reason: d.String()})
}

func (n *news) damaged(d Damage) {
	d.Number = n.next()
	all := append(n.last.Damage, d)
	n.last.Damage = all[max(len(all)-maxNews, 0):]
}

// since are those behind a number.
func (n *news) since(number uint64) News {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = n.number
	return News{
		Errors: behind(n.last.Errors, number, func(e NewError) uint64 { return e.Number }),
		Damage: behind(n.last.Damage, number, func(d Damage) uint64 { return d.Number }),
	}
}

// behind are those whose number is larger.
func behind[T any](all []T, number uint64, of func(T) uint64) []T {
	list := []T{}
	for _, one := range all {
		if of(one) > number {
			list = append(list, one)
		}
	}
	return list
}

// ServeHTTP answers what [NewsPath] says.
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
	_ = json.NewEncoder(w).Encode(n.since(after))
}
