package ingest

import (
	"cmp"
	"slices"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/logs/entry"
)

// Reason is what happened to a line other than that it was taken as it came.
type Reason uint8

// The reasons.
const (
	// Quota: dropped, the service had written too much.
	Quota Reason = iota
	// Minor: dropped for the same reason, and of level trace or debug.
	Minor
	// Deferred: not taken, the sender was asked to come again. The line is counted each time.
	Deferred
	// Sunk: dropped, the sink refused it.
	Sunk
	// Cut: taken, but it was longer than allowed.
	Cut
	// Clock: taken, but its time was too far ahead and is now when it came.
	Clock

	reasons
)

var reasonNames = [reasons]string{"quota", "debug_over_quota", "deferred", "refused", "cut", "clock"}

// String returns the name of the reason, as it is used in metrics.
func (r Reason) String() string {
	if r >= reasons {
		return "unknown"
	}
	return reasonNames[r]
}

// Count is how many lines of a service met a reason since the start.
type Count struct {
	// Service is the service, or [Others].
	Service string
	Reason  Reason
	Lines   uint64
	// Bytes is their size in memory.
	Bytes uint64
}

type count struct{ lines, bytes uint64 }

func (c *count) add(e *entry.Entry) {
	c.lines++
	c.bytes += uint64(e.Size())
}

// Counts returns what was not taken as it came, sorted by service and reason, without those that are zero.
func (g *Guard) Counts() []Count {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []Count
	for service, s := range g.services {
		for r, c := range s.counts {
			if c.lines > 0 {
				list = append(list, Count{service, Reason(r), c.lines, c.bytes})
			}
		}
	}
	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Reason, b.Reason))
	})
	return list
}

// countDropped counts lines that are over quota. When all are, the sender will send them again.
func (g *Guard) countDropped(lines []entry.Entry, dropped []int) {
	for _, i := range dropped {
		e := &lines[i]
		reason := Quota
		if len(dropped) == len(lines) {
			reason = Deferred
		} else if e.Level == entry.Trace || e.Level == entry.Debug {
			reason = Minor
		}
		g.of(e.Service, 0).counts[reason].add(e)
	}
}

// of finds or makes the place of the service of that title.
func (g *Guard) of(title string, now gabion.Instant) *service {
	s := g.services[title]
	if s == nil {
		if len(g.services) > g.limits.Services {
			g.sweep(now)
		}
		if len(g.services) > g.limits.Services {
			s = g.services[Others]
		} else {
			s = &service{}
			g.services[title] = s
		}
	}
	s.used = max(s.used, now)
	return s
}

// sweep forgets services that have written nothing for a while; their counts go to [Others]. It looks at most once a
// minute, so many new names cost little.
func (g *Guard) sweep(now gabion.Instant) {
	if now-g.swept < idle/10 {
		return
	}
	g.swept = now
	others := g.services[Others]
	for service, s := range g.services {
		if s == others || now-s.used < idle {
			continue
		}
		for r, c := range s.counts {
			others.counts[r].lines += c.lines
			others.counts[r].bytes += c.bytes
		}
		delete(g.services, service)
	}
}
