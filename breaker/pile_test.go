package breaker

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestPileKnowsTheAge compares it with a list of all calls in flight.
func TestPileKnowsTheAge(t *testing.T) {
	const age = 800 * time.Millisecond
	random := rand.New(rand.NewPCG(5, 6))
	p, now := newPile(age), 365*24*time.Hour
	type call struct {
		began time.Duration
		stamp uint64
	}
	var running []call
	for range 20_000 {
		now += time.Duration(random.IntN(int(100 * time.Millisecond)))
		if len(running) == 0 || random.IntN(2) == 0 {
			running = append(running, call{now, stamped(3, p.begin(now))})
		} else {
			i := random.IntN(len(running))
			p.end(p.slotOf(running[i].stamp))
			running = append(running[:i], running[i+1:]...)
		}
		p.roll(now)
		most, least := 0, 0
		for _, c := range running {
			if now-c.began >= age {
				most++
			}
			if now-c.began >= age+age/grades {
				least++
			}
		}
		if p.old < least || p.old > most {
			t.Fatalf("%d hang, must be %d to %d", p.old, least, most)
		}
	}
	for _, c := range running {
		p.end(p.slotOf(c.stamp))
	}
	if now += time.Hour; p.begin(now) == 0 || p.old != 0 {
		t.Errorf("%d are left of none", p.old)
	}
}

func TestPileSurvivesALongQuietTime(t *testing.T) {
	p := newPile(time.Second)
	first := p.begin(time.Hour)
	p.roll(100 * 24 * time.Hour)
	if p.old != 1 {
		t.Errorf("%d hang", p.old)
	}
	if p.end(p.slotOf(stamped(1, first))); p.old != 0 {
		t.Errorf("%d are left", p.old)
	}
}
