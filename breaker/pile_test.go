package breaker

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
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

// TestPileIsExactWhateverHappens runs calls through all states, many at a time.
func TestPileIsExactWhateverHappens(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	b := newBreaker(t, Config{
		Consecutive: 4, Hanging: 6, SlowCall: time.Second, OpenFor: time.Second, Probes: 2, RampFor: 2 * time.Second, Window: time.Second,
	})
	now := time.Hour
	var running []gabion.Ticket
	seen := map[State]int{}
	for range 50_000 {
		now += time.Duration(random.IntN(int(150 * time.Millisecond)))
		if ticket, err := b.Acquire(t.Context(), now); err == nil {
			running = append(running, ticket)
		}
		for len(running) > random.IntN(10) {
			i := random.IntN(len(running))
			outcome := gabion.Outcome(random.IntN(3))
			b.Done(running[i], gabion.Result{Outcome: outcome, Began: now - 1, Ended: now})
			running = append(running[:i], running[i+1:]...)
		}
		if random.IntN(1000) == 0 {
			b.force(Mode(random.IntN(4)), now)
			b.force(Automatic, now)
		}
		counted := b.core.pile.old
		for _, n := range b.core.pile.slots {
			if counted += n; n < 0 {
				t.Fatalf("%d calls in a slot", n)
			}
		}
		if b.core.state == Closed && counted > len(running) {
			t.Fatalf("%d calls are counted, %d run", counted, len(running))
		}
		seen[b.State()]++
	}
	if len(seen) != 4 {
		t.Errorf("states seen: %v", seen)
	}
}
