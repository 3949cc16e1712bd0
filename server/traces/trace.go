package traces

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// Trace is what is kept of a trace.
type Trace struct {
	// ID is the trace's, as it is kept: in lower case.
	ID string `json:"trace_id"`
	// Start is when its first span began, or its first line was written; End when the last one ended.
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	// Services are those that have a span or a line, by name.
	Services []string `json:"services"`
	// Spans are those that failed or were slow, in the order in which they began.
	Spans []Span `json:"spans"`
	// Lines are those of the log, by time.
	Lines []Line `json:"lines"`
	// Truncated says that there are more, later than these.
	Truncated bool `json:"truncated,omitempty"`
	// Warnings say what cannot be read, and may have been of this trace.
	Warnings []string `json:"warnings,omitempty"`
}

// Span is one of a trace that failed or was slow.
type Span struct {
	ID string `json:"span_id,omitempty"`
	// Parent is the ID of the span that it is part of, whether that is kept or not. Depth is how many of those are here.
	Parent   string    `json:"parent_id,omitempty"`
	Depth    int       `json:"depth"`
	Name     string    `json:"name"`
	Service  string    `json:"service,omitempty"`
	Instance string    `json:"instance,omitempty"`
	Handler  string    `json:"handler,omitempty"`
	Start    time.Time `json:"start"`
	// DurationMS is how long it took, in milliseconds.
	DurationMS float64 `json:"duration_ms"`
	// Failed says that its status is an error; StatusMessage says which.
	Failed        bool   `json:"failed"`
	StatusMessage string `json:"status_message,omitempty"`
	// Kind is internal, server, client, producer or consumer.
	Kind       string            `json:"kind,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Line is one of the log.
type Line struct {
	Time       time.Time         `json:"time"`
	Level      string            `json:"level"`
	Service    string            `json:"service,omitempty"`
	Instance   string            `json:"instance,omitempty"`
	Handler    string            `json:"handler,omitempty"`
	Span       string            `json:"span_id,omitempty"`
	Message    string            `json:"message"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// add adds what an entry is.
func (t *Trace) add(e *entry.Entry) {
	end := time.Unix(0, e.Time).UTC()
	start := end
	if e.IsSpan() {
		s := spanOf(e, end)
		start = s.Start
		t.Spans = append(t.Spans, s)
	} else {
		t.Lines = append(t.Lines, Line{
			Time: end, Level: e.Level.String(), Service: e.Service, Instance: e.Instance, Handler: e.Handler, Span: e.Span, Message: e.Message,
			Attributes: attributes(e.Attrs, nil),
		})
	}
	if t.Start.IsZero() || start.Before(t.Start) {
		t.Start = start
	}
	if end.After(t.End) {
		t.End = end
	}
	if at, found := slices.BinarySearch(t.Services, e.Service); !found && e.Service != "" {
		t.Services = slices.Insert(t.Services, at, e.Service)
	}
}

// spanOf makes a span of an entry, as package ingest/otlp made the entry of the span.
func spanOf(e *entry.Entry, end time.Time) Span {
	s := Span{ID: e.Span, Name: e.Message, Service: e.Service, Instance: e.Instance, Handler: e.Handler}
	s.Attributes = attributes(e.Attrs, func(name, value string) bool {
		switch name {
		case "kind", "name":
		case "duration_ms":
			ms, err := strconv.ParseFloat(value, 64)
			if err != nil || !(ms >= 0 && ms < 1e12) {
				return false
			}
			s.DurationMS = ms
		case "status":
			s.Failed = value == "error"
		case "status_message":
			s.StatusMessage = value
		case "parent":
			s.Parent = value
		case "span_kind":
			s.Kind = value
		default:
			return false
		}
		return true
	})
	s.Start = end.Add(-time.Duration(s.DurationMS * 1e6))
	return s
}

// attributes are those that special does not take. It is asked once for each name, and of those that have a name twice the
// first counts. No attributes are nil.
func attributes(attrs []entry.Attr, special func(name, value string) bool) map[string]string {
	all := make(map[string]string, len(attrs))
	taken := map[string]bool{}
	for _, a := range attrs {
		if _, twice := all[a.Name]; twice || taken[a.Name] {
			continue
		}
		if special != nil && special(a.Name, a.Value) {
			taken[a.Name] = true
			continue
		}
		all[a.Name] = a.Value
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// sort puts spans and lines into their order, and says how deep the spans are.
func (t *Trace) sort() {
	slices.SortStableFunc(t.Lines, func(a, b Line) int { return a.Time.Compare(b.Time) })
	t.deepen()
	slices.SortStableFunc(t.Spans, func(a, b Span) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Depth, b.Depth), -cmp.Compare(a.DurationMS, b.DurationMS))
	})
}

// deepen computes how deep spans are. A circle of parents ends after as many steps as there are spans.
func (t *Trace) deepen() {
	parents := make(map[string]string, len(t.Spans))
	for i := range t.Spans {
		if s := &t.Spans[i]; s.ID != "" {
			parents[s.ID] = s.Parent
		}
	}
	depths := make(map[string]int, len(t.Spans))
	var path []string
	for i := range t.Spans {
		path = path[:0]
		at := t.Spans[i].Parent
		depth := 0
		for len(path) <= len(t.Spans) {
			known, ok := depths[at]
			if ok {
				depth = known
				break
			}
			parent, here := parents[at]
			if !here {
				break
			}
			path = append(path, at)
			at = parent
		}
		for _, id := range slices.Backward(path) {
			depth++
			depths[id] = depth
		}
		t.Spans[i].Depth = depth
	}
}
