package admission

import (
	"math"
	"testing"
	"time"
)

// spend lets calls come for a while, of which a share is lost, and returns the brownout after.
func spend(p *pressure, now *Instant, lasts time.Duration, every time.Duration, share float64, class int) float64 {
	owed := 0.0
	for end := *now + lasts; *now < end; *now += every {
		if owed += share; owed >= 1 {
			owed--
			p.lose(*now, class)
		} else {
			p.serve(*now)
		}
	}
	return p.at(*now)
}

func TestBrownout(t *testing.T) {
	for name, test := range map[string]struct {
		lasts, every time.Duration
		share        float64
		class        int
		least, most  float64
	}{
		"nothing is lost":             {time.Minute, ms, 0, 0, 0, 0},
		"all is lost":                 {500 * ms, ms, 1, 1, 0.95, 1},
		"half is lost":                {500 * ms, ms, 0.5, 0, 0.8, 1},
		"a little is lost for long":   {5 * time.Second, ms, 0.05, 1, 0.5, 0.9},
		"less than falls":             {time.Minute, ms, 0.005, 1, 0, 0.02},
		"sheddable calls do not tell": {time.Minute, ms, 1, 2, 0, 0},
		"one of few calls":            {10 * time.Second, time.Second, 0.1, 1, 0, 0.1},
		"few calls, all lost":         {time.Minute, time.Second, 1, 1, 0.5, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p, now := pressure{}, time.Hour
			if got := spend(&p, &now, test.lasts, test.every, test.share, test.class); got < test.least || got > test.most {
				t.Errorf("%v, want at least %v and at most %v", got, test.least, test.most)
			}
		})
	}
}

// It falls steadily, with and without calls, and is exactly 0 in the end: then it is read without the clock.
func TestBrownoutFalls(t *testing.T) {
	for name, every := range map[string]time.Duration{"calls": 10 * ms, "silence": 0} {
		p, now := pressure{}, time.Hour
		risen := spend(&p, &now, time.Second, ms, 1, 0)
		for range 10 {
			if every > 0 {
				spend(&p, &now, time.Second, every, 0, 0)
			} else {
				now += time.Second
			}
			fallen := p.brownout(func() Instant { return now })
			if math.Abs(risen-fallen-brownoutFall) > 0.005 {
				t.Errorf("%s: from %v to %v within a second", name, risen, fallen)
			}
			risen = fallen
		}
		now += time.Minute
		spend(&p, &now, time.Second, ms, 0, 0)
		if got := p.brownout(func() Instant { t.Errorf("%s: reads the clock", name); return now }); got != 0 {
			t.Errorf("%s: %v in the end", name, got)
		}
	}
}
