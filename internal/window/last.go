package window

// Last counts the last calls, however long ago they were. Make it with [NewLast]. It is not safe for concurrent use.
type Last struct {
	calls []Counts // a ring, of one call each
	next  int      // where the next one goes
	total Counts
}

// NewLast makes an empty Last of n calls, which must be positive.
func NewLast(n int) *Last { return &Last{calls: make([]Counts, 0, n)} }

// Add counts one call. The oldest is forgotten when there are too many.
func (l *Last) Add(failed, slow bool) {
	c := Counts{Calls: 1}
	if failed {
		c.Failures = 1
	}
	if slow {
		c.Slow = 1
	}
	l.total.add(c)
	if len(l.calls) < cap(l.calls) {
		l.calls = append(l.calls, c)
		return
	}
	l.total.sub(l.calls[l.next])
	l.calls[l.next] = c
	l.next = (l.next + 1) % len(l.calls)
}

// Counts is what the calls come to.
func (l *Last) Counts() Counts { return l.total }

// Resized is a Last of n calls that holds the newest of these; the same one when it holds as many.
func (l *Last) Resized(n int) *Last {
	if n == cap(l.calls) {
		return l
	}
	resized := NewLast(n)
	for i := range l.calls {
		c := l.calls[(l.next+i)%len(l.calls)]
		resized.Add(c.Failures > 0, c.Slow > 0)
	}
	return resized
}
