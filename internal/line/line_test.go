package line

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// most tenants have a line of their own.
const most = 3

// queued is a line as one would write it down: the oldest first. changed is when its length did last.
type queued struct {
	tenant  string
	waiters []*Waiter
	changed int
}

// lines is a queue as one would write it down: its lines in the order of their turns.
type lines struct {
	turns []*queued
	now   int
}

// find returns the line where a call of tenant would wait; nil when there would be a new one.
func (m *lines) find(tenant string) (others *queued) {
	own := 0
	for _, l := range m.turns {
		switch l.tenant {
		case tenant:
			return l
		case "others":
			others = l
		default:
			own++
		}
	}
	if own < most {
		return nil
	}
	return others
}

func (m *lines) push(w *Waiter, first bool) {
	l := m.find(w.Tenant)
	if l == nil {
		l = &queued{tenant: w.Tenant}
		isOthers := func(l *queued) bool { return l.tenant == "others" }
		if own := slices.DeleteFunc(slices.Clone(m.turns), isOthers); len(own) >= most {
			l.tenant = "others"
		}
		at := len(m.turns)
		if first {
			at = 0
		}
		m.turns = slices.Insert(m.turns, at, l)
	}
	l.waiters = append(l.waiters, w)
	m.change(l)
}

func (m *lines) change(l *queued) { m.now++; l.changed = m.now }

// remove takes w out. Its line goes if it is empty then and does not stay; all go when all are empty.
func (m *lines) remove(w *Waiter, stay bool) {
	i := slices.IndexFunc(m.turns, func(l *queued) bool { return slices.Contains(l.waiters, w) })
	l := m.turns[i]
	at := slices.Index(l.waiters, w)
	l.waiters = slices.Delete(l.waiters, at, at+1)
	m.change(l)
	if len(l.waiters) == 0 && !stay {
		m.turns = slices.Delete(m.turns, i, i+1)
	}
	if !slices.ContainsFunc(m.turns, func(l *queued) bool { return len(l.waiters) > 0 }) {
		m.turns = nil
	}
}

func (m *lines) next(newest bool) *Waiter {
	for len(m.turns) > 0 {
		l := m.turns[0]
		m.turns = m.turns[1:]
		if len(l.waiters) == 0 {
			continue
		}
		m.turns = append(m.turns, l)
		w := l.waiters[0]
		if newest {
			w = l.waiters[len(l.waiters)-1]
		}
		m.remove(w, newest)
		return w
	}
	return nil
}

// Any sequence of what a queue can do gives what plain lists give.
func TestQueueFollowsItsModel(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 1))
		q, model := Queue{Most: most}, lines{}
		var all []*Waiter
		for range 300 {
			switch n := random.IntN(10); {
			case n < 5:
				w, first := &Waiter{Tenant: strconv.Itoa(random.IntN(6))}, random.IntN(3) == 0
				q.Push(w, first)
				model.push(w, first)
				all = append(all, w)
			case n < 8:
				newest := random.IntN(3) == 0
				got, want := q.Next(newest), model.next(newest)
				if got != want {
					t.Fatalf("seed %d: next is %+v, want %+v", seed, got, want)
				}
				all = slices.DeleteFunc(all, func(w *Waiter) bool { return w == got })
			case len(all) > 0:
				i := random.IntN(len(all))
				q.Remove(all[i])
				model.remove(all[i], false)
				all = slices.Delete(all, i, i+1)
			}
			compare(t, seed, &q, &model, all)
		}
	}
}

// compare compares all counts, and who would have to make room.
func compare(t *testing.T, seed uint64, q *Queue, model *lines, all []*Waiter) {
	t.Helper()
	longest := &queued{}
	for _, l := range model.turns {
		if n := len(l.waiters); n > len(longest.waiters) || n == len(longest.waiters) && n > 0 && l.changed > longest.changed {
			longest = l
		}
	}
	oldest, newest, length := q.Longest()
	if length != len(longest.waiters) || length > 0 && (oldest != longest.waiters[0] || newest != longest.waiters[length-1]) {
		t.Fatalf("seed %d: the longest line is from %+v to %+v, want %+v", seed, oldest, newest, longest)
	}
	if q.Len() != len(all) || q.Lines() != len(model.turns) {
		t.Fatalf("seed %d: %d wait in %d lines, want %d in %d", seed, q.Len(), q.Lines(), len(all), len(model.turns))
	}
	for i := range 6 {
		compareTenant(t, seed, q, model, strconv.Itoa(i))
	}
	for _, w := range all {
		if !w.Waits() {
			t.Fatalf("seed %d: %+v does not wait", seed, w)
		}
	}
}

func compareTenant(t *testing.T, seed uint64, q *Queue, model *lines, tenant string) {
	t.Helper()
	l := model.find(tenant)
	if l == nil {
		l = &queued{}
	}
	turns, served := len(l.waiters), 0
	for _, other := range model.turns {
		served += min(turns, len(other.waiters))
	}
	if got := q.LenOf(tenant); got != turns {
		t.Fatalf("seed %d: %d wait in the line of %s, want %d", seed, got, tenant, turns)
	}
	if got := q.Rounds(turns); got != served {
		t.Fatalf("seed %d: %d are served until all lines had %d turns, want %d", seed, got, turns, served)
	}
	if q.Len() == 0 {
		return
	}
	for i := len(model.turns) - 1; len(l.waiters) == 0; i-- {
		l = model.turns[i]
	}
	if got := q.OldestOf(tenant); got != l.waiters[0] {
		t.Fatalf("seed %d: %+v has waited longest for %s, want %+v", seed, got, tenant, l.waiters[0])
	}
}

// Whoever makes up tenants gets one line for all of them, and the last who goes takes all lines with it.
func TestMadeUpTenantsShareALine(t *testing.T) {
	q := Queue{Most: 10}
	for i := range 1000 {
		q.Push(&Waiter{Tenant: strconv.Itoa(i)}, false)
		if n := q.Lines(); n > 11 {
			t.Fatalf("%d lines", n)
		}
	}
	for i := range 13 { // each line has its turn, then only that of the others has somebody left
		if w := q.Next(false); w.Tenant != strconv.Itoa(i) {
			t.Errorf("turn %d is that of %s", i, w.Tenant)
		}
	}
	for q.Next(false) != nil {
	}
	if q.Lines() != 0 || q.Len() != 0 || len(q.lines) != 0 || q.turn != nil || q.others != nil || q.longest != 0 {
		t.Errorf("left in the queue: %+v", q)
	}
}

// A push and a turn, with a thousand lines of which the longest is asked for.
func BenchmarkQueue(b *testing.B) {
	q := Queue{Most: 1000}
	tenants := make([]string, 1000)
	for i := range tenants {
		tenants[i] = strconv.Itoa(i)
		q.Push(&Waiter{Tenant: tenants[i]}, false)
	}
	w := &Waiter{}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.Tenant = tenants[i%1000]
		q.Push(w, i%2 == 0)
		if _, _, n := q.Longest(); n != 2 && n != 1 {
			b.Fatal(n)
		}
		w = q.Next(i%2 == 0)
	}
}
