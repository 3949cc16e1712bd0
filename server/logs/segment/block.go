package segment

import (
	"cmp"
	"slices"
	"sort"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// need is a set of columns that are read even when nothing is filtered by them.
type need uint8

const (
	needTime need = 1 << iota
	needService
	needLevel
	needHandler
	needInstance
	needAll = needTime | needService | needLevel | needHandler | needInstance
)

// block is a row group that is read: of it, the rows that were selected, and the columns that were needed.
type block struct {
	need     need
	group    *group
	rows     []int32 // selected, in the order of time
	time     []int64
	level    words
	levels   []entry.Level // of level.values
	service  words
	handler  words
	instance words
	trace    texts
	span     texts
	message  texts
	attrs    texts
}

// newBlock reads the rows of a row group that fit a query; nil when there are none.
func newBlock(r *reader, q *Query, n need) (*block, error) {
	b := &block{group: r.group, need: n}
	steps := [...]func(*reader, *Query) error{b.byTime, b.byService, b.byLevel, b.byHandler, b.byInstance, b.byTrace, b.rest}
	for _, step := range steps {
		if err := step(r, q); err != nil {
			return nil, err
		}
		if len(b.rows) == 0 {
			return nil, nil
		}
	}
	return b, nil
}

// sort brings the rows into the order of time.
func (b *block) sort() {
	if b.group.low != b.group.high {
		slices.SortStableFunc(b.rows, func(x, y int32) int { return cmp.Compare(b.time[x], b.time[y]) })
	}
}

// byTime selects the rows that are in the time of the query. Within a service they are in order.
func (b *block) byTime(r *reader, q *Query) (err error) {
	if b.need&needTime == 0 {
		b.rows = make([]int32, r.group.rows)
		for i := range b.rows {
			b.rows[i] = int32(i)
		}
		return nil
	}
	if b.time, err = r.times(); err != nil {
		return err
	}
	n := len(b.time)
	low, high := 0, n
	if r.group.low == r.group.high {
		low = sort.Search(n, func(i int) bool { return b.time[i] >= q.From })
		high = sort.Search(n, func(i int) bool { return q.past(b.time[i]) })
	}
	b.rows = make([]int32, 0, max(high-low, 0))
	for i := low; i < high; i++ {
		if t := b.time[i]; t >= q.From && !q.past(t) {
			b.rows = append(b.rows, int32(i))
		}
	}
	return nil
}

// filter keeps the rows whose value of a column matches; each value is asked for once.
func (b *block) filter(w *words, match func(string) bool) {
	wanted := make([]bool, len(w.values))
	for i, v := range w.values {
		wanted[i] = match(v)
	}
	b.rows = slices.DeleteFunc(b.rows, func(row int32) bool { return !wanted[w.index[row]] })
}

func (b *block) byService(r *reader, q *Query) (err error) {
	if r.group.low == r.group.high {
		b.service = words{values: []string{r.group.low}, index: make([]int32, r.group.rows)}
		return nil // the row group would not be read if it were not wanted
	}
	return b.byWord(r, &b.service, colService, needService, &q.Service)
}

func (b *block) byHandler(r *reader, q *Query) error {
	return b.byWord(r, &b.handler, colHandler, needHandler, &q.Handler)
}

func (b *block) byInstance(r *reader, q *Query) error {
	return b.byWord(r, &b.instance, colInstance, needInstance, &q.Instance)
}

// byWord reads a column when it is needed and keeps the rows that match.
func (b *block) byWord(r *reader, w *words, column int, n need, m *Match) (err error) {
	if m.all() && b.need&n == 0 {
		return nil
	}
	if *w, err = r.words(column); err == nil && !m.all() {
		b.filter(w, m.match)
	}
	return err
}

func (b *block) byLevel(r *reader, q *Query) error {
	m := Match{}
	if q.Levels != 0 && r.group.levels&^q.Levels != 0 {
		m = Where(func(name string) bool { return q.Levels.has(levelOf(name)) })
	}
	err := b.byWord(r, &b.level, colLevel, needLevel, &m)
	for _, name := range b.level.values {
		b.levels = append(b.levels, levelOf(name))
	}
	return err
}

func (b *block) byTrace(r *reader, q *Query) (err error) {
	if q.Trace.all() && q.Columns&IDs == 0 {
		return nil
	}
	if b.trace, err = r.texts(colTrace); err == nil && !q.Trace.all() {
		b.rows = slices.DeleteFunc(b.rows, func(row int32) bool { return !q.Trace.match(b.trace.at(row)) })
	}
	return err
}

// rest reads the columns that only the answer needs.
func (b *block) rest(r *reader, q *Query) (err error) {
	for _, c := range [...]struct {
		when   Columns
		column int
		to     *texts
	}{{IDs, colSpan, &b.span}, {Message, colMessage, &b.message}, {Attrs, colAttrs, &b.attrs}} {
		if q.Columns&c.when == 0 {
			continue
		}
		if *c.to, err = r.texts(c.column); err != nil {
			return err
		}
	}
	return nil
}

// entry puts a row into e, whose attributes are used again.
func (b *block) entry(row int32, c Columns, e *entry.Entry) error {
	*e = entry.Entry{
		Time: b.time[row], Level: b.levels[b.level.index[row]],
		Service: b.service.at(row), Handler: b.handler.at(row), Instance: b.instance.at(row),
		Attrs: e.Attrs[:0],
	}
	if c&IDs != 0 {
		e.Trace, e.Span = b.trace.at(row), b.span.at(row)
	}
	if c&Message != 0 {
		e.Message = b.message.at(row)
	}
	if c&Attrs != 0 {
		var ok bool
		if e.Attrs, ok = readAttrs(e.Attrs, b.attrs.at(row)); !ok {
			return errDecode
		}
	}
	return nil
}
