package bulkhead

import (
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/internal/line"
)

// queue is those who wait. It reads no clock, and its owner holds a lock.
type queue struct {
	line.Queue
	// since is when it was last empty, latest the latest instant that it was told.
	since, latest gabion.Instant
}

// waiter is a call in the queue, and its Owner.
type waiter struct {
	line.Waiter
	decided chan struct{} // closed when it has been given a place or was refused
	why     reason        // how it was decided
}

// clock is the present. Callers read the clock before they have the lock, so it may seem to go back.
func (q *queue) clock(now gabion.Instant) gabion.Instant {
	q.latest = max(q.latest, now)
	return q.latest
}

// add puts a call at the end of the line of its tenant. The turn of a new line comes last; under pressure it comes first.
func (q *queue) add(now gabion.Instant, tenant string, pressed bool) *waiter {
	if q.Len() == 0 {
		q.since = now
	}
	w := &waiter{Waiter: line.Waiter{Tenant: tenant, Since: now}, decided: make(chan struct{})}
	w.Owner = w
	q.Push(&w.Waiter, pressed)
	return w
}

// next takes out who gets the next place: of the line whose turn it is the oldest, under pressure the newest. There must be one.
func (q *queue) next(pressed bool) *waiter { return q.Next(pressed).Owner.(*waiter) }

// yields is who has to make room in a full queue for one more call of tenant; nil when nobody has. Of a line that is longer
// than that of tenant would be, it is the one who would be served last. Under pressure it can also be somebody who came
// before the given instant and will not be served any more.
func (q *queue) yields(tenant string, pressed bool, before gabion.Instant) *waiter {
	oldest, newest, length := q.Longest()
	unfair := length > q.LenOf(tenant)+1
	switch {
	case length == 0: // the queue is off now
		return nil
	case unfair && !pressed:
		return newest.Owner.(*waiter)
	case !unfair:
		if oldest = q.OldestOf(tenant); !pressed || oldest.Since > before {
			return nil
		}
	}
	return oldest.Owner.(*waiter)
}

// ahead is at least how long it is until one more call of tenant has its turn, when places get free with a gap between them.
func (q *queue) ahead(tenant string, pressed bool, gap time.Duration) time.Duration {
	if pressed {
		return 0
	}
	return time.Duration(q.Rounds(q.LenOf(tenant))) * gap
}
