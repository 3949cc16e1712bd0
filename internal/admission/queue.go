package admission

import "github.com/gabion-io/gabion/internal/line"

// Waiter is a call in the queue. The zero value with Class, below [Classes], and Tenant set is ready to be queued. The core does not
// look at its Owner.
type Waiter = line.Waiter

// queue is who waits, by class. Tenants of a class take turns; who came first of a tenant is served first.
type queue [Classes]line.Queue

// ahead is how many wait in this class and those before it.
func (q *queue) ahead(class int) (n int) {
	for i := range class + 1 {
		n += q[i].Len()
	}
	return n
}

func (q *queue) size() int { return q.ahead(Classes - 1) }

func (q *queue) push(w *Waiter) { q[w.Class].Push(w, false) }

// remove takes a waiter out, wherever it stands.
func (q *queue) remove(w *Waiter) { q[w.Class].Remove(w) }

// pop takes out the next: of the highest class, of the tenant whose turn it is, who has waited longest.
func (q *queue) pop() (w *Waiter) {
	for i := 0; w == nil && i < Classes; i++ {
		w = q[i].Next(false)
	}
	return w
}

// newestOfLongest is who came last in the longest line of the class; nil when nobody waits there.
func (q *queue) newestOfLongest(class int) *Waiter {
	_, newest, _ := q[class].Longest()
	return newest
}
