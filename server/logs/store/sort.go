package store

import (
	"cmp"
	"slices"

	"github.com/gabion-io/gabion/server/logs/internal/packed"
)

// place is where a line is in a table.
type place struct {
	time  int64
	chunk uint32
	line  uint32
}

func earlier(a, b place) int { return cmp.Compare(a.time, b.time) }

// sorted gives the places of lines in the order of a segment: by service, then by time, those of one service and time as they came. When marked,
// only those that are.
func sorted(chunks []*packed.Lines, marked bool) []place {
	of := services(chunks, marked)
	names := make([]string, 0, len(of))
	n := 0
	for s, count := range of {
		names = append(names, s)
		n += count.lines
	}
	slices.Sort(names)
	came := make([]place, n)
	n = 0
	for _, s := range names {
		of[s].next = n
		n += of[s].lines
	}
	eachOf(chunks, marked, of, func(c *count, p place) {
		came[c.next] = p
		c.next++
	})
	all := make([]place, 0, n)
	for _, s := range names {
		all = appendByTime(all, came[of[s].next-of[s].lines:of[s].next])
	}
	return all
}

// count is how many lines a service has, and where its next one comes.
type count struct{ lines, next int }

// services counts lines by their service.
func services(chunks []*packed.Lines, marked bool) map[string]*count {
	of := make(map[string]*count)
	eachOf(chunks, marked, of, func(c *count, _ place) { c.lines++ })
	return of
}

// eachOf calls use with the place of each line, as they came, and the count of its service.
func eachOf(chunks []*packed.Lines, marked bool, of map[string]*count, use func(*count, place)) {
	var known []*count // by the number of the name in the chunk
	for c, chunk := range chunks {
		known = slices.Grow(known[:0], chunk.Names())[:chunk.Names()]
		clear(known)
		for i := range chunk.Len() {
			if marked && !chunk.Marked(i) {
				continue
			}
			number := chunk.Service(i)
			if known[number] == nil {
				name := chunk.Name(number)
				if of[name] == nil {
					of[name] = new(count)
				}
				known[number] = of[name]
			}
			use(known[number], place{chunk.Time(i), uint32(c), uint32(i)})
		}
	}
}

// appendByTime appends places in the order of time, those of one time as they are. They come in runs that are in order, each of somebody who sends at
// the same time as others: mostly it is enough to put the runs into order.
func appendByTime(to, lines []place) []place {
	var runs [][]place
	for from := 0; from < len(lines); {
		end := from + 1
		for end < len(lines) && lines[end-1].time <= lines[end].time {
			end++
		}
		runs = append(runs, lines[from:end])
		from = end
	}
	slices.SortFunc(runs, func(a, b []place) int { return earlier(a[0], b[0]) })
	start := len(to)
	for _, run := range runs {
		if len(to) > start && to[len(to)-1].time >= run[0].time { // two of them overlap
			to = append(to[:start], lines...)
			slices.SortStableFunc(to[start:], earlier)
			return to
		}
		to = append(to, run...)
	}
	return to
}
