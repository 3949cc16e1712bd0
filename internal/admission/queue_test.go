package admission

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// most tenants have a line of their own.
const most = 3

// lines is a queue as one would write it down: for each class the lines in the order of their turns.
type lines [Classes][]*queued

type queued struct {
	tenant  string
	waiters []*Waiter
}

func (m *lines) find(class int, tenant string) *queued {
	var others *queued
	own := 0
	for _, l := range m[class] {
		if l.tenant == tenant {
			return l
		}
		if l.tenant == "others" {
			others = l
		} else {
			own++
		}
	}
	if own < most {
		return nil
	}
	return others
}

func (m *lines) push(w *Waiter) {
	l := m.find(w.Class, w.Tenant)
	if l == nil {
		l = &queued{tenant: w.Tenant}
		own := len(m[w.Class])
		if slices.ContainsFunc(m[w.Class], func(l *queued) bool { return l.tenant == "others" }) {
			own--
		}
		if own >= most {
			l.tenant = "others"
		}
		m[w.Class] = append(m[w.Class], l)
	}
	l.waiters = append(l.waiters, w)
}

func (m *lines) remove(w *Waiter) {
	for i, l := range m[w.Class] {
		if at := slices.Index(l.waiters, w); at >= 0 {
			l.waiters = slices.Delete(l.waiters, at, at+1)
			if len(l.waiters) == 0 {
				m[w.Class] = slices.Delete(m[w.Class], i, i+1)
			}
			return
		}
	}
}

func (m *lines) pop() *Waiter {
	for class, all := range m {
		if len(all) == 0 {
			continue
		}
		l := all[0]
		m[class] = append(slices.Delete(slices.Clone(all), 0, 1), l)
		w := l.waiters[0]
		m.remove(w)
		return w
	}
	return nil
}

// Any sequence of pushes, pops and removals gives what plain lists give.
func TestQueueFollowsItsModel(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 1))
		q, model := queue{most: most}, lines{}
		var all []*Waiter
		for range 300 {
			switch n := random.IntN(10); {
			case n < 5:
				w := &Waiter{Class: random.IntN(Classes), Tenant: strconv.Itoa(random.IntN(6))}
				q.push(w)
				model.push(w)
				all = append(all, w)
			case n < 8:
				got, want := q.pop(), model.pop()
				if got != want {
					t.Fatalf("seed %d: next is %+v, want %+v", seed, got, want)
				}
				all = slices.DeleteFunc(all, func(w *Waiter) bool { return w == got })
			case len(all) > 0:
				i := random.IntN(len(all))
				q.remove(all[i])
				model.remove(all[i])
				all = slices.Delete(all, i, i+1)
			}
			compare(t, seed, &q, &model)
		}
	}
}

// compare compares all counts, and who would have to make room.
func compare(t *testing.T, seed uint64, q *queue, model *lines) {
	t.Helper()
	size := 0
	for class := range model {
		longest := 0
		for _, l := range model[class] {
			size += len(l.waiters)
			longest = max(longest, len(l.waiters))
		}
		for i := range 6 {
			tenant, want := strconv.Itoa(i), 0
			if l := model.find(class, tenant); l != nil {
				want = len(l.waiters)
			}
			if got := q.lineSize(class, tenant); got != want {
				t.Fatalf("seed %d: %d wait in the line of %s, want %d", seed, got, tenant, want)
			}
		}
		if got := q.ahead(class); got != size {
			t.Fatalf("seed %d: %d wait before class %d, want %d", seed, got, class+1, size)
		}
		w := q.newestOfLongest(class)
		if (w == nil) != (longest == 0) {
			t.Fatalf("seed %d: the newest of the longest line is %+v", seed, w)
		}
		if w != nil && (w.in.size != longest || w.in.last != w) {
			t.Fatalf("seed %d: %+v is not the last of a line of %d", seed, w, longest)
		}
		if n := len(q.classes[class].lines); n > most {
			t.Fatalf("seed %d: %d lines", seed, n)
		}
	}
	if q.size != size {
		t.Fatalf("seed %d: size %d, want %d", seed, q.size, size)
	}
}
