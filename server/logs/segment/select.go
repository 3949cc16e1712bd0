package segment

import (
	"cmp"
	"container/heap"
	"context"
	"iter"
	"slices"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// Select gives the lines that a query wants by time, the oldest or the newest first; lines of one time in the order of the file, or in the reverse.
// The entry is used again for the next line, its texts are not; a text keeps the column of its row group in memory, so clone what is kept for long.
// Row groups are read when their time comes: stopping early is cheap, and memory holds about one row group for each service that writes at the same time.
//
// A [DamageError] is given in place of a row group that cannot be read, and the others follow when the caller goes on. Any other error is the last.
func (f *File) Select(ctx context.Context, q Query) iter.Seq2[*entry.Entry, error] {
	return func(yield func(*entry.Entry, error) bool) {
		m := merger{scan: scan{file: f, ctx: ctx, query: &q}}
		m.plan()
		var e entry.Entry
		for n := 1; ; n++ {
			if !m.load(func(err error) bool { return yield(nil, err) }) || len(m.open) == 0 {
				return
			}
			if n%1024 == 0 && ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			c := m.open[0]
			err := m.entry(c.block, c.row(), &e)
			m.advance(err)
			if err != nil {
				if !yield(nil, err) {
					return
				}
				continue
			}
			if (q.Keep == nil || q.Keep(&e)) && !yield(&e, nil) {
				return
			}
		}
	}
}

// merger brings the row groups of a file into the order of time.
type merger struct {
	scan
	later []*group   // not read yet, in the order of their first line
	open  []*blockAt // a heap
}

// blockAt is a place in a block.
type blockAt struct {
	*block
	at     int
	newest bool
	key    int64 // of the present row: less is first
	number int   // among row groups whose keys are the same: less is first
}

func newBlockAt(b *block, newest bool) *blockAt {
	c := &blockAt{block: b, newest: newest, number: b.group.number}
	if newest {
		c.number = -c.number
	}
	c.key = order(b.time[c.row()], newest)
	return c
}

// order makes a time into a number that is less when the line comes first.
func order(t int64, newest bool) int64 {
	if newest {
		return ^t // unlike -t, it cannot overflow
	}
	return t
}

// row is the present row.
func (b *blockAt) row() int32 {
	if b.newest {
		return b.rows[len(b.rows)-1-b.at]
	}
	return b.rows[b.at]
}

// next goes to the next row and reports whether there is one.
func (b *blockAt) next() bool {
	if b.at++; b.at == len(b.rows) {
		return false
	}
	b.key = order(b.time[b.row()], b.newest)
	return true
}

// begin is where a row group comes in the order.
func (m *merger) begin(g *group) int64 {
	if m.query.Newest {
		return order(g.maxT, true)
	}
	return g.minT
}

// plan finds the row groups that may have something.
func (m *merger) plan() {
	for i := range m.file.head.groups {
		if g := &m.file.head.groups[i]; m.may(g) {
			m.later = append(m.later, g)
		}
	}
	slices.SortStableFunc(m.later, func(a, b *group) int { return cmp.Compare(m.begin(a), m.begin(b)) })
}

// load reads the row groups that may have the next line. It reports whether the caller goes on.
func (m *merger) load(report func(error) bool) bool {
	for len(m.later) > 0 {
		g := m.later[0]
		if len(m.open) > 0 && m.begin(g) > m.open[0].key {
			return true
		}
		m.later = m.later[1:]
		if !m.filtered(g) {
			continue
		}
		b, err := m.block(g)
		if err != nil {
			if !report(err) || m.over() {
				return false
			}
			continue
		}
		if b != nil {
			b.sort()
			heap.Push(m, newBlockAt(b, m.query.Newest))
		}
	}
	return true
}

// advance goes to the next row of the block on top, or past the block when it cannot be decoded.
func (m *merger) advance(err error) {
	if m.open[0].next() && err == nil {
		heap.Fix(m, 0)
	} else {
		heap.Pop(m)
	}
}

// Len is that of the heap.
func (m *merger) Len() int { return len(m.open) }

// Less is the order of time, then that of the file.
func (m *merger) Less(i, j int) bool {
	a, b := m.open[i], m.open[j]
	return a.key < b.key || a.key == b.key && a.number < b.number
}

// Swap swaps two blocks.
func (m *merger) Swap(i, j int) { m.open[i], m.open[j] = m.open[j], m.open[i] }

// Push is called by the heap.
func (m *merger) Push(x any) { m.open = append(m.open, x.(*blockAt)) } //nolint:forcetypeassert // only load pushes

// Pop is called by the heap.
func (m *merger) Pop() any {
	last := m.open[len(m.open)-1]
	m.open[len(m.open)-1] = nil
	m.open = m.open[:len(m.open)-1]
	return last
}
