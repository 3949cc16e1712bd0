package tier

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// census counts the series in the head of a database. The database itself reports births and deaths, those of a restart
// included, so the counts are true without a second table of all series.
type census struct {
	deaths atomic.Uint64 // how often series were let go

	mu      sync.Mutex
	total   int
	service map[string]int
	metric  map[string]int
}

func newCensus() *census {
	return &census{service: map[string]int{}, metric: map[string]int{}}
}

// serviceOf is whom a series belongs to.
func serviceOf(l labels.Labels) string {
	if s := l.Get("service"); s != "" {
		return s
	}
	return l.Get("job")
}

// room says whether a new series may be born; when not, for which reason, and who is too large.
func (c *census) room(l labels.Labels, limits Limits) (why Reason, culprit string, ok bool) {
	service, metric := serviceOf(l), l.Get(model.MetricNameLabel)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.service[service] >= limits.Service:
		return ServiceLimit, service, false
	case c.metric[metric] >= limits.Metric:
		return MetricLimit, metric, false
	case c.total >= limits.Total:
		return TotalLimit, service, false
	}
	return 0, "", true
}

// PreCreation implements tsdb.SeriesLifecycleCallback: the guard has decided before, and what is in the log is let in.
func (c *census) PreCreation(labels.Labels) error { return nil }

// PostCreation implements tsdb.SeriesLifecycleCallback.
func (c *census) PostCreation(l labels.Labels) { c.count(l, 1) }

// PostDeletion implements tsdb.SeriesLifecycleCallback.
func (c *census) PostDeletion(gone map[chunks.HeadSeriesRef]labels.Labels) {
	if len(gone) > 0 {
		c.deaths.Add(1)
	}
	for _, l := range gone {
		c.count(l, -1)
	}
}

func (c *census) count(l labels.Labels, n int) {
	service, metric := serviceOf(l), l.Get(model.MetricNameLabel)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total += n
	adjust(c.service, service, n)
	adjust(c.metric, metric, n)
}

func adjust(m map[string]int, key string, n int) {
	old, known := m[key]
	switch {
	case old+n == 0:
		delete(m, key)
	case known:
		m[key] = old + n
	default:
		m[strings.Clone(key)] = n // the labels of one series are not to live as long as its service
	}
}
