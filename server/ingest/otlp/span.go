package otlp

import (
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// spans makes entries of the spans that failed or took as long as slow.
func spans(traces ptrace.Traces, slow time.Duration) (lines []entry.Entry) {
	for _, resource := range traces.ResourceSpans().All() {
		from := sourceOf(resource.Resource())
		for _, scope := range resource.ScopeSpans().All() {
			for _, s := range scope.Spans().All() {
				failed := s.Status().Code() == ptrace.StatusCodeError
				if took := duration(s); failed || took >= slow {
					lines = append(lines, from.span(s, scope.Scope().Name(), took, failed))
				}
			}
		}
	}
	return lines
}

// duration is how long a span took. Clocks that were set back make it 0.
func duration(s ptrace.Span) time.Duration {
	if s.EndTimestamp() <= s.StartTimestamp() {
		return 0
	}
	return time.Duration(s.EndTimestamp() - s.StartTimestamp())
}

// span makes an entry of a span: an error when it failed, else a warning. Its time is when the span ended, which is when
// its last log lines were written.
func (s *source) span(p ptrace.Span, scope string, took time.Duration, failed bool) entry.Entry {
	e := entry.Entry{
		Time: max(int64(p.EndTimestamp()), 0), Service: s.service, Instance: s.instance, Level: entry.Warn,
		Trace: traceID(p.TraceID()), Span: spanID(p.SpanID()), Message: p.Name(),
	}
	if failed {
		e.Level = entry.Error
	}
	add := func(name, value string) {
		if value != "" {
			e.Attrs = append(e.Attrs, entry.Attr{Name: name, Value: value})
		}
	}
	add("kind", "span")
	add("name", p.Name())
	add("duration_ms", strconv.FormatFloat(float64(took)/1e6, 'f', -1, 64))
	add("status", strings.ToLower(p.Status().Code().String()))
	add("status_message", p.Status().Message())
	add("parent", spanID(p.ParentSpanID()))
	add("span_kind", strings.ToLower(p.Kind().String()))
	s.attributes(&e, p.Attributes())
	s.common(&e, scope)
	return e
}
