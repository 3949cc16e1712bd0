package otel

import (
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/gabion-io/gabion"
)

// ended tells the series of calls apart, told those of all other events.
type (
	ended struct {
		name    string
		outcome gabion.Outcome
	}
	told struct {
		kind                 gabion.EventKind
		policy, name, reason string
	}
)

func (l ended) options() []metric.RecordOption {
	return []metric.RecordOption{
		metric.WithAttributes(attributeName.String(l.name), attributeOutcome.String(l.outcome.String())),
	}
}

func (l told) options() []metric.AddOption {
	all := []attribute.KeyValue{attributePolicy.String(l.policy), attributeName.String(l.name), attributeKind.String(string(l.kind))}
	if l.reason != "" {
		all = append(all, attributeReason.String(l.reason))
	}
	return []metric.AddOption{metric.WithAttributes(all...)}
}

// labels keeps the options of labels that were met before, because to make them costs more than to count.
type labels[L interface {
	comparable
	options() O
}, O any] struct {
	mu    sync.RWMutex
	known map[L]O
}

// maxLabels bounds what is kept, for policies that make up their names. It is as many series as OpenTelemetry itself keeps of an
// instrument by default.
const maxLabels = 2000

func (l *labels[L, O]) of(label L) O {
	l.mu.RLock()
	o, ok := l.known[label]
	l.mu.RUnlock()
	if ok {
		return o
	}
	o = label.options()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.known) < maxLabels {
		l.known[label] = o
	}
	return o
}
