package otlp

import (
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// source is what the entries of a resource have in common.
type source struct {
	service, instance string
	attrs             []entry.Attr
}

func sourceOf(resource pcommon.Resource) (s source) {
	for name, v := range resource.Attributes().All() {
		switch name {
		case "service.name":
			s.service = v.AsString()
		case "service.instance.id":
			s.instance = v.AsString()
		default:
			s.attrs = append(s.attrs, entry.Attr{Name: name, Value: v.AsString()})
		}
	}
	return s
}

// records makes entries of log records. Those without any time get now.
func records(logs plog.Logs, now time.Time) []entry.Entry {
	lines := make([]entry.Entry, 0, logs.LogRecordCount())
	for _, resource := range logs.ResourceLogs().All() {
		from := sourceOf(resource.Resource())
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				lines = append(lines, from.record(record, scope.Scope().Name(), now))
			}
		}
	}
	return lines
}

// record makes an entry. Its own attributes come before those of the resource, since the first of a name counts and the
// last ones are cut.
func (s *source) record(r plog.LogRecord, scope string, now time.Time) entry.Entry {
	e := entry.Entry{
		Time: int64(r.Timestamp()), Service: s.service, Instance: s.instance,
		Level: severity(r.SeverityNumber()), Message: r.Body().AsString(),
		Trace: traceID(r.TraceID()), Span: spanID(r.SpanID()),
	}
	if e.Time <= 0 {
		if e.Time = int64(r.ObservedTimestamp()); e.Time <= 0 {
			e.Time = now.UnixNano()
		}
	}
	e.Attrs = make([]entry.Attr, 0, r.Attributes().Len()+len(s.attrs)+3)
	s.attributes(&e, r.Attributes())
	if name := r.EventName(); name != "" {
		e.Attrs = append(e.Attrs, entry.Attr{Name: "event.name", Value: name})
		if e.Message == "" {
			e.Message = name
		}
	}
	if text := r.SeverityText(); text != "" {
		word := entry.ParseLevel(text)
		if e.Level == entry.Unknown {
			e.Level = word
		}
		if word != e.Level || word == entry.Unknown { // it says more than the level
			e.Attrs = append(e.Attrs, entry.Attr{Name: "severity_text", Value: text})
		}
	}
	s.common(&e, scope)
	return e
}

// attributes takes those of a record or a span.
func (s *source) attributes(e *entry.Entry, attributes pcommon.Map) {
	for name, v := range attributes.All() {
		if name == "http.route" && e.Handler == "" {
			e.Handler = v.AsString()
			continue
		}
		e.Attrs = append(e.Attrs, entry.Attr{Name: name, Value: v.AsString()})
	}
}

// common adds what the scope and the resource say.
func (s *source) common(e *entry.Entry, scope string) {
	if scope != "" {
		e.Attrs = append(e.Attrs, entry.Attr{Name: "otel.scope.name", Value: scope})
	}
	e.Attrs = append(e.Attrs, s.attrs...)
}

// severity maps the 24 numbers of OpenTelemetry, four to a level.
func severity(n plog.SeverityNumber) entry.Level {
	if n < plog.SeverityNumberTrace || n > plog.SeverityNumberFatal4 {
		return entry.Unknown
	}
	return entry.Trace + entry.Level(n-plog.SeverityNumberTrace)/4
}

// traceID is an ID in hexadecimal, empty when there is none.
func traceID(id pcommon.TraceID) string { return strings.ToLower(id.String()) }

func spanID(id pcommon.SpanID) string { return strings.ToLower(id.String()) }
