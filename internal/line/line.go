// Package line is where calls wait: each tenant has a line, and the lines take turns. So a tenant with many calls keeps no other
// waiting for long, and it is the longest line that makes room. It reads no clock, and has no lock and no goroutine.
package line

import "time"

// Waiter is a call that waits. The zero value is ready to be put into a queue.
type Waiter struct {
	// Tenant is whose call it is.
	Tenant string
	// Class, Since and Owner are for whoever has the queue, which does not look at them: which of several queues it is in,
	// since when, and what else there is to know about the call.
	Class int
	Since time.Duration
	Owner any

	in         *line // nil when it does not wait
	prev, next *Waiter
}

// Waits says whether it is in a queue.
func (w *Waiter) Waits() bool { return w.in != nil }

// line is those who wait for one tenant. It goes with its last call. Only when that was served as the newest, it stays until its turn
// comes: where new lines come first, a tenant that was served just now is not to be a new one with its next call.
type line struct {
	tenant        string
	oldest        *Waiter
	newest        *Waiter
	size          int
	prev, next    *line // in the ring of turns
	above, beside *line // those of the same size, when there are any in it
}

// Queue is those who wait. The zero value is empty and ready for use. All it does takes the same time however many lines there
// are, but for Rounds.
type Queue struct {
	// Most is how many tenants have a line of their own; all others share one. 0: all have. It may change at any time.
	Most int

	size   int
	lines  map[string]*line
	others *line // of the tenants for which there was no room in lines
	turn   *line // whose turn is next; the lines form a ring
	// bySize holds, for each size, the line that has come to it last, and then those beside it.
	bySize  []*line
	longest int
}

// Len is how many wait.
func (q *Queue) Len() int { return q.size }

// Lines is how many lines there are.
func (q *Queue) Lines() int {
	n := len(q.lines)
	if q.others != nil {
		n++
	}
	return n
}

// LenOf is how many wait in the line that a call of tenant would come to.
func (q *Queue) LenOf(tenant string) int {
	if l := q.line(tenant); l != nil {
		return l.size
	}
	return 0
}

// Push puts a call at the end of the line of its tenant. A new line has the last turn, or the first.
func (q *Queue) Push(w *Waiter, first bool) {
	l := q.line(w.Tenant)
	if l == nil {
		l = q.open(w.Tenant, first)
	}
	w.in, w.prev, w.next = l, l.newest, nil
	if l.newest == nil {
		l.oldest = w
	} else {
		l.newest.next = w
	}
	l.newest = w
	q.resize(l, +1)
}

// Remove takes out a call that waits, wherever it stands.
func (q *Queue) Remove(w *Waiter) {
	l := w.in
	q.take(w)
	if l.size == 0 && q.size > 0 {
		q.close(l)
	}
}

// Next takes out who is next: the oldest, or the newest, of the line whose turn it is; nil when nobody waits.
func (q *Queue) Next(newest bool) *Waiter {
	if q.size == 0 {
		return nil
	}
	for q.turn.size == 0 {
		q.close(q.turn)
	}
	l := q.turn
	q.turn = l.next
	if !newest {
		w := l.oldest
		q.Remove(w)
		return w
	}
	w := l.newest
	q.take(w)
	return w
}

// take takes a call out of its line. The last one takes all lines with it.
func (q *Queue) take(w *Waiter) {
	l := w.in
	if w.prev == nil {
		l.oldest = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.newest = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.in, w.prev, w.next = nil, nil, nil
	q.resize(l, -1)
	if q.size == 0 {
		clear(q.lines)
		q.others, q.turn = nil, nil
	}
}

// Longest returns the oldest and the newest of the longest line, and its length; nil when nobody waits. Of several it is the line
// whose length has changed last.
func (q *Queue) Longest() (oldest, newest *Waiter, length int) {
	if q.size == 0 {
		return nil, nil, 0
	}
	l := q.bySize[q.longest]
	return l.oldest, l.newest, l.size
}

// OldestOf is who has waited longest in the line of tenant; when nobody waits there, in that whose turn comes last. There must be
// somebody who waits.
func (q *Queue) OldestOf(tenant string) *Waiter {
	l := q.line(tenant)
	for last := q.turn.prev; l == nil || l.size == 0; last = last.prev {
		l = last
	}
	return l.oldest
}

// Rounds is how many are served until every line had so many turns.
func (q *Queue) Rounds(turns int) (served int) {
	if q.turn == nil || turns == 0 {
		return 0
	}
	for l := q.turn; ; l = l.next {
		served += min(l.size, turns)
		if l.next == q.turn {
			return served
		}
	}
}

// line is where a call of tenant waits; nil when there is to be a new line for it.
func (q *Queue) line(tenant string) *line {
	if l := q.lines[tenant]; l != nil || !q.full() {
		return l
	}
	return q.others
}

// full says whether there is no room for one more line of its own.
func (q *Queue) full() bool { return q.Most > 0 && len(q.lines) >= q.Most }

// open makes a line for a tenant, or for all for which there is no room.
func (q *Queue) open(tenant string, first bool) *line {
	l := &line{tenant: tenant}
	switch {
	case q.full():
		q.others = l
	case q.lines == nil:
		q.lines = map[string]*line{tenant: l}
	default:
		q.lines[tenant] = l
	}
	if q.turn == nil {
		l.prev, l.next, q.turn = l, l, l
		return l
	}
	l.prev, l.next = q.turn.prev, q.turn
	l.prev.next, l.next.prev = l, l
	if first {
		q.turn = l
	}
	return l
}

// close forgets a line that is empty and not the only one.
func (q *Queue) close(l *line) {
	l.prev.next, l.next.prev = l.next, l.prev
	if q.turn == l {
		q.turn = l.next
	}
	if l == q.others {
		q.others = nil
	} else {
		delete(q.lines, l.tenant)
	}
}

// resize changes the length of a line by one.
func (q *Queue) resize(l *line, by int) {
	if l.size > 0 {
		q.unrank(l)
	}
	q.size += by
	l.size += by
	if l.size > 0 {
		q.rank(l)
	}
	for q.longest > 0 && q.bySize[q.longest] == nil {
		q.longest--
	}
}

// rank puts the line before those of its size.
func (q *Queue) rank(l *line) {
	if len(q.bySize) <= l.size {
		q.bySize = append(q.bySize, make([]*line, l.size+1-len(q.bySize))...)
	}
	l.above, l.beside = nil, q.bySize[l.size]
	if l.beside != nil {
		l.beside.above = l
	}
	q.bySize[l.size] = l
	q.longest = max(q.longest, l.size)
}

func (q *Queue) unrank(l *line) {
	if l.above == nil {
		q.bySize[l.size] = l.beside
	} else {
		l.above.beside = l.beside
	}
	if l.beside != nil {
		l.beside.above = l.above
	}
}
