package overload

import (
	"math"
	"reflect"
	"slices"
	"testing"
	"time"
)

// wait is a scenario without trouble.
func wait(load float64) *Scenario { return &Scenario{Group: Cold, Name: "wait", load: load} }

// mean of the latency in deadlines.
func (r *Record) mean() float64 {
	sum := 0.0
	for i, n := range r.late {
		sum += (float64(i) + 0.5) / perDeadline * float64(n)
	}
	return sum / float64(r.served)
}

// The server is what queueing theory knows: one worker at a load of ½.
func TestServerIsThatOfTheory(t *testing.T) {
	for _, c := range []struct {
		name    string
		shape   int
		sharing bool
		want    float64 // mean latency in service times
	}{
		{"M/D/1: 1 + ρ/(2(1−ρ))", 0, false, 1.5},
		{"M/G/1, cv² = ¼: 1 + ρ(1+cv²)/(2(1−ρ))", 1, false, 1.625},
		{"M/D/1, processor sharing: 1/(1−ρ)", 0, true, 2},
		{"M/G/1, processor sharing: the same, whatever the shape", 1, true, 2},
	} {
		mean, deadline := 0.0, 0.0
		seeds := uint64(20)
		if slowed {
			seeds = 10
		}
		for seed := range seeds {
			s := &Shapes[c.shape]
			r := Run{Scenario: wait(0.5), Shape: s, Workers: 1, Sharing: c.sharing, Seed: seed, Contender: None}
			mean += r.Play(nil).mean() / float64(seeds)
			deadline = float64(s.Deadline) / float64(s.Mean)
		}
		if got := mean * deadline; math.Abs(got-c.want) > 0.06 {
			t.Errorf("%s: calls take %.3f service times, not %.3f", c.name, got, c.want)
		}
	}
}

func TestShapesAreWhatTheySay(t *testing.T) {
	for _, s := range slices.Concat(Shapes, Others, Unseen) {
		r := newRandom(1)
		const n = 400_000
		sum, above := 0.0, 0
		for range n {
			x := s.draw(r)
			sum += x
			if x > 1.01*float64(s.Tail) {
				above++
			}
		}
		if got := sum / n; math.Abs(got/float64(s.Mean)-1) > 0.02 {
			t.Errorf("%s: mean %v, not %v", s.Name, time.Duration(got), s.Mean)
		}
		if part := float64(above) / n; part > 0.0105 {
			t.Errorf("%s: %.2f %% above the 99th percentile", s.Name, 100*part)
		}
		if s.Deadline < 5*s.Tail {
			t.Errorf("%s: the deadline is too near", s.Name)
		}
	}
}

// The calls depend on the seed alone, and the run on nothing but the calls and the limiter.
func TestSameSeedSameCalls(t *testing.T) {
	run := func(c Contender, seed uint64) *Record {
		return (&Run{Scenario: &Scenarios[0], Shape: &Shapes[3], Workers: 10, Seed: seed, Contender: c}).Play(nil)
	}
	if a, b := run(Ours, 1), run(Ours, 1); !reflect.DeepEqual(a.ticks, b.ticks) {
		t.Error("the same run twice is not the same")
	}
	ours, none, other := run(Ours, 1), run(None, 1), run(Ours, 2)
	same := true
	for i := range ours.ticks {
		if ours.ticks[i].offered != none.ticks[i].offered {
			t.Fatalf("tick %d: %d calls for one limiter, %d for another", i, ours.ticks[i].offered, none.ticks[i].offered)
		}
		same = same && ours.ticks[i].offered == other.ticks[i].offered
	}
	if same {
		t.Error("another seed makes the same calls")
	}
}

// A call that the server is at when the trouble begins or ends counts for the part of it that is done in the trouble.
func TestCallsAreCountedByTheirParts(t *testing.T) {
	for _, sharing := range []bool{false, true} {
		s := server{workers: 1, sharing: sharing, speed: 1, chore: 5}
		s.begin(100, &call{needs: 100})
		s.advance(40)
		s.begin(50, &call{needs: 50})
		s.refuse()
		s.advance(70) // first come, first served: 70 of the first; shared: 40 + 10 of the first and 10 of the second
		parts, work := s.begun()
		wantParts, wantWork := 0.7, 70.0
		if sharing {
			wantParts, wantWork = 0.5+0.2, 60
		}
		if math.Abs(parts-wantParts) > 1e-9 || math.Abs(work-wantWork) > 1e-9 {
			t.Errorf("sharing %v: %v of a call, %v of work", sharing, parts, work)
		}
	}
	r := newRecord(&Run{Scenario: &Scenarios[0], Shape: &Shapes[0], Workers: 10})
	r.turned(r.phases.before, 0.25, 10)
	r.turned(r.phases.before+tick, 7, 7)
	r.turned(r.phases.before+r.phases.trouble, 0.75, 40)
	if r.done != 0.5 || r.needed != 30 {
		t.Errorf("%v calls of %v of work are done in the trouble", r.done, r.needed)
	}
}

// Every call is answered or refused, or still there at the end.
func TestNoCallIsLost(t *testing.T) {
	contenders := []Contender{Ours, Pool, None}
	if slowed {
		contenders = contenders[:1]
	}
	for _, c := range contenders {
		for i := range Scenarios {
			r := Run{Scenario: &Scenarios[i], Shape: &Shapes[1], Workers: 10, Seed: 3, Contender: c}
			rec := r.Play(nil)
			all := rec.between(0, rec.phases.end())
			if c.Name == None.Name && all.refused > 0 {
				t.Errorf("%s: %d refused by nobody", r.Scenario.Name, all.refused)
			}
			if all.good+all.refused > all.offered || c.Name != None.Name && all.good+all.refused < all.offered*8/10 {
				t.Errorf("%s, %s %s: %d offered, %d answered in time, %d refused", c.Name, r.Scenario.Group, r.Scenario.Name, all.offered, all.good, all.refused)
			}
		}
	}
}

func TestWhatIsPossible(t *testing.T) {
	find := func(g Group, name string) *Scenario {
		for i := range Scenarios {
			if Scenarios[i].Group == g && Scenarios[i].Name == name {
				return &Scenarios[i]
			}
		}
		t.Fatalf("no scenario %s %s", g, name)
		return nil
	}
	for _, c := range []struct {
		group Group
		name  string
		want  float64 // of the capacity
	}{
		{Steps, "10×", 1},
		{Cold, "0.7×", 0.7},
		{Slower, "at 0.7×", 1. / 3},
		{Cost, "5 % at 10×", (1 - 0.5) / 0.95},
		{Cost, "1 % at 2×", (1 - 0.02) / 0.99},
		{Pauses, "at 2×", 0.975},
		{Pauses, "at 0.7×", 0.7},
		{OnOff, "at 0.7×", 0.7},
	} {
		s := find(c.group, c.name)
		if got := s.possible(10, 1) / float64(s.phases(10).trouble); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s %s: %.4f of the capacity is possible, not %.4f", c.group, c.name, got, c.want)
		}
	}
	// At 0.7× the server becomes too slow when it takes 1/0.7 times as long: ∫ min(0.7, 1/(1+2x)) dx from 0 to 1.
	x := (1/0.7 - 1) / 2
	want := 0.7*x + math.Log(3*0.7)/2
	s := find(Drift, "at 0.7×")
	if got := s.possible(10, 1) / float64(s.phases(10).trouble); math.Abs(got-want) > 0.005 {
		t.Errorf("drift: %.4f of the capacity is possible, not %.4f", got, want)
	}
}
