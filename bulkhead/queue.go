package bulkhead

import (
	"time"

	"github.com/gabion-io/gabion"
)

// queue is those who wait: a line for each tenant. Lines take turns. It reads no clock, and its owner holds a lock.
type queue struct {
	length int
	// since is when it was last empty, latest the latest instant that it was told.
	since, latest gabion.Instant
	lines         map[string]*line
	others        *line // of the tenants for which there was no room
	first, last   *line // in the order of their turns
}

// line is those who wait for one tenant. When it gets empty it stays until its turn comes, so that a tenant that was served just
// now is not a new one with its next call.
type line struct {
	tenant      string
	length      int
	first, last *waiter
	prev, next  *line
}

// waiter is a call in the queue.
type waiter struct {
	decided    chan struct{} // closed when it has been given a place or was refused
	why        reason        // how it was decided
	queued     bool
	since      gabion.Instant
	line       *line
	prev, next *waiter
}

// clock is the present. Callers read the clock before they have the lock, so it may seem to go back.
func (q *queue) clock(now gabion.Instant) gabion.Instant {
	q.latest = max(q.latest, now)
	return q.latest
}

// add puts a call at the end of the line of its tenant. The turn of a new line comes last; under pressure it comes first.
func (q *queue) add(now gabion.Instant, tenant string, most int, pressed bool) *waiter {
	if q.length == 0 {
		q.since = now
	}
	l := q.line(tenant)
	if l == nil {
		l = q.open(tenant, most, pressed)
	}
	w := &waiter{decided: make(chan struct{}), queued: true, since: now, line: l, prev: l.last}
	if l.last == nil {
		l.first = w
	} else {
		l.last.next = w
	}
	l.last = w
	l.length++
	q.length++
	return w
}

// remove takes a waiter out. The last one takes all lines with it.
func (q *queue) remove(w *waiter) {
	l := w.line
	if w.prev == nil {
		l.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next, w.queued = nil, nil, false
	l.length--
	q.length--
	if q.length == 0 {
		clear(q.lines)
		q.others, q.first, q.last = nil, nil, nil
	}
}

// next is who gets the next place: of the line whose turn it is the oldest, under pressure the newest. There must be one.
func (q *queue) next(pressed bool) *waiter {
	for {
		l := q.first
		q.unlink(l)
		if l.length == 0 {
			q.close(l)
			continue
		}
		q.linkLast(l)
		if pressed {
			return l.last
		}
		return l.first
	}
}

// yields is who has to make room in a full queue for one more call of tenant; nil when nobody has. Of a line that is longer
// than that of tenant would be, it is the one who would be served last. Under pressure it can also be somebody who came
// before the given instant and will not be served any more.
func (q *queue) yields(tenant string, pressed bool, before gabion.Instant) *waiter {
	own, longest := q.line(tenant), q.first
	for l := q.first; l != nil; l = l.next {
		if l.length > longest.length {
			longest = l
		}
	}
	length := 0
	if own != nil {
		length = own.length
	}
	switch {
	case longest == nil: // the queue is off now
		return nil
	case longest.length > length+1 && pressed:
		return longest.first
	case longest.length > length+1:
		return longest.last
	case !pressed:
		return nil
	}
	if length == 0 {
		for own = q.last; own.length == 0; own = own.prev {
		}
	}
	if own.first.since > before {
		return nil
	}
	return own.first
}

// ahead is at least how long it is until one more call of tenant has its turn, when places get free with a gap between them.
func (q *queue) ahead(tenant string, pressed bool, gap time.Duration) (wait time.Duration) {
	l := q.line(tenant)
	if l == nil || pressed {
		return 0
	}
	for other := q.first; other != nil; other = other.next {
		wait += time.Duration(min(other.length, l.length)) * gap
	}
	return wait
}

// line is the line of a tenant, nil when it has none.
func (q *queue) line(tenant string) *line {
	if l := q.lines[tenant]; l != nil {
		return l
	}
	return q.others
}

// open makes a line for a tenant, or for all further ones.
func (q *queue) open(tenant string, most int, first bool) *line {
	l := &line{tenant: tenant}
	switch {
	case len(q.lines) >= most:
		q.others = l
	case q.lines == nil:
		q.lines = map[string]*line{tenant: l}
	default:
		q.lines[tenant] = l
	}
	if first {
		q.linkFirst(l)
	} else {
		q.linkLast(l)
	}
	return l
}

// close forgets a line that is empty.
func (q *queue) close(l *line) {
	if l == q.others {
		q.others = nil
	} else {
		delete(q.lines, l.tenant)
	}
}

func (q *queue) linkFirst(l *line) {
	l.next = q.first
	if q.first == nil {
		q.last = l
	} else {
		q.first.prev = l
	}
	q.first = l
}

func (q *queue) linkLast(l *line) {
	l.prev = q.last
	if q.last == nil {
		q.first = l
	} else {
		q.last.next = l
	}
	q.last = l
}

func (q *queue) unlink(l *line) {
	if l.prev == nil {
		q.first = l.next
	} else {
		l.prev.next = l.next
	}
	if l.next == nil {
		q.last = l.prev
	} else {
		l.next.prev = l.prev
	}
	l.prev, l.next = nil, nil
}
