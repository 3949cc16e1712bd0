package admission

import (
	"math"
	"time"
)

// pressure is the share of the calls that could not be served lately.
type pressure struct {
	level      float64
	began      Instant // of the present slot
	came, lost float64
}

// The level follows the share of calls lost quickly when it rises, and slowly when it falls: whoever leaves out work
// because of it ends the losses, and would begin it again at once.
const (
	pressureRise = 500 * time.Millisecond
	pressureFall = 5 * time.Second
)

func (p *pressure) arrived(now Instant, slot time.Duration) {
	p.turn(now, slot)
	p.came++
}

func (p *pressure) refused(now Instant, slot time.Duration) {
	p.arrived(now, slot)
	p.lost++
}

// evicted takes in that a call that had come was lost after all.
func (p *pressure) evicted() { p.lost++ }

// turn ends the slot when it is over.
func (p *pressure) turn(now Instant, slot time.Duration) {
	if now-p.began < slot {
		return
	}
	p.level = p.at(now)
	p.began, p.came, p.lost = now, 0, 0
}

// at is the level now.
func (p *pressure) at(now Instant) float64 {
	share := 0.0
	if p.came > 0 {
		share = min(p.lost/p.came, 1)
	}
	took := pressureFall
	if share > p.level {
		took = pressureRise
	}
	level := share + (p.level-share)*math.Exp(-float64(max(now-p.began, 0))/float64(took))
	if level < 0.001 {
		return 0
	}
	return level
}
