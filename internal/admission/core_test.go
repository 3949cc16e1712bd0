package admission

import (
	"testing"
	"time"
)

const ms = time.Millisecond

// A core with a known concurrency starts that many, lets a few wait, and refuses the rest.
func TestKnownConcurrency(t *testing.T) {
	c := New(Config{Deadline: 100 * ms, Known: 2}, 0)
	for i, want := range []Decision{Start, Start, Queue, Queue, Refuse} {
		got := c.Arrive(0, 1, "")
		if got != want {
			t.Fatalf("call %d: decision %d, want %d", i, got, want)
		}
		if got == Queue {
			if evicted := c.Push(0, &Waiter{Class: 1, Owner: i}); evicted != nil {
				t.Fatalf("call %d evicts %v", i, evicted.Owner)
			}
		}
	}
	c.Complete(5*ms, 5*ms, true)
	if w, ok := c.Next(5 * ms); !ok || w.Owner != 2 {
		t.Errorf("next is %+v (%v), want the first that waits", w, ok)
	}
	if w, _ := c.Next(5 * ms); w != nil {
		t.Errorf("%+v starts, but there is no place", w)
	}
	c.Release()
	if w, ok := c.Next(90 * ms); ok || w == nil || w.Owner != 3 {
		t.Errorf("next is %+v (%v), want the second that waits, for too long", w, ok)
	}
	if c.pressure.lost != 2 {
		t.Errorf("counts %v as lost, want the refused one and the one that waited for too long", c.pressure.lost)
	}
}
