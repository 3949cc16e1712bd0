package segment

import (
	"cmp"
	"slices"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// Sort puts lines into the order of a segment: by service, then by time; lines of one service and time stay as they are. It needs memory for one
// pointer a line, and is fast when the lines of a service are nearly in order already.
func Sort(lines []*entry.Entry) {
	of := make(map[string][]*entry.Entry)
	for i := 0; i < len(lines); { // mostly several lines of a service come together
		from, service := i, lines[i].Service
		for i < len(lines) && lines[i].Service == service {
			i++
		}
		of[service] = append(of[service], lines[from:i]...)
	}
	services := make([]string, 0, len(of))
	for s := range of {
		services = append(services, s)
	}
	slices.Sort(services)
	earlier := func(a, b *entry.Entry) int { return cmp.Compare(a.Time, b.Time) }
	n := 0
	for _, s := range services {
		part := of[s]
		if !slices.IsSortedFunc(part, earlier) {
			slices.SortStableFunc(part, earlier)
		}
		n += copy(lines[n:], part)
	}
}
