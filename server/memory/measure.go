package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/gabion-io/gabion/server/metrics/promapi"
)

// JobStore is the label job of the store's own metrics.
const JobStore = "gabion-store"

// measureEvery is how often they are taken.
const measureEvery = 10 * time.Second

// family is all series of one name.
type family struct {
	name, kind string
	labels     []string
	help       string
}

// put gives the value of a series. The labels are those of its family, in their order: a name and a value each.
type put = func(name string, value float64, labels ...string)

// measured is a part that has metrics of its own.
type measured interface {
	families() []family
	measure(ctx context.Context, put put)
}

// measures is the part that keeps the metrics of the store itself, beside those that it keeps for others.
type measures struct {
	take func(ctx context.Context, text []byte) error
	of   []measured
	log  *slog.Logger

	registry *prometheus.Registry
	known    map[string]family
	cancel   context.CancelFunc
	done     chan struct{}
}

func newMeasures(log *slog.Logger, take func(ctx context.Context, text []byte) error, of ...measured) *measures {
	m := &measures{take: take, of: of, log: log, registry: prometheus.NewRegistry(), known: map[string]family{}}
	for _, part := range of {
		for _, f := range part.families() {
			m.known[f.name] = f
		}
	}
	m.registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Name implements [store.Part].
func (m *measures) Name() string { return "measures" }

// Open implements [store.Part].
func (m *measures) Open(context.Context) error {
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel, m.done = cancel, make(chan struct{})
	go m.run(ctx)
	return nil
}

// Handle implements [store.Part].
func (m *measures) Handle(*http.ServeMux) {}

// Close implements [store.Part].
func (m *measures) Close(context.Context) error {
	m.cancel()
	<-m.done
	return nil
}

func (m *measures) run(ctx context.Context) {
	defer close(m.done)
	tick := time.NewTicker(measureEvery)
	defer tick.Stop()
	for {
		if err := m.once(ctx); err != nil && ctx.Err() == nil {
			m.log.Debug("the store's own metrics are not kept", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// once takes all metrics, and up among them, and keeps them.
func (m *measures) once(ctx context.Context) error {
	all, wrong := m.registry.Gather() // the others are right
	text := bytes.NewBuffer(Up(time.Now()))
	for _, f := range all {
		if _, err := expfmt.MetricFamilyToText(text, f); err != nil {
			return err
		}
	}
	return errors.Join(wrong, m.take(ctx, text.Bytes()))
}

// Describe implements [prometheus.Collector]. What there will be is not said before.
func (m *measures) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (m *measures) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), measureEvery/2)
	defer cancel()
	for _, part := range m.of {
		part.measure(ctx, func(name string, value float64, labels ...string) {
			metric, err := m.metric(name, value, labels)
			if err != nil {
				metric = prometheus.NewInvalidMetric(prometheus.NewDesc(name, "", nil, nil), err)
			}
			out <- metric
		})
	}
}

// metric makes a metric of a family that is known.
func (m *measures) metric(name string, value float64, labels []string) (prometheus.Metric, error) {
	f, kind := m.known[name], prometheus.GaugeValue
	if f.kind == "counter" {
		kind = prometheus.CounterValue
	}
	var names, values []string
	for pair := range slices.Chunk(labels, 2) {
		names, values = append(names, pair[0]), append(values, strings.ToValidUTF8(pair[len(pair)-1], "\uFFFD")) // one bad byte would cost all series
	}
	if f.name == "" || !slices.Equal(names, f.labels) {
		return nil, fmt.Errorf("%s%q is of no family", name, names)
	}
	return prometheus.NewConstMetric(prometheus.NewDesc(name, f.help, f.labels, nil), kind, value, values...)
}

// takeOwn keeps the store's own metrics.
func (m *metrics) takeOwn(ctx context.Context, text []byte) error {
	own := labels.NewBuilder(m.own).Set("job", JobStore).Labels()
	samples, about, err := promapi.Read(text, time.Now(), own)
	if err != nil {
		return err
	}
	for metric, a := range about {
		m.store.Describe(metric, a)
	}
	_, err = m.store.Append(ctx, JobStore, append(m.storeBirths.zeros(samples, about), samples...))
	return err
}

// bit is 1 for true.
func bit(on bool) float64 {
	if on {
		return 1
	}
	return 0
}
