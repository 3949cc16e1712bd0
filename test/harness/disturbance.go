package harness

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	// standstill is for how long a machine stands still when what it does is not to be judged by its times.
	standstill = 300 * time.Millisecond
	// theft is the share of its processors that others have by then.
	theft = 0.05
	// tick is how often it is looked at.
	tick = 20 * time.Millisecond
)

// disturbance is what the machine did to a scenario.
type disturbance struct {
	still  time.Duration // at most
	stolen float64       // the share of its processors that other machines on the same host had, though this one had work for them
}

func (d disturbance) String() string {
	return fmt.Sprintf("the machine stood still for up to %v, and %.1f %% of its processors were taken", d.still.Round(time.Millisecond), 100*d.stolen)
}

// disturbs says whether what goes wrong meanwhile says nothing.
func (d disturbance) disturbs() bool { return d.still >= standstill || d.stolen >= theft }

// watch finds out what the machine does, until the function that it returns is called, which says so.
func watch(ctx context.Context) (end func() disturbance) {
	ctx, stop := context.WithCancel(ctx)
	before := processors()
	longest := make(chan time.Duration, 1)
	go func() {
		ticks := time.NewTicker(tick)
		defer ticks.Stop()
		s := stillness{last: time.Now()}
		for {
			select {
			case <-ctx.Done():
				longest <- s.longest
				return
			case <-ticks.C:
				s.see(time.Now())
			}
		}
	}()
	return func() disturbance {
		stop()
		return disturbance{still: <-longest, stolen: processors().stolenSince(before)}
	}
}

// stillness is for how long nothing was seen that should be seen every tick.
type stillness struct {
	last    time.Time
	longest time.Duration
}

func (s *stillness) see(now time.Time) {
	s.longest, s.last = max(s.longest, now.Sub(s.last)-tick), now
}

// times is what became of the time of the processors since the machine started, in ticks of the system.
type times struct{ all, stolen uint64 }

// processors are the times now; none on a system that does not say.
func processors() times {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return times{}
	}
	return parseTimes(string(text))
}

// parseTimes reads the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal.
func parseTimes(stat string) (t times) {
	var of [8]uint64
	line, _, _ := strings.Cut(stat, "\n")
	if _, err := fmt.Sscanf(line, "cpu %d %d %d %d %d %d %d %d", &of[0], &of[1], &of[2], &of[3], &of[4], &of[5], &of[6], &of[7]); err != nil {
		return times{}
	}
	for _, n := range of {
		t.all += n
	}
	t.stolen = of[7]
	return t
}

func (t times) stolenSince(before times) float64 {
	return float64(t.stolen-before.stolen) / float64(max(1, t.all-before.all))
}
