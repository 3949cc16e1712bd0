package otel

import (
	"context"

	"go.opentelemetry.io/otel/trace"
)

// IDs returns the IDs of the trace and the span of a context, in hexadecimal; both are empty when it has none. It is what
// logs.Config.Trace of the kit wants.
func IDs(ctx context.Context) (traceID, spanID string) {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return "", ""
	}
	return span.TraceID().String(), span.SpanID().String()
}
