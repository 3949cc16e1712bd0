package ratelimit

import (
	"math"
	"time"

	"github.com/gabion-io/gabion"
)

// usageWindow is the time that [Usage] covers.
const usageWindow = time.Minute

// usage is what one key did in the present minute (index 0) and in the one before (index 1). The earlier one counts for
// as much of it as the sliding window still covers.
type usage struct {
	minute         uint32
	asked, refused [2]uint32
}

// served is the server time of one key in the same two minutes.
type served struct {
	minute uint32
	time   [2]time.Duration
}

func minuteOf(now gabion.Instant) uint32 { return uint32(now / usageWindow) }

// roll moves on to the minute of now, and returns what is not counted any more. Whatever comes late counts for the
// present minute.
func (u *usage) roll(now gabion.Instant) (asked, refused uint32) {
	minute := minuteOf(now)
	switch {
	case minute <= u.minute:
		return 0, 0
	case minute == u.minute+1:
		asked, refused = u.asked[1], u.refused[1]
		u.asked = [2]uint32{0, u.asked[0]}
		u.refused = [2]uint32{0, u.refused[0]}
		u.minute = minute
	default:
		asked, refused = u.all()
		*u = usage{minute: minute}
	}
	return asked, refused
}

// all is what is counted.
func (u *usage) all() (asked, refused uint32) {
	return u.asked[0] + u.asked[1], u.refused[0] + u.refused[1]
}

// asks counts a decision in the present minute.
func (u *usage) asks(admitted bool) {
	u.asked[0]++
	if !admitted {
		u.refused[0]++
	}
}

// withdraw forgets an admitted call that never ran, and returns how many it has forgotten.
func (u *usage) withdraw() uint32 {
	if u.asked[0] == 0 {
		return 0
	}
	u.asked[0]--
	return 1
}

// sums are what happened in the window that ends now.
func (u usage) sums(now gabion.Instant) (asked, refused uint64) {
	u.roll(now)
	sum := func(of [2]uint32) uint64 { return uint64(of[0]) + uint64(math.Round(float64(of[1])*before(now))) }
	return sum(u.asked), sum(u.refused)
}

// before is how much of the minute before the window covers that ends now.
func before(now gabion.Instant) float64 { return 1 - float64(now%usageWindow)/float64(usageWindow) }

func (s *served) roll(now gabion.Instant) {
	minute := minuteOf(now)
	switch {
	case minute <= s.minute:
	case minute == s.minute+1:
		s.time = [2]time.Duration{0, s.time[0]}
		s.minute = minute
	default:
		*s = served{minute: minute}
	}
}

// add counts server time.
func (s *served) add(now gabion.Instant, d time.Duration) {
	s.roll(now)
	s.time[0] += min(d, math.MaxInt64/4-s.time[0])
}

func (s *served) sum(now gabion.Instant) time.Duration {
	s.roll(now)
	return s.time[0] + time.Duration(float64(s.time[1])*before(now))
}
