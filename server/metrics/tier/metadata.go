package tier

import (
	"maps"
	"strings"
	"sync"
)

// Metadata describes a metric.
type Metadata struct {
	// Type is counter, gauge, histogram, summary, or "unknown"; Help is a sentence; Unit may be empty.
	Type, Help, Unit string
}

// metadataMax is how many metrics are described; helpMax is how long a sentence may be.
const (
	metadataMax = 20_000
	helpMax     = 1024
)

// catalog remembers what the metrics mean. It is lost with the process: producers say it again.
type catalog struct {
	mu  sync.RWMutex
	all map[string]Metadata
}

func (c *catalog) put(metric string, m Metadata) {
	m.Help, m.Unit = clip(m.Help, helpMax), clip(m.Unit, 64)
	c.mu.RLock()
	old, known := c.all[metric]
	n := len(c.all)
	c.mu.RUnlock()
	if old == m && known || !known && n >= metadataMax || len(metric) > 256 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[string]Metadata{}
	}
	c.all[strings.Clone(metric)] = Metadata{strings.Clone(m.Type), strings.Clone(m.Help), strings.Clone(m.Unit)}
}

func (c *catalog) get() map[string]Metadata {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return maps.Clone(c.all)
}
