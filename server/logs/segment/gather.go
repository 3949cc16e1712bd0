package segment

import (
	"github.com/gabion-io/gabion/server/logs/entry"
)

// gatherer collects the lines of a row group column by column, as they will be written.
type gatherer struct {
	times []int64
	index [columns][]int32 // of columns with few different values: which one
	texts [columns]texted  // of the others, and of the rows of such a column from where there were too many values
	names quoted
}

// texted is a column of texts as they are written, one after the other.
type texted struct {
	data    []byte
	lengths []int32
}

func (t *texted) add(s string) {
	start := len(t.data)
	if plainText(s) {
		t.data = append(t.data, s...)
	} else {
		t.data = appendText(t.data, s)
	}
	t.lengths = append(t.lengths, int32(len(t.data)-start))
}

// add takes a line. which are the places of its words in the tallies, less than 0 when there are too many.
func (g *gatherer) add(e *entry.Entry, which places) {
	g.times = append(g.times, e.Time)
	for by, at := range which {
		column := columnOf[by]
		if at >= 0 {
			g.index[column] = append(g.index[column], at)
		} else {
			g.texts[column].add(Column(by).of(e))
		}
	}
	g.texts[colTrace].add(e.Trace)
	g.texts[colSpan].add(e.Span)
	g.texts[colMessage].add(e.Message)
	g.addAttrs(e.Attrs)
}

func (g *gatherer) addAttrs(attrs []entry.Attr) {
	t := &g.texts[colAttrs]
	start := len(t.data)
	t.data = g.names.appendAttrs(t.data, attrs)
	t.lengths = append(t.lengths, int32(len(t.data)-start))
}

func (g *gatherer) reset() {
	g.times = g.times[:0]
	for i := range g.texts {
		g.index[i] = g.index[i][:0]
		g.texts[i] = texted{data: g.texts[i].data[:0], lengths: g.texts[i].lengths[:0]}
	}
}
