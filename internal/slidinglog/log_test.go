package slidinglog

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// history is what was taken, remembered one by one.
type history []run

func (h history) within(from, to time.Duration) (sum int64) {
	for _, r := range h {
		if r.at >= from && r.at < to {
			sum += r.units
		}
	}
	return sum
}

// most is the largest sum of any window. The fullest begins with a taking.
func (h history) most(window time.Duration) (most int64) {
	for _, r := range h {
		most = max(most, h.within(r.at, r.at+window))
	}
	return most
}

func (l *Log) clone() *Log {
	c := *l
	c.runs = slices.Clone(l.runs)
	return &c
}

// use takes, at random times, what can be taken. It checks each wait.
func use(t *testing.T, r Rule, steps int, largest int64, pause time.Duration) history {
	t.Helper()
	random := rand.New(rand.NewPCG(uint64(r.limit), uint64(r.window)))
	var log Log
	var all history
	now := time.Hour
	for range steps {
		now += time.Duration(random.Int64N(int64(pause)))
		units := 1 + random.Int64N(largest)
		if wait := log.Wait(r, now, units); wait > 0 {
			later := log.clone() // what is looked at in the future cannot be used in the present
			if wait > r.window+r.Error() || later.Wait(r, now+wait-1, units) != 1 || later.Wait(r, now+wait, units) != 0 {
				t.Fatalf("limit %d: a wait of %v is not exact", r.limit, wait)
			}
			continue
		}
		log.Add(r, now, units)
		all = append(all, run{now, units})
		if len(log.runs)-log.first > Cells+1 {
			t.Fatalf("%d runs", len(log.runs)-log.first)
		}
	}
	return all
}

func TestNoWindowGetsMore(t *testing.T) {
	for _, limit := range []int64{1, 2, 7, Cells, Cells + 1, 1000} {
		r := NewRule(limit, 10*time.Second)
		for _, load := range []int64{1, 3, 20} { // times what is allowed
			all := use(t, r, 1000, max(1, limit/50), time.Duration(2*max(1, limit/50)*int64(10*time.Second)/(limit*load)))
			most := all.most(r.window)
			if most > limit || load > 1 && most < limit*9/10 {
				t.Errorf("limit %d, load %d: %d in one window", limit, load, most)
			}
		}
	}
}

// The documented error, at its worst: takings spread evenly over the window, so that each part holds many.
func TestErrorIsOnePartOfTheWindow(t *testing.T) {
	const limit, window = 6400, 10 * time.Second
	r := NewRule(limit, window)
	var log, exact Log
	fine := Rule{limit, window, 1}
	now := time.Hour
	worst, cycles := time.Duration(0), 0
	var taken int64
	for ; now < time.Hour+5*window; now += window / limit / 2 {
		if log.Wait(r, now, 1) == 0 {
			log.Add(r, now, 1)
			exact.Add(fine, now, 1)
			taken++
			continue
		}
		cycles++
		worst = max(worst, log.Wait(r, now, 1)-exact.Wait(fine, now, 1))
	}
	if worst > r.Error() || worst < r.Error()/2 || cycles == 0 {
		t.Errorf("waits %v longer than it should, the bound is %v", worst, r.Error())
	}
	if ideal := int64(limit * 5); taken > ideal || float64(taken) < .99*float64(ideal) {
		t.Errorf("%d taken, %d would be exact", taken, ideal)
	}
}

// The twin of it: a limit that is small enough has no error.
func TestSmallLimitsAreExact(t *testing.T) {
	r := NewRule(Cells, time.Minute)
	if r.Error() != 0 {
		t.Fatalf("error %v", r.Error())
	}
	var log Log
	for i := range Cells {
		log.Add(r, time.Hour+time.Duration(i), 1) // all within one part of the window, were it divided
	}
	for i := range Cells {
		if wait := log.Wait(r, time.Hour+Cells, int64(i+1)); wait != time.Minute+time.Duration(i-Cells) {
			t.Fatalf("%d units: %v", i+1, wait)
		}
	}
}

func TestRefund(t *testing.T) {
	r := NewRule(10, time.Minute)
	filled := func() *Log {
		l := &Log{}
		l.Add(r, time.Hour, 4)
		l.Add(r, time.Hour+time.Second, 6)
		return l
	}
	now := time.Hour + 2*time.Second
	for name, c := range map[string]struct {
		at    time.Duration
		units int64
		left  int64
		wait  time.Duration // for ten
	}{
		"the last":        {time.Hour + time.Second, 6, 6, 58 * time.Second},
		"some of it":      {time.Hour + time.Second, 2, 2, 59 * time.Second},
		"more than that":  {time.Hour + time.Second, 8, 8, 58 * time.Second},
		"an unknown one":  {now, 3, 3, 59 * time.Second},
		"first and more":  {now, 5, 5, 59 * time.Second},
		"everything":      {now, 10, 10, 0},
		"too much":        {now, 1 << 60, 10, 0},
		"nothing":         {now, 0, 0, 59 * time.Second},
		"less than none":  {now, -5, 0, 59 * time.Second},
		"when it is over": {now + time.Hour, 5, 10, 0},
	} {
		l := filled()
		l.Refund(r, c.at, c.units)
		if left, wait := l.Left(r, now), l.Wait(r, now, 10); left != c.left || wait != c.wait {
			t.Errorf("%s: %d left, all in %v", name, left, wait)
		}
	}
}

func TestConvertKeepsWhatWasTaken(t *testing.T) {
	old := NewRule(1000, time.Minute)
	var log Log
	now := time.Hour
	for range 600 {
		now += time.Minute / 600
		log.Add(old, now, 1)
	}
	for _, c := range []struct {
		to   Rule
		left int64
	}{
		{NewRule(1000, time.Minute), 400},
		{NewRule(700, time.Minute), 100},
		{NewRule(100, time.Minute), 0},
		{NewRule(1000, time.Hour), 400},
		{NewRule(1000, 30*time.Second), 700},
		{NewRule(1000, time.Second), 990},
	} {
		l := log.clone()
		l.Convert(c.to, now)
		if got := l.Left(c.to, now); got > c.left || got < c.left-10 { // the error, in units
			t.Errorf("%+v: %d left, want %d", c.to, got, c.left)
		}
		if len(l.runs) > Cells+1 {
			t.Errorf("%+v: %d runs", c.to, len(l.runs))
		}
	}
}

func TestLateReadingsNeitherGiveNorLock(t *testing.T) {
	r := NewRule(3, time.Minute)
	var log Log
	log.Add(r, time.Hour, 2)
	log.Add(r, time.Hour-time.Second, 1)
	if wait := log.Wait(r, time.Hour-30*time.Second, 1); wait != time.Minute+30*time.Second {
		t.Errorf("late: %v", wait)
	}
	now := time.Hour + time.Minute // all are over; but not for who read the clock before
	if wait := log.Wait(r, now, 1); wait != 0 {
		t.Errorf("a minute later: %v", wait)
	}
	if wait := log.Wait(r, now-time.Millisecond, 1); wait != time.Millisecond {
		t.Errorf("a minute later, read a millisecond before that: %v", wait)
	}
	if left, reset := log.Left(r, time.Hour+time.Minute), log.Reset(r, time.Hour+time.Minute); left != 3 || reset != 0 {
		t.Errorf("a minute later: %d left, reset %v", left, reset)
	}
}
