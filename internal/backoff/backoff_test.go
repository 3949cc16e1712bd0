package backoff

import (
	"math"
	"testing"
	"time"
)

func TestBound(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		try            int
		initial, limit time.Duration
		want           time.Duration
	}{
		{1, 10 * ms, 500 * ms, 10 * ms},
		{2, 10 * ms, 500 * ms, 20 * ms},
		{6, 10 * ms, 500 * ms, 320 * ms},
		{7, 10 * ms, 500 * ms, 500 * ms},
		{1, 10 * ms, 5 * ms, 5 * ms},
		{0, 10 * ms, 500 * ms, 10 * ms},
		{math.MaxInt, 10 * ms, 500 * ms, 500 * ms},
		{1000, 1, math.MaxInt64, math.MaxInt64},
	}
	for _, test := range tests {
		if got := Bound(test.try, test.initial, test.limit); got != test.want {
			t.Errorf("Bound(%d, %v, %v) = %v, want %v", test.try, test.initial, test.limit, got, test.want)
		}
	}
}

func TestFullStaysWithinBound(t *testing.T) {
	for random, want := range map[float64]time.Duration{0: 0, 0.5: 50, 0.999: 99} {
		if got := Full(100, random); got != want {
			t.Errorf("Full(100, %v) = %v, want %v", random, got, want)
		}
	}
}

func TestAround(t *testing.T) {
	for random, want := range map[float64]time.Duration{0: 900, 0.5: 1000, 0.75: 1050} {
		if got := Around(1000, 0.1, random); got != want {
			t.Errorf("Around(1000, 0.1, %v) = %v, want %v", random, got, want)
		}
	}
}

func TestDecorrelated(t *testing.T) {
	const initial, limit = 10 * time.Millisecond, 500 * time.Millisecond
	always := func(random float64) func() float64 { return func() float64 { return random } }
	for _, c := range []struct {
		try    int
		random float64
		want   time.Duration
	}{{1, 0, initial}, {5, 0, initial}, {1, 1, 3 * initial}, {2, 1, 9 * initial}, {3, 1, 27 * initial}, {4, 1, limit}, {100, 1, limit}, {1, 0.5, 2 * initial}} {
		if got := Decorrelated(c.try, initial, limit, always(c.random)); got != c.want {
			t.Errorf("try %d, random %v: %v, want %v", c.try, c.random, got, c.want)
		}
	}
	if got := Decorrelated(3, time.Second, time.Millisecond, always(0.5)); got != time.Millisecond {
		t.Errorf("a limit below the first wait: %v", got)
	}
}
