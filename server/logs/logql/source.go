package logql

import (
	"context"
	"iter"

	"github.com/gabion-io/gabion/server/logs/entry"
)

// Fields is a set of what is wanted of an entry beside its time, level, service, instance and handler, which are always given.
type Fields uint8

// What can be left out when a query does not look at it.
const (
	Message Fields = 1 << iota
	IDs            // Trace and Span
	Attrs
)

// AllFields is everything.
const AllFields = Message | IDs | Attrs

// LevelSet is a set of levels; bit n is level n.
type LevelSet uint16

// AllLevels is every level.
const AllLevels = LevelSet(1<<(entry.Fatal+1) - 1)

// Has reports whether the level is in the set.
func (s LevelSet) Has(l entry.Level) bool { return s&(1<<l) != 0 }

// Query is what a [Source] is asked for. Only the times and the order are binding: entries that do not match may be given too, they are
// looked at again. Entries that match must all be given.
type Query struct {
	// From and To are nanoseconds since 1970, UTC; From is included, To is not.
	From, To int64
	// Forward gives the oldest first, else the newest.
	Forward bool
	// Matchers must all match, by the names that [Lookup] knows.
	Matchers []*Matcher
	// Levels are those that can match.
	Levels LevelSet
	// Terms are words, as [entry.Words] gives them, that the message of each match has.
	Terms []string
	// Fields are those that the query looks at.
	Fields Fields
	// Limit is a hint: how many matches suffice, when no stage filters further. 0: all.
	Limit int
}

// Match reports whether an entry is in the time, has one of the levels and matches the matchers.
func (q *Query) Match(e *entry.Entry) bool {
	if e.Time < q.From || e.Time >= q.To || !q.Levels.Has(e.Level) {
		return false
	}
	for _, m := range q.Matchers {
		if !m.Match(Lookup(e, m.Name)) {
			return false
		}
	}
	return true
}

// Source has entries.
type Source interface {
	// Select gives the entries of a query by time, see [Query]. An error ends it. An entry is not kept after the next one is asked for.
	Select(ctx context.Context, q Query) iter.Seq2[*entry.Entry, error]
}

// Counter is a [Source] that may be able to count lines without giving them, such as by an index.
type Counter interface {
	Source
	// Count counts the lines that match a query, exactly, by the values of some of the labels service, instance, handler and level, and by time:
	// bucket i has the lines from q.From + i×width on. It is false when it cannot. The query has no terms.
	Count(ctx context.Context, q Query, by []string, width int64) (counts iter.Seq2[Count, error], ok bool)
}

// Count is how many lines of a bucket have these values. The same may be given several times; it adds up.
type Count struct {
	Values []string // in the order of by
	Bucket int
	Lines  int64
}

// aliases are other names that Grafana uses for labels we have. An attribute of that name gets the suffix _extracted.
var aliases = map[string]string{"detected_level": "level", "service_name": "service"}

// Lookup returns the value of a label of an entry: one of its own fields, else the attribute of that [LabelName]; "" when it has none.
func Lookup(e *entry.Entry, name string) string {
	if other, ok := aliases[name]; ok {
		name = other
	}
	if own := ownField(e, name); own != "" {
		return own
	}
	for i := range e.Attrs {
		if LabelName(e.Attrs[i].Name) == name {
			return e.Attrs[i].Value
		}
	}
	return ""
}

func ownField(e *entry.Entry, name string) string {
	switch name {
	case "service":
		return e.Service
	case "instance":
		return e.Instance
	case "handler":
		return e.Handler
	case "level":
		return e.Level.String()
	case "trace_id":
		return e.Trace
	case "span_id":
		return e.Span
	}
	return ""
}

// LabelName makes a name into one that a label can have: letters, digits and "_", no digit first.
func LabelName(s string) string {
	bad := s == "" || '0' <= s[0] && s[0] <= '9'
	for i := 0; i < len(s) && !bad; i++ {
		bad = !nameByte(s[i])
	}
	if !bad {
		return s
	}
	b := make([]byte, 0, len(s)+1)
	if s == "" || '0' <= s[0] && s[0] <= '9' {
		b = append(b, '_')
	}
	for _, r := range s {
		if r < 0x80 && nameByte(byte(r)) {
			b = append(b, byte(r))
		} else {
			b = append(b, '_')
		}
	}
	return string(b)
}

func nameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}
