package store

import (
	"strings"
	"unsafe"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/internal/recent"
)

// clone copies lines and all that belongs to them, so that nothing else is kept in memory by them. What is used together lies together: the lines of
// each service, in their order, all their attributes, and all their texts. Most of the time that a seal takes would be spent waiting for memory otherwise.
// place says where each line is now; nil when all are where they were.
//
// A line with an attribute of the name of a field that is empty gets it in that field as well: queries take it for the label, and the
// columns of segments must know it.
func clone(lines []entry.Entry) (own []entry.Entry, place []int32) {
	own = make([]entry.Entry, len(lines))
	place = byService(lines)
	attrs, bytes := 0, 0
	for i := range lines {
		e := &lines[i]
		attrs += len(e.Attrs)
		bytes += len(e.Trace) + len(e.Span) + len(e.Message)
		for k := range e.Attrs {
			bytes += len(e.Attrs[k].Value)
		}
		at := i
		if place != nil {
			at = int(place[i])
		}
		own[at] = *e
	}
	c := copier{attrs: make([]entry.Attr, 0, attrs), texts: make([]byte, 0, bytes)}
	for i := range own {
		c.own(&own[i])
		fill(&own[i])
	}
	return own, place
}

// copier copies what belongs to lines.
type copier struct {
	attrs []entry.Attr
	texts []byte
	names recent.Table[struct{}]
	last  [4]string // names of the line before, for those that repeat: services, and the names of the first attributes
}

func (c *copier) own(e *entry.Entry) {
	e.Service = c.again(0, e.Service)
	e.Instance, e.Handler = c.name(e.Instance), c.name(e.Handler)
	e.Trace, e.Span, e.Message = c.text(e.Trace), c.text(e.Span), c.text(e.Message)
	from := len(c.attrs)
	for i := range e.Attrs {
		c.attrs = append(c.attrs, entry.Attr{Name: c.again(1+i, e.Attrs[i].Name), Value: c.text(e.Attrs[i].Value)})
	}
	e.Attrs = c.attrs[from:len(c.attrs):len(c.attrs)]
}

// text copies a text behind the others, for which there is room.
func (c *copier) text(s string) string {
	if s == "" {
		return ""
	}
	from := len(c.texts)
	c.texts = append(c.texts, s...)
	return unsafe.String(&c.texts[from], len(s)) //nolint:gosec // nobody changes what was appended
}

// again copies a name that is likely that of the same place in the line before.
func (c *copier) again(place int, s string) string {
	if place >= len(c.last) {
		return c.name(s)
	}
	if c.last[place] != s {
		c.last[place] = c.name(s)
	}
	return c.last[place]
}

// name copies a name, unless there is a copy.
func (c *copier) name(s string) string {
	known := &c.names.At(s).Name
	if *known != s {
		*known = strings.Clone(s)
	}
	return *known
}

// byService gives lines places: those of a service behind each other, as they are. It is nil when they are already.
func byService(lines []entry.Entry) []int32 {
	of := make([]int32, len(lines)) // the number of the service of each line
	numbers := map[string]int32{}
	var counts []int32
	moved := false
	for i := range lines {
		if i > 0 && lines[i].Service == lines[i-1].Service {
			of[i] = of[i-1]
		} else {
			n, ok := numbers[lines[i].Service]
			if !ok {
				n = int32(len(counts))
				numbers[lines[i].Service] = n
				counts = append(counts, 0)
			}
			moved = moved || ok
			of[i] = n
		}
		counts[of[i]]++
	}
	if !moved {
		return nil
	}
	next := int32(0)
	for n, count := range counts {
		counts[n] = next
		next += count
	}
	for i, n := range of {
		of[i] = counts[n]
		counts[n]++
	}
	return of
}
