package prometheus

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gabion-io/gabion"
)

// Collector is a prometheus.Collector of policies. It is safe for concurrent use. Make it with [NewCollector].
type Collector struct {
	mu      sync.Mutex
	sources map[identity]source
}

// identity is what there is only one of in a collector: two series with the same labels would cost the whole scrape.
type identity struct{ kind, name string }

// source is a policy and how it is shown.
type source struct {
	policy gabion.Policy
	show   func(*emitter)
}

// NewCollector makes a collector of these policies; see [Collector.Add].
func NewCollector(policies ...gabion.Policy) (*Collector, error) {
	c := &Collector{sources: map[identity]source{}}
	if err := c.Add(policies...); err != nil {
		return nil, err
	}
	return c, nil
}

// Add shows further policies, under the names that they have now. It fails, and then adds none of them, when one is not of
// this kit, or when there is one of the same kind and name: give them names.
func (c *Collector) Add(policies ...gabion.Policy) error {
	added := make(map[identity]source, len(policies))
	var problems []error
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range policies {
		id, s, err := sourceOf(p)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if _, twice := added[id]; twice || c.sources[id].show != nil {
			problems = append(problems, fmt.Errorf("prometheus: there are two policies %s with the name %q", id.kind, id.name))
		}
		added[id] = s
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	maps.Copy(c.sources, added)
	return nil
}

// Remove shows these policies no longer. Those that were not shown are none of its business.
func (c *Collector) Remove(policies ...gabion.Policy) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, s := range c.sources {
		if slices.Contains(policies, s.policy) {
			delete(c.sources, id)
		}
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, f := range Families {
		out <- descriptions[f.Name].desc
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	now := gabion.Now()
	for _, s := range c.all() {
		s.source.show(&emitter{out: out, now: now, name: s.name})
	}
}

type named struct {
	identity
	source
}

// all are the sources in a fixed order. Policies are asked without the lock.
func (c *Collector) all() []named {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]named, 0, len(c.sources))
	for id, s := range c.sources {
		all = append(all, named{id, s})
	}
	slices.SortFunc(all, func(a, b named) int { return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name)) })
	return all
}
