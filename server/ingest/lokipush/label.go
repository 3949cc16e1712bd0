package lokipush

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/logs/entry"
)

// parseLabels reads the labels of a stream: {app="shop", pod="shop-1"}. Values are quoted as in Go.
func parseLabels(s string) (labels []entry.Attr, err error) {
	fail := func(rest, want string) ([]entry.Attr, error) {
		return nil, fmt.Errorf("%w: labels %.60q: byte %d: want %s", ingest.ErrRefused, s, len(s)-len(rest)+1, want)
	}
	rest, ok := strings.CutPrefix(strings.TrimLeft(s, " "), "{")
	if !ok {
		return fail(rest, "{")
	}
	for {
		rest = strings.TrimLeft(rest, " ")
		if rest == "}" {
			return labels, nil
		}
		n := strings.IndexAny(rest, `= ,"{}`)
		if n <= 0 {
			return fail(rest, "a name")
		}
		name := rest[:n]
		if rest, ok = strings.CutPrefix(strings.TrimLeft(rest[n:], " "), "="); !ok {
			return fail(rest, "=")
		}
		rest = strings.TrimLeft(rest, " ")
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil || quoted[0] == '\'' {
			return fail(rest, "a text in quotes")
		}
		value, err := strconv.Unquote(quoted)
		if err != nil {
			return fail(rest, "a text in quotes")
		}
		labels = append(labels, entry.Attr{Name: name, Value: value})
		rest = strings.TrimLeft(rest[len(quoted):], " ")
		if next, comma := strings.CutPrefix(rest, ","); comma {
			rest = next
		} else if rest != "}" {
			return fail(rest, ", or }")
		}
	}
}

// The names of labels and metadata that stand for fields of an entry. Of those that are present the first counts, the others
// are attributes.
var (
	serviceNames  = []string{"service_name", "service", "app", "application", "app_kubernetes_io_name", "container", "job"}
	instanceNames = []string{"service_instance_id", "instance", "pod", "host", "hostname"}
	handlerNames  = []string{"handler", "route", "http_route"}
	traceNames    = []string{"trace_id", "traceid", "traceID", "traceId"}
	spanNames     = []string{"span_id", "spanid", "spanID", "spanId"}
	levelNames    = []string{"level", "detected_level", "severity", "severity_text", "lvl"}
)

// builder makes entries of a stream.
type builder struct {
	room   *ingest.Room // of the body
	common entry.Entry
}

// stream sets the labels that all lines have.
func (b *builder) stream(labels []entry.Attr) { b.common.Attrs = labels; fill(&b.common) }

// line makes an entry. The metadata of a line comes before the labels of its stream. The error says that there is no room.
func (b *builder) line(at int64, text string, metadata []entry.Attr) (entry.Entry, error) {
	own := entry.Entry{Attrs: metadata}
	fill(&own)
	e := b.common
	e.Time, e.Message = at, text
	for _, f := range [][2]*string{{&e.Service, &own.Service}, {&e.Instance, &own.Instance}, {&e.Handler, &own.Handler}, {&e.Trace, &own.Trace}, {&e.Span, &own.Span}} {
		if *f[1] != "" {
			*f[0] = *f[1]
		}
	}
	if own.Level != entry.Unknown {
		e.Level = own.Level
	}
	if e.Level == entry.Unknown {
		e.Level = ingest.GuessLevel(text)
	}
	e.Attrs = slices.Concat(own.Attrs, b.common.Attrs)
	return e, b.room.Take(&e)
}

// fill moves attributes to the fields that they stand for.
func fill(e *entry.Entry) {
	e.Service, e.Instance, e.Handler = take(e, serviceNames), take(e, instanceNames), take(e, handlerNames)
	e.Trace, e.Span = strings.ToLower(take(e, traceNames)), strings.ToLower(take(e, spanNames))
	for _, name := range levelNames {
		if word, ok := e.Attr(name); ok {
			if e.Level = entry.ParseLevel(word); e.Level != entry.Unknown {
				take(e, []string{name})
				return
			}
		}
	}
}

// take removes the first of the names that is present, and returns its value.
func take(e *entry.Entry, names []string) string {
	for _, name := range names {
		for i, a := range e.Attrs {
			if a.Name == name && a.Value != "" {
				e.Attrs = slices.Delete(e.Attrs, i, i+1)
				return a.Value
			}
		}
	}
	return ""
}
