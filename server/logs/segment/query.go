package segment

import (
	"math"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// Levels is a set of levels: bit n is level n. The zero value stands for all of them.
type Levels uint16

// LevelSet makes a set.
func LevelSet(levels ...entry.Level) Levels {
	var s Levels
	for _, l := range levels {
		s |= 1 << l
	}
	return s
}

func (s Levels) has(l entry.Level) bool { return s == 0 || s&(1<<l) != 0 }

// Columns is a set of what is wanted of a line beside its time, level, service, handler and instance, which are always given.
type Columns uint8

// What can be left out when nobody looks at it: reading less is faster.
const (
	Message Columns = 1 << iota
	IDs             // Trace and Span
	Attrs
)

// AllColumns is everything.
const AllColumns = Message | IDs | Attrs

// Match says which values of a column are wanted. The zero value wants all.
type Match struct {
	exact bool
	value string
	ok    func(string) bool
}

// Is wants one value. "" is that of lines that have none.
func Is(value string) Match { return Match{exact: true, value: value} }

// Where wants the values for which ok gives true. It is called about once for each different value of a row group, except for traces.
func Where(ok func(value string) bool) Match { return Match{ok: ok} }

func (m *Match) all() bool { return !m.exact && m.ok == nil }

func (m *Match) match(s string) bool {
	if m.exact {
		return s == m.value
	}
	return m.ok == nil || m.ok(s)
}

// Query says which lines are wanted. All that is set must hold.
type Query struct {
	// From and To are nanoseconds since 1970, UTC; From is included, To is not, except for [math.MaxInt64], which means no end.
	From, To int64
	// Newest gives the newest first, else the oldest.
	Newest bool
	// Service, Handler, Instance and Trace are what the columns have to be.
	Service, Handler, Instance, Trace Match
	// Levels are those wanted.
	Levels Levels
	// Terms are words that each match has in its message or in the values of its attributes, in any case. They only prune: a row group
	// that cannot have them all is not read, but lines without them may be given. They must be whole words, see [entry.Words].
	Terms []string
	// Keep is asked about each line that fits the rest; nil keeps all. It must not keep the entry. It sees only what Columns has.
	Keep func(*entry.Entry) bool
	// Columns are what is wanted beside what is always given.
	Columns Columns
}

// past reports whether a time is after the time of the query.
func (q *Query) past(t int64) bool { return t >= q.To && q.To != math.MaxInt64 }
