package segment

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/gabion-io/gabion/server/logs/entry"
	"github.com/gabion-io/gabion/server/logs/internal/recent"
)

// maxTallied is how many different values of a column are counted in a row group. A column that has more is not counted.
const maxTallied = 1024

// tallies counts the lines of a row group by the values of each [Column], so that whoever counts need not read them.
type tallies [ByLevel + 1]tallied

// tallied are the counts of one column.
type tallied struct {
	at     map[string]int32    // value → place in the lists
	recent recent.Table[int32] // value → place and one more
	last   recent.Slot[int32]  // of the line before: services and levels repeat
	values []string
	counts []int64
	many   bool
}

// places are those of the values of a line in the lists; -1 when there are too many.
type places [ByLevel + 1]int32

func (t *tallies) add(e *entry.Entry) places {
	return places{
		ByService: t[ByService].add(e.Service), ByHandler: t[ByHandler].add(e.Handler),
		ByInstance: t[ByInstance].add(e.Instance), ByLevel: t[ByLevel].add(known(e.Level).String()),
	}
}

// add counts a value and returns its place; -1 from the first value on for which there is no room.
func (t *tallied) add(value string) int32 {
	if t.many {
		return -1
	}
	if t.last.Value > 0 && t.last.Name == value {
		t.counts[t.last.Value-1]++
		return t.last.Value - 1
	}
	seen := t.recent.At(value)
	if seen.Value == 0 || seen.Name != value {
		at, ok := t.at[value]
		if !ok {
			if at = int32(len(t.values)); at == maxTallied {
				t.many = true
				return -1
			}
			if t.at == nil {
				t.at = make(map[string]int32)
			}
			t.at[value] = at
			t.values, t.counts = append(t.values, value), append(t.counts, 0)
		}
		*seen = recent.Slot[int32]{Name: value, Value: at + 1}
	}
	t.last = *seen
	t.counts[seen.Value-1]++
	return seen.Value - 1
}

func (t *tallies) reset() {
	for i := range t {
		c := &t[i]
		clear(c.at)
		c.recent.Clear()
		clear(c.values)
		c.values, c.counts, c.many, c.last = c.values[:0], c.counts[:0], false, recent.Slot[int32]{}
	}
}

// append encodes the counts: for each column the number of values and one more, or 0 when they are too many; then each value and its count.
func (t *tallies) append(b []byte) []byte {
	for i := range t {
		c := &t[i]
		if c.many {
			b = append(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(c.values))+1)
		for k, value := range c.values {
			b = binary.AppendUvarint(appendString(b, value), uint64(c.counts[k]))
		}
	}
	return b
}

// readTallied decodes the counts of one column; false when they are not there.
func readTallied(b []byte, by Column) (values []string, counts []int64, ok bool) {
	c := &cursor{b: b}
	for column := ByService; column <= by; column++ {
		n := c.uvarint(maxTallied + 1)
		if column == by && n > 0 && c.err == nil {
			values, counts = make([]string, 0, n-1), make([]int64, 0, n-1)
			ok = true
		}
		for range max(n, 1) - 1 {
			value, count := c.take(c.uvarint(uint64(len(c.b)))), int64(c.uvarint(maxRows))
			if column == by {
				values, counts = append(values, string(value)), append(counts, count)
			}
		}
	}
	return values, counts, ok && c.err == nil
}

// tallied answers from the sidecar how many lines of a row group are counted; nil when the columns must be read.
func (s *scan) tallied(g *group, by Column, step int64) *tally {
	q := s.query
	at := bucket(g.minT, q.From, step)
	if g.minT < q.From || q.past(g.maxT) || at != bucket(g.maxT, q.From, step) {
		return nil
	}
	column, ok := s.tallyColumn(g, by)
	if !ok {
		return nil
	}
	b, err := g.tallies.read(s.file.sidecar)
	if err != nil {
		return nil
	}
	values, counts, ok := readTallied(b, column)
	if !ok {
		return nil
	}
	wanted := [...]func(string) bool{
		ByService: q.Service.match, ByHandler: q.Handler.match, ByInstance: q.Instance.match,
		ByLevel: func(name string) bool { return q.Levels.has(levelOf(name)) },
	}[column]
	sum := int64(0)
	for i, v := range values {
		if !wanted(v) {
			counts[i] = 0
		}
		sum += counts[i]
	}
	if column != by {
		values, counts = []string{g.low}, []int64{sum}
	}
	return &tally{values: values, counts: map[int64][]int64{at: counts}}
}

// tallyColumn is the column of which the counts in the sidecar tell how many lines are wanted; false when none does, because more than one
// column decides. All lines of a row group of one service are wanted as far as the service goes.
func (s *scan) tallyColumn(g *group, by Column) (Column, bool) {
	q := s.query
	one := g.low == g.high
	if q.Levels != 0 && g.levels&^q.Levels != 0 && by == ByService && one {
		by = ByLevel
	}
	decides := [...]bool{
		ByService: !q.Service.all() && !one, ByHandler: !q.Handler.all(), ByInstance: !q.Instance.all(),
		ByLevel: q.Levels != 0 && g.levels&^q.Levels != 0,
	}
	decides[by] = false
	return by, q.Trace.all() && !slices.Contains(decides[:], true)
}

// checkTallies reports damage of the counts.
func (g *group) checkTallies(f *File) (part string, err error) {
	_, err = g.tallies.read(f.sidecar)
	return fmt.Sprintf("counts of row group %d", g.number), err
}
