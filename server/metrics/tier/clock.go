package tier

import (
	"time"

	"github.com/gabion-io/gabion"
)

// patience is how long a wall clock that leapt ahead must stay there to be believed, leap is what counts as a leap.
const (
	patience = 5 * time.Minute
	leap     = time.Minute
)

// clock tells the time for the guards. A wall clock that leaps ahead for a moment (a bad time server) would open the gate
// for samples after which those of the true time are refused for as long as the leap was wide. A clock that leaps back is
// believed at once: nothing is worse for it.
type clock struct {
	set       bool
	wall      time.Time      // when it was last believed
	mono      gabion.Instant // at that time
	suspected gabion.Instant // since when it has not been; 0 when it is
}

// read returns what to take for the time, given the readings of both clocks.
func (c *clock) read(wall time.Time, mono gabion.Instant) time.Time {
	expected := c.wall.Add(mono - c.mono)
	if c.set && wall.Round(0).Sub(expected) > leap {
		if c.suspected == 0 {
			c.suspected = mono
		}
		if mono-c.suspected < patience {
			return expected
		}
	}
	*c = clock{set: true, wall: wall.Round(0), mono: mono}
	return wall
}
