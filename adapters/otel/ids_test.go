package otel_test

import (
	"testing"

	"go.opentelemetry.io/otel/trace"

	gabionotel "github.com/gabion-io/gabion/adapters/otel"
	"github.com/gabion-io/gabion/logs"
)

func TestIDs(t *testing.T) {
	ids := logs.Config{Trace: gabionotel.IDs}.Trace
	if trace, span := ids(t.Context()); trace != "" || span != "" {
		t.Errorf("without a span: %q %q", trace, span)
	}
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x4b, 0xf9, 15: 0x36}, SpanID: trace.SpanID{0, 0xf0, 7: 0xb7},
	}))
	if trace, span := ids(ctx); trace != "4bf90000000000000000000000000036" || span != "00f00000000000b7" {
		t.Errorf("%q %q", trace, span)
	}
}
