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
}

// row is the present row.
func (b *blockAt) row() int32 {
	if b.newest {
		return b.rows[len(b.rows)-1-b.at]
	}
	return b.rows[b.at]
}

// begin is the time of the line of a row group that comes first.
func (m *merger) begin(g *group) int64 {
	if m.query.Newest {
		return g.maxT
	}
	return g.minT
}

// sign turns the order around when the newest come first.
func (m *merger) sign() int {
	return 1 - 2*btoi(m.query.Newest)
}

// plan finds the row groups that may have something.
func (m *merger) plan() {
	for i := range m.file.head.groups {
		if g := &m.file.head.groups[i]; m.may(g) {
			m.later = append(m.later, g)
		}
	}
	slices.SortStableFunc(m.later, func(a, b *group) int { return m.sign() * cmp.Compare(m.begin(a), m.begin(b)) })
}

// load reads the row groups that may have the next line. It reports whether the caller goes on.
func (m *merger) load(report func(error) bool) bool {
	for len(m.later) > 0 {
		g := m.later[0]
		if len(m.open) > 0 {
			top := m.open[0]
			if m.sign()*cmp.Compare(m.begin(g), top.time[top.row()]) > 0 {
				return true
			}
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
			heap.Push(m, &blockAt{block: b, newest: m.query.Newest})
		}
	}
	return true
}

// advance goes to the next row of the block on top, or past the block when it cannot be decoded.
func (m *merger) advance(err error) {
	top := m.open[0]
	if top.at++; top.at == len(top.rows) || err != nil {
		heap.Pop(m)
	} else {
		heap.Fix(m, 0)
	}
}

// Len is that of the heap.
func (m *merger) Len() int { return len(m.open) }

// Less is the order of time, then that of the file.
func (m *merger) Less(i, j int) bool {
	a, b := m.open[i], m.open[j]
	return m.sign()*cmp.Or(cmp.Compare(a.time[a.row()], b.time[b.row()]), cmp.Compare(a.group.number, b.group.number)) < 0
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
