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
	n := 0
	for _, s := range services {
		n += byTime(lines[n:], of[s])
	}
}

func earlier(a, b *entry.Entry) int { return cmp.Compare(a.Time, b.Time) }

// byTime puts lines into to in the order of time, those of one time as they are, and returns how many there are. They come in runs that are in order,
// each of somebody who sends at the same time as others: mostly it is enough to put the runs into order.
func byTime(to, lines []*entry.Entry) int {
	var runs [][]*entry.Entry
	for from := 0; from < len(lines); {
		end := from + 1
		for end < len(lines) && lines[end-1].Time <= lines[end].Time {
			end++
		}
		runs = append(runs, lines[from:end])
		from = end
	}
	slices.SortFunc(runs, func(a, b []*entry.Entry) int { return earlier(a[0], b[0]) })
	n := 0
	for _, run := range runs {
		if n > 0 && to[n-1].Time >= run[0].Time { // two of them overlap
			n = copy(to, lines)
			slices.SortStableFunc(to[:n], earlier)
			return n
		}
		n += copy(to[n:], run)
	}
	return n
}
