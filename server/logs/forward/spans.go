package forward

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// Spans forwards spans by OTLP. Make it with [NewSpans], end it with Close. It is safe for concurrent use.
type Spans struct {
	*outlet[[]byte]
}

// NewSpans makes a forwarder and starts the goroutine that sends. Its path is /v1/traces. Its error says what is impossible
// in the destination.
func NewSpans(to Destination) (*Spans, error) {
	if err := to.Validate(); err != nil {
		return nil, fmt.Errorf("forward: %w", err)
	}
	s := &Spans{}
	s.outlet = newOutlet(to.withDefaults("/v1/traces"), "spans", !to.Plain, s.send)
	return s, nil
}

// Put takes spans: it is what otlp.Receiver.Forward wants. It never waits, keeps nothing of them, and fails only when they
// cannot be encoded.
func (s *Spans) Put(_ context.Context, traces ptrace.Traces) error {
	n := traces.SpanCount()
	if n == 0 {
		return nil
	}
	body, err := ptraceotlp.NewExportRequestFromTraces(traces).MarshalProto()
	if err != nil {
		return fmt.Errorf("forward to %s: %w", s.to.Name, err)
	}
	s.spool.Put(body, n, len(body))
	return nil
}

// send sends a batch. In protobuf, requests one after the other are one request with what all of them had.
func (s *Spans) send(ctx context.Context, batch [][]byte) (refused int, err error) {
	size := 0
	for _, request := range batch {
		size += len(request)
	}
	body := make([]byte, 0, size)
	for _, request := range batch {
		body = append(body, request...)
	}
	answer, err := s.target.Post(ctx, "application/x-protobuf", body)
	if err != nil {
		return 0, err
	}
	out := ptraceotlp.NewExportResponse()
	if out.UnmarshalProto(answer) != nil { // a receiver that took them its own way
		return 0, nil //nolint:nilerr // it took them
	}
	return int(out.PartialSuccess().RejectedSpans()), nil
}
