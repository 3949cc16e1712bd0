package segment

import (
	"bufio"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// indexer makes the sidecar while the lines go by.
type indexer struct {
	*marks
	sink *sink
	head head
	now  group // of the present row group
}

// marks are what is collected of a row group: its words, its traces, and the values that are counted.
type marks struct {
	words  set
	text   []byte // of the line
	traces []uint64
	tally  tallies
}

func (m *marks) reset() {
	m.words.reset()
	m.tally.reset()
	m.traces = m.traces[:0]
}

// newIndexer begins a sidecar. buf is for its content; both may have been used before.
func newIndexer(path string, buf *bufio.Writer, m *marks) (*indexer, error) {
	s, err := newSink(path, buf)
	if err != nil {
		return nil, err
	}
	m.reset()
	return &indexer{marks: m, sink: s}, nil
}

// add returns where the words of the line are among those of the row group.
func (x *indexer) add(e *entry.Entry) places {
	g := &x.now
	if g.rows == 0 {
		g.low, g.minT, g.maxT = e.Service, e.Time, e.Time
	}
	g.rows++
	g.high = e.Service
	g.minT, g.maxT = min(g.minT, e.Time), max(g.maxT, e.Time)
	g.levels |= LevelSet(known(e.Level))
	x.addWords(e)
	if e.Trace != "" {
		x.traces = append(x.traces, hashAll(e.Trace))
	}
	return x.tally.add(e)
}

// addWords adds the words of the message and of the attributes.
func (x *indexer) addWords(e *entry.Entry) {
	b := append(x.text[:0], e.Message...)
	for i := range e.Attrs {
		b = append(append(b, ' '), e.Attrs[i].Value...)
	}
	n := len(b)
	x.text = append(b, make([]byte, slack)...)
	x.words.addWords(x.text, n)
}

// endGroup writes the filters and the counts of the row group.
func (x *indexer) endGroup() (err error) {
	g := &x.now
	if g.words, err = x.sink.section(x.words.bloom()); err != nil {
		return err
	}
	traces := newBloom(len(x.traces))
	for _, h := range x.traces {
		traces.add(h)
	}
	if g.trace, err = x.sink.section(traces); err != nil {
		return err
	}
	if g.tallies, err = x.sink.section(x.tally.append(nil)); err != nil {
		return err
	}
	g.number, g.first = len(x.head.groups), x.head.lines
	x.head.lines += g.rows
	x.head.groups = append(x.head.groups, *g)
	*g = group{}
	x.reset()
	return nil
}

// finish writes the head and puts the sidecar in place. The places of the columns and the tail are known by then.
func (x *indexer) finish(path string, footer []byte) (err error) {
	if x.head.footer, err = x.sink.section(footer); err != nil {
		return err
	}
	if _, err := x.sink.Write(appendTrailer(x.head.append(nil))); err != nil {
		return err
	}
	return x.sink.finish(path)
}
