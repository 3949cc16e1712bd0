package yardstick

import (
	"math"
	"slices"
	"testing"
)

func TestCalm(t *testing.T) {
	samples := func(yardsticks []float64) (all []Sample) {
		for _, y := range yardsticks {
			all = append(all, Sample{y, y})
		}
		return all
	}
	for name, c := range map[string]struct {
		all    []float64
		fewest int
		want   []float64
		calm   int
	}{
		"none":                  {nil, 3, nil, 0},
		"all calm":              {[]float64{110, 100, 105}, 1, []float64{100, 105, 110}, 3},
		"half":                  {[]float64{200, 100, 190, 114}, 1, []float64{100, 114}, 2},
		"fewer than are wanted": {[]float64{200, 100, 190, 250}, 3, []float64{100, 190, 200}, 1},
		"fewer than there are":  {[]float64{200, 100}, 3, []float64{100, 200}, 1},
		"without yardsticks":    {[]float64{0, 0}, 1, []float64{0, 0}, 2},
	} {
		all := samples(c.all)
		chosen, calm := Calm(all, Shortest(math.Inf(1), all), c.fewest)
		if got := Values(chosen); !slices.Equal(got, c.want) || calm != c.calm {
			t.Errorf("%s: %v, %d calm; want %v, %d", name, chosen, calm, c.want, c.calm)
		}
	}
	if got, calm := Calm(samples([]float64{200, 200}), 100, 0); len(got) != 0 || calm != 0 {
		t.Errorf("after a shorter one: %v, %d calm", got, calm)
	}
}

func TestTakeTakesTime(t *testing.T) {
	if y := Take(); y <= 0 || y > 1e9 {
		t.Errorf("%v ns", y)
	}
}
