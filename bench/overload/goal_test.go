package overload

import (
	"testing"
)

// reduced is the part of the suite that is small enough for a unit test: all groups, ten and a hundred workers.
func reduced(c Contender) []Part {
	if slowed {
		return []Part{{Contender: c, Scenarios: Scenarios, Shapes: Shapes[1:3], Workers: []int{10}, Seeds: Seeds(1, 1)}}
	}
	var some []Scenario
	seen := map[Group]int{}
	for _, s := range Scenarios {
		if seen[s.Group]++; s.load <= 2 && seen[s.Group] <= 2 {
			some = append(some, s)
		}
	}
	return []Part{
		{Contender: c, Scenarios: Scenarios, Shapes: Shapes, Workers: []int{10}, Seeds: Seeds(1, 1)},
		{Contender: c, Scenarios: some, Shapes: Shapes[1:3], Workers: []int{100}, Seeds: Seeds(1, 1)},
	}
}

func TestGoals(t *testing.T) {
	parts := reduced(Ours)
	if !slowed {
		parts = append(parts, reduced(Pool)[0])
	}
	for _, p := range parts {
		for _, line := range missed(p.Play()) {
			t.Errorf("%s: %s", p.Contender.Name, line)
		}
	}
}

// Without a limiter the goals are missed in every group but those whose load the server can do.
func TestGoalsAreMissedWithoutLimiter(t *testing.T) {
	p := reduced(None)[0]
	outcomes := p.Play()
	for _, g := range Groups {
		s := summarize(outcomes, func(o *Outcome) bool { return o.Scenario.Group == g })
		if met := s.missed.any == 0; met != (g == OnOff) {
			t.Errorf("%s: %d of %d runs without a limiter miss a goal", g, s.missed.any, s.runs)
		}
	}
}

func TestFewWorkersKeepUpWithThePool(t *testing.T) {
	p := Part{Contender: Ours, Scenarios: Scenarios, Shapes: Shapes[:1], Workers: []int{2}, Seeds: Seeds(1, 1)}
	if slowed {
		p.Scenarios = Scenarios[:6]
	}
	for _, line := range missed(p.Play()) {
		t.Error(line)
	}
	p.Contender = None
	if n := len(missed(p.Play())); n < len(p.Scenarios)/2 {
		t.Errorf("without a limiter only %d runs are behind the pool", n)
	}
}
