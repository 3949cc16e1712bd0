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

// A standing queue is short, but later where the concurrency is known or few calls are worked on at once, and not for calls that go before those of a lower class.
func TestRoom(t *testing.T) {
	for name, test := range map[string]struct {
		known  int
		atOnce float64 // calls worked on; 0: not known
		stands time.Duration
		asked  int // the lowest class that asked lately
		want   float64
	}{
		"burst":                        {0, 0, 100 * ms, 0, 60},
		"standing":                     {0, 0, 101 * ms, 0, 15},
		"standing, with a lower class": {0, 0, 101 * ms, 2, 70},
		"known, burst":                 {5, 5, 300 * ms, 0, 50},
		"known, standing":              {5, 5, 301 * ms, 0, 15},
		"ten at once, burst":           {0, 10, 100 * ms, 0, 60},
		"ten at once, standing":        {0, 10, 101 * ms, 0, 15},
		"two at once, burst":           {0, 2, 150 * ms, 0, 60},
		"two at once, standing":        {0, 2, 151 * ms, 0, 15},
		"one at a time, burst":         {0, 0.8, 300 * ms, 0, 60},
		"one at a time, standing":      {0, 0.8, 301 * ms, 0, 15},
	} {
		t.Run(name, func(t *testing.T) {
			c := New(Config{Deadline: 100 * ms, Known: test.known}, 0)
			c.limit.rate, c.limit.mean, c.limit.spread = 1./float64(ms), float64(10*ms), 4
			c.limit.unqueued = test.atOnce * float64(ms)
			now := time.Minute
			c.queue.push(&Waiter{})
			c.standing, c.asked[test.asked] = now-test.stands, now
			if got := c.room(now, 0); got < test.want-0.01 || got > test.want+0.01 {
				t.Errorf("room for %v, want %v", got, test.want)
			}
			c.config.Queue = 7
			if got := c.room(now, 0); got != 7 {
				t.Errorf("room for %v, want no more than the bound", got)
			}
		})
	}
}

// Before anything is known there is room as if calls took as long as is aimed at, and a critical call takes that of another.
func TestRoomWhileTheRateIsUnknown(t *testing.T) {
	c := New(Config{Deadline: time.Second}, 0)
	decide := func(class int) (Decision, *Waiter) {
		d := c.Arrive(0, class, "")
		if d != Queue {
			return d, nil
		}
		return d, c.Push(0, &Waiter{Class: class})
	}
	var got [3]int
	for range 50 {
		d, _ := decide(1)
		got[d]++
	}
	if got[Start] != 8 || got[Queue] < 10 || got[Queue] > 20 {
		t.Errorf("%d start, %d wait, %d are refused", got[Start], got[Queue], got[Refuse])
	}
	for i := range 10 {
		if d, evicted := decide(0); d != Queue || evicted == nil || evicted.Class != 1 {
			t.Errorf("critical call %d: decision %d, %+v makes room", i, d, evicted)
		}
	}
}
