package forward

import (
	"context"
	"fmt"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// Protocol is how lines are sent.
type Protocol string

// The protocols.
const (
	// OTLP is OpenTelemetry's, over HTTP, in protobuf. Its path is /v1/logs.
	OTLP Protocol = "otlp"
	// Loki is its push API, in protobuf. Its path is /loki/api/v1/push.
	Loki Protocol = "loki"
)

// Lines forwards lines of logs. Make it with [NewLines], end it with Close. It is safe for concurrent use.
type Lines struct {
	*outlet[[]entry.Entry]
	where func(*entry.Entry) bool
}

// NewLines makes a forwarder and starts the goroutine that sends. Where says which lines are forwarded; nil: all. Those
// that were made of spans are not. Its error says what is impossible in the destination.
func NewLines(to Destination, by Protocol, where func(*entry.Entry) bool) (*Lines, error) {
	if err := to.Validate(); err != nil {
		return nil, fmt.Errorf("forward: %w", err)
	}
	l := &Lines{where: where}
	switch by {
	case OTLP:
		l.outlet = newOutlet(to.withDefaults("/v1/logs"), "lines", !to.Plain, l.sendOTLP)
	case Loki:
		l.outlet = newOutlet(to.withDefaults("/loki/api/v1/push"), "lines", false, l.sendLoki)
	default:
		return nil, fmt.Errorf("forward: protocol is %q, must be %s or %s", by, OTLP, Loki)
	}
	return l, nil
}

// Put takes lines. It never waits, and keeps the slice: nobody may change it or its entries any more.
func (l *Lines) Put(lines []entry.Entry) {
	from, size := 0, 0
	flush := func(to int) {
		if to > from {
			l.spool.Put(lines[from:to:to], to-from, size)
		}
		from, size = to, 0
	}
	for i := range lines {
		e := &lines[i]
		if e.IsSpan() || l.where != nil && !l.where(e) {
			flush(i)
			from = i + 1
			continue
		}
		n := e.Size()
		if size > 0 && size+n > l.to.Batch/4 { // so that batches get nearly full
			flush(i)
		}
		size += n
	}
	flush(len(lines))
}

// sendOTLP sends a batch by OTLP.
func (l *Lines) sendOTLP(ctx context.Context, batch [][]entry.Entry) (refused int, err error) {
	body, err := otlpLines(batch)
	if err != nil {
		return 0, unsendable(err)
	}
	answer, err := l.target.Post(ctx, "application/x-protobuf", body)
	if err != nil {
		return 0, err
	}
	return rejectedLines(answer), nil
}

// sendLoki sends a batch to Loki.
func (l *Lines) sendLoki(ctx context.Context, batch [][]entry.Entry) (refused int, err error) {
	_, err = l.target.Post(ctx, "application/x-protobuf", lokiPush(batch))
	return 0, err
}
