package forward

import (
	"encoding/hex"
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/gabion-io/gabion/internal/spool"
	"github.com/gabion-io/gabion/server/logs/entry"
)

// unsendable is what becomes of a batch that cannot be encoded: it never will be.
func unsendable(err error) error { return fmt.Errorf("%w: %w", spool.ErrRefused, err) }

// origin is what is a resource in OpenTelemetry.
type origin struct{ service, instance string }

// otlpLines encodes lines, those of one origin together.
func otlpLines(batch [][]entry.Entry) ([]byte, error) {
	logs := plog.NewLogs()
	scopes := map[origin]plog.ScopeLogs{}
	for _, lines := range batch {
		for i := range lines {
			e := &lines[i]
			from := origin{e.Service, e.Instance}
			scope, ok := scopes[from]
			if !ok {
				scope = scopeOf(logs, from)
				scopes[from] = scope
			}
			record(scope.LogRecords().AppendEmpty(), e)
		}
	}
	return plogotlp.NewExportRequestFromLogs(logs).MarshalProto()
}

func scopeOf(logs plog.Logs, from origin) plog.ScopeLogs {
	resource := logs.ResourceLogs().AppendEmpty()
	put := func(name, value string) {
		if value != "" {
			resource.Resource().Attributes().PutStr(name, valid(value))
		}
	}
	put("service.name", from.service)
	put("service.instance.id", from.instance)
	return resource.ScopeLogs().AppendEmpty()
}

// record makes a record of an entry.
func record(r plog.LogRecord, e *entry.Entry) {
	r.SetTimestamp(pcommon.Timestamp(max(e.Time, 0)))
	if e.Level != entry.Unknown {
		r.SetSeverityNumber(plog.SeverityNumber(e.Level-entry.Trace)*4 + plog.SeverityNumberTrace)
		r.SetSeverityText(strings.ToUpper(e.Level.String()))
	}
	r.Body().SetStr(valid(e.Message))
	attrs := r.Attributes()
	attrs.EnsureCapacity(len(e.Attrs) + 1)
	put := func(name, value string) {
		if value != "" {
			attrs.PutStr(name, valid(value))
		}
	}
	var trace pcommon.TraceID
	if id(trace[:], e.Trace) {
		r.SetTraceID(trace)
	} else {
		put("trace_id", e.Trace)
	}
	var span pcommon.SpanID
	if id(span[:], e.Span) {
		r.SetSpanID(span)
	} else {
		put("span_id", e.Span)
	}
	put("http.route", e.Handler)
	for i := range e.Attrs {
		// The first of a name counts, as everywhere.
		if name := valid(e.Attrs[i].Name); !has(attrs, name) {
			attrs.PutStr(name, valid(e.Attrs[i].Value))
		}
	}
}

func has(attrs pcommon.Map, name string) bool {
	_, ok := attrs.Get(name)
	return ok
}

// id reads an ID. It is false when it is no ID of OpenTelemetry.
func id(to []byte, text string) bool {
	if len(text) != 2*len(to) {
		return false
	}
	_, err := hex.Decode(to, []byte(text))
	return err == nil
}

// valid makes a text one that protobuf can carry.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// rejectedLines is how many lines of a batch that was taken were rejected, as the answer says. One that cannot be read
// comes from a receiver that took them its own way.
func rejectedLines(answer []byte) int {
	out := plogotlp.NewExportResponse()
	if err := out.UnmarshalProto(answer); err != nil {
		return 0
	}
	return int(out.PartialSuccess().RejectedLogRecords())
}
