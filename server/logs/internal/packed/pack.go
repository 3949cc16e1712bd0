package packed

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// packer is the memory that packing needs, to be used again.
type packer struct {
	b     []byte
	parts []part
	names dictionary
	last  [4]known // of the line before, for names that repeat: services, and the names of the first attributes
	line  entry.Entry
	seen  byte // it means nothing

	services dictionary
	of       []int32 // the number of the service of each line
	order    []int32
}

// known is a name that has a number.
type known struct {
	name   string
	number int
}

var packers = sync.Pool{New: func() any { return new(packer) }}

// keepBytes bounds the memory that a packer keeps.
const keepBytes = 1 << 20

// Pack copies lines. What is used together then lies together: those of a service, in their order. prepare, if there is one, may change its copy of a
// line before that, and says whether it is marked.
func Pack(entries []entry.Entry, prepare func(*entry.Entry) bool) *Lines {
	p := packers.Get().(*packer) //nolint:forcetypeassert // nothing else is in the pool
	l := &Lines{rows: make([]row, len(entries))}
	p.begin(entries)
	order, before := p.byService(entries), int64(0)
	for i := range l.rows {
		from := i
		if order != nil {
			from = int(order[i])
		}
		e := &entries[from]
		if prepare != nil {
			p.line = *e
			e = &p.line
			l.rows[i].marked = prepare(e)
		}
		l.size += e.Size()
		p.add(e, &l.rows[i], before)
		before = e.Time
	}
	l.payload, l.names = slices.Clone(p.b), slices.Clone(p.parts)
	p.free()
	return l
}

// begin counts the attributes. It looks at each text, so that all are on their way from memory at the same time, and not one after the other when they
// are copied.
func (p *packer) begin(entries []entry.Entry) {
	attrs, seen := 0, byte(0)
	for i := range entries {
		e := &entries[i]
		attrs += len(e.Attrs)
		seen += first(e.Trace) + first(e.Message)
		for k := range e.Attrs {
			seen += first(e.Attrs[k].Value)
		}
	}
	p.seen = seen
	p.b = appendNumber(p.b[:0], attrs)
}

func first(s string) byte {
	if s == "" {
		return 0
	}
	return s[0]
}

// free forgets everything, for the next one.
func (p *packer) free() {
	if cap(p.b) > keepBytes {
		return // lines as large are rare
	}
	p.names.reset()
	p.services.reset()
	p.parts = p.parts[:0]
	clear(p.last[:])
	p.line = entry.Entry{}
	packers.Put(p)
}

func (p *packer) add(e *entry.Entry, r *row, before int64) {
	p.b = slices.Grow(p.b, e.Size())
	p.b = binary.AppendVarint(p.b, e.Time-before) // may overflow, and does so again the other way when it is read
	p.b = append(p.b, byte(e.Level))
	r.time, r.level = e.Time, e.Level
	r.service = uint32(p.again(0, e.Service))
	r.at = uint32(len(p.b))
	p.name(e.Instance)
	p.name(e.Handler)
	b := appendID(p.b, e.Trace)
	b = appendID(b, e.Span)
	b = appendText(b, e.Message)
	p.b = appendNumber(b, len(e.Attrs))
	for i := range e.Attrs {
		p.again(1+i, e.Attrs[i].Name)
		p.b = appendText(p.b, e.Attrs[i].Value)
	}
}

// again appends a name that is likely that of the same place in the line before, and returns its number.
func (p *packer) again(place int, name string) int {
	if place >= len(p.last) {
		return p.name(name)
	}
	last := &p.last[place]
	if last.name == "" || last.name != name {
		*last = known{name, p.name(name)}
	} else {
		p.b = appendNumber(p.b, last.number+1)
	}
	return last.number
}

// name appends a name, and returns its number.
func (p *packer) name(name string) int {
	number, added := p.names.add(name)
	if added {
		p.b = appendNumber(append(p.b, 0), len(name))
		p.parts = append(p.parts, part{uint32(len(p.b)), uint32(len(name))})
		p.b = append(p.b, name...)
	} else {
		p.b = appendNumber(p.b, number+1)
	}
	return number
}

// byService says in which order to take lines, so that those of a service come behind each other, as they are. It is nil when they do already.
func (p *packer) byService(entries []entry.Entry) []int32 {
	p.of = slices.Grow(p.of[:0], len(entries))[:len(entries)]
	var counts []int32
	moved := false
	for i := range entries {
		if i > 0 && entries[i].Service == entries[i-1].Service {
			p.of[i] = p.of[i-1]
		} else {
			number, added := p.services.add(entries[i].Service)
			if added {
				counts = append(counts, 0)
			}
			moved = moved || !added
			p.of[i] = int32(number)
		}
		counts[p.of[i]]++
	}
	if !moved {
		return nil
	}
	next := int32(0)
	for n, count := range counts {
		counts[n] = next
		next += count
	}
	p.order = slices.Grow(p.order[:0], len(entries))[:len(entries)]
	for i, n := range p.of {
		p.order[counts[n]] = int32(i)
		counts[n]++
	}
	return p.order
}

// appendNumber appends a varint, which mostly takes one byte.
func appendNumber(b []byte, n int) []byte {
	if n < 0x80 {
		return append(b, byte(n))
	}
	return binary.AppendUvarint(b, uint64(n))
}

func appendText(b []byte, s string) []byte { return append(appendNumber(b, len(s)), s...) }
