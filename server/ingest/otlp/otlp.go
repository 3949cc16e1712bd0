// Package otlp takes logs, spans and metrics over OTLP: HTTP (/v1/logs, /v1/traces and /v1/metrics, protobuf and JSON, gzip)
// and gRPC.
//
// Every log record becomes an entry. Of the spans only those that failed or were slow become entries, of the kind "span";
// all of them can be forwarded to a system that keeps traces.
//
// Points of metrics become samples of series in the way of Prometheus, by its own translator. What is stored are totals since
// a start: differences (temporality delta) are added up, series by series, but for those of sums that can fall, which are
// refused. Exemplars are not kept. What cannot be stored is counted in the answer, as a partial success.
//
// The protocol: https://opentelemetry.io/docs/specs/otlp/
package otlp

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/gabion-io/gabion/server/ingest"
	"github.com/gabion-io/gabion/server/logs/entry"
)

// Receiver takes logs, spans and metrics. Set the fields before its first use.
type Receiver struct {
	// Sink gets the entries. Required for logs and spans.
	Sink ingest.Sink
	// Metrics gets the samples. Required for metrics.
	Metrics Metrics
	// Intake bounds bodies over HTTP. Required for HTTP.
	Intake *ingest.Intake
	// SlowSpan is how long a span must take to become an entry although it did not fail. Default: 1 s.
	SlowSpan time.Duration
	// Forward gets all spans before any becomes an entry. It must not keep them. When it fails, the sender is told to send
	// them again. Default: spans are not forwarded.
	Forward func(context.Context, ptrace.Traces) error
	// Producer names who sent a request over HTTP. Default: the host of its address.
	Producer func(*http.Request) string
	// Now reads the clock, with which the times of points are compared. Default: time.Now.
	Now func() time.Time

	translating sync.Mutex
	totals      totals // of what is sent as differences; for whoever translates
	refused     atomic.Uint64
}

func (r *Receiver) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

// takeLogs gives all records to the sink. It returns how many were dropped and why.
func (r *Receiver) takeLogs(ctx context.Context, producer string, logs plog.Logs) (rejected int64, reason string, err error) {
	return r.append(ctx, producer, records(logs, time.Now()))
}

// takeTraces forwards all spans, and gives the entries that are made of some to the sink.
func (r *Receiver) takeTraces(ctx context.Context, producer string, traces ptrace.Traces) (err error) {
	if r.Forward != nil {
		if err := r.Forward(ctx, traces); err != nil {
			return err
		}
	}
	slow := r.SlowSpan
	if slow == 0 {
		slow = time.Second
	}
	// An entry that is dropped is no span that is rejected: the answer counts spans.
	_, _, err = r.append(ctx, producer, spans(traces, slow))
	return err
}

func (r *Receiver) append(ctx context.Context, producer string, lines []entry.Entry) (rejected int64, reason string, err error) {
	if len(lines) == 0 {
		return 0, "", nil
	}
	some, err := ingest.Partial(r.Sink.Append(ctx, producer, lines))
	if err != nil || some == nil {
		return 0, "", err
	}
	return int64(len(some.Dropped)), some.Reason, nil
}
