package admission

// Waiter is a call in the queue. The zero value with Class and Tenant set is ready to be queued.
type Waiter struct {
	// Class is its priority, 0 first, below [Classes].
	Class int
	// Tenant is whose call it is. Those of a class take turns.
	Tenant string
	// Owner is for whoever queues it; the core does not look at it.
	Owner any

	since      Instant
	in         *line // nil when not queued
	prev, next *Waiter
}

// line is the queue of one tenant in one class, first come first served. It exists while somebody waits in it.
type line struct {
	tenant      string
	first, last *Waiter
	size        int
	turn        link // place among the lines of its class that take turns
	rank        link // place among the lines of the same size
}

type link struct{ prev, next *line }

// class is all lines of one priority.
type class struct {
	lines  map[string]*line
	others *line // of the tenants for which there was no room in lines; nil while none of them waits
	size   int   // waiters
	ring   *line // whose turn is next; the lines form a ring by turn
	// bySize holds, for each size, a line of that size; those of the same size form a ring by rank. So the longest line is
	// found at once, however many tenants there are.
	bySize  []*line
	longest int
}

// queue is who waits, by class and tenant.
type queue struct {
	classes [Classes]class
	size    int
	most    int // how many tenants of a class have a line of their own; 0: all
}

// ahead is how many wait in this class and those before it.
func (q *queue) ahead(c int) int {
	n := 0
	for i := range c + 1 {
		n += q.classes[i].size
	}
	return n
}

// lineSize is how many calls wait in the line of the tenant.
func (q *queue) lineSize(c int, tenant string) int {
	if l := q.classes[c].line(tenant, q.most); l != nil {
		return l.size
	}
	return 0
}

// line is where calls of the tenant wait, nil when nobody waits there.
func (c *class) line(tenant string, most int) *line {
	if l := c.lines[tenant]; l != nil || most == 0 || len(c.lines) < most {
		return l
	}
	return c.others
}

// open makes the line for a tenant, or for all tenants for which there is no room.
func (c *class) open(tenant string, most int) *line {
	l := &line{tenant: tenant}
	switch {
	case most > 0 && len(c.lines) >= most:
		c.others = l
	case c.lines == nil:
		c.lines = map[string]*line{tenant: l}
	default:
		c.lines[tenant] = l
	}
	c.joinRing(l)
	return l
}

// close forgets a line that is empty.
func (c *class) close(l *line) {
	c.leaveRing(l)
	if l == c.others {
		c.others = nil
	} else {
		delete(c.lines, l.tenant)
	}
}

func (q *queue) push(w *Waiter) {
	c := &q.classes[w.Class]
	l := c.line(w.Tenant, q.most)
	if l == nil {
		l = c.open(w.Tenant, q.most)
	}
	w.in, w.prev, w.next = l, l.last, nil
	if l.last == nil {
		l.first = w
	} else {
		l.last.next = w
	}
	l.last = w
	c.resize(l, +1)
	q.size++
}

// remove takes a waiter out, wherever it stands.
func (q *queue) remove(w *Waiter) {
	c, l := &q.classes[w.Class], w.in
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
	w.in, w.prev, w.next = nil, nil, nil
	c.resize(l, -1)
	if l.size == 0 {
		c.close(l)
	}
	q.size--
}

// pop takes out the next: of the highest class, of the tenant whose turn it is, who has waited longest.
func (q *queue) pop() *Waiter {
	for i := range q.classes {
		c := &q.classes[i]
		if c.ring == nil {
			continue
		}
		w := c.ring.first
		c.ring = c.ring.turn.next
		q.remove(w)
		return w
	}
	return nil
}

// newestOfLongest is who came last in the longest line of the class; nil when nobody waits there.
func (q *queue) newestOfLongest(c int) *Waiter {
	if k := &q.classes[c]; k.size > 0 {
		return k.bySize[k.longest].last
	}
	return nil
}

// joinRing gives the line the last turn.
func (c *class) joinRing(l *line) {
	if c.ring == nil {
		l.turn = link{l, l}
		c.ring = l
		return
	}
	last := c.ring.turn.prev
	l.turn = link{last, c.ring}
	last.turn.next, c.ring.turn.prev = l, l
}

func (c *class) leaveRing(l *line) {
	if l.turn.next == l {
		c.ring = nil
		return
	}
	l.turn.prev.turn.next, l.turn.next.turn.prev = l.turn.next, l.turn.prev
	if c.ring == l {
		c.ring = l.turn.next
	}
}

// resize changes the size of a line by one, and its rank.
func (c *class) resize(l *line, by int) {
	c.size += by
	if l.size > 0 {
		c.unrank(l)
	}
	l.size += by
	for len(c.bySize) <= l.size {
		c.bySize = append(c.bySize, nil)
	}
	if l.size > 0 {
		c.setRank(l)
	}
	c.longest = max(c.longest, l.size)
	for c.longest > 0 && c.bySize[c.longest] == nil {
		c.longest--
	}
}

func (c *class) setRank(l *line) {
	peer := c.bySize[l.size]
	if peer == nil {
		l.rank = link{l, l}
	} else {
		l.rank = link{peer.rank.prev, peer}
		peer.rank.prev.rank.next, peer.rank.prev = l, l
	}
	c.bySize[l.size] = l
}

func (c *class) unrank(l *line) {
	if l.rank.next == l {
		c.bySize[l.size] = nil
		return
	}
	l.rank.prev.rank.next, l.rank.next.rank.prev = l.rank.next, l.rank.prev
	c.bySize[l.size] = l.rank.next
}
