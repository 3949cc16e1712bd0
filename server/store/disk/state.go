package disk

import (
	"fmt"
	"time"

	"github.com/gabion-io/gabion"
)

// State says how much room there is.
type State int32

// The states, from good to bad.
const (
	OK   State = iota // there is room
	Low               // what can be spared should be deleted, and what is not important not be written
	Full              // nothing may be appended
)

// String is the state as it stands in events and metrics: ok, low or full.
func (s State) String() string {
	switch s {
	case Low:
		return "low"
	case Full:
		return "full"
	default:
		return "ok"
	}
}

// Usage is what was measured.
type Usage struct {
	// Total and Free are the bytes of the file system, and those that may still be written. A Total of 0 means that
	// the system does not tell.
	Total, Free int64
	// Files and FilesFree are the same for the number of files. Files of 0 means that there is no bound.
	Files, FilesFree int64
	// Used are the bytes that the directory holds, without the ballast.
	Used int64
}

// forced is how long the disk counts as full after a write failed for want of room, whatever the numbers say: quotas of
// users do not show in them.
const forced = 30 * time.Second

// judge decides on the state. It has no clock and touches no disk.
type judge struct {
	low, full, quota int64 // low and full are free bytes; a quota of 0 is none
	state            State
	until            gabion.Instant // until then it is full, because a write failed
}

// see takes a measurement and returns the state with the reason for it; missing are the bytes of ballast that are not
// there and should be.
func (j *judge) see(u Usage, missing int64, now gabion.Instant) (State, string) {
	free := u.Free - missing
	state, why := OK, "there is room again"
	worse := func(s State, format string, args ...any) {
		if s > state {
			state, why = s, fmt.Sprintf(format, args...)
		}
	}
	if u.Total > 0 {
		switch {
		case free < j.margin(j.full, Full):
			worse(Full, "%s of the disk are free, less than %s", size(u.Free), size(j.full))
		case free < j.margin(j.low, Low):
			worse(Low, "%s of the disk are free, less than %s", size(u.Free), size(j.low))
		}
	}
	if u.Files > 0 && u.FilesFree < j.margin(min(u.Files/100, 1000), Full) {
		worse(Full, "the disk has room for %d more files only", u.FilesFree)
	}
	if j.quota > 0 {
		left := j.quota - u.Used
		switch {
		case left <= 0 || (j.state >= Full && left < j.quota/40):
			worse(Full, "%s are used of a quota of %s", size(u.Used), size(j.quota))
		case left < j.margin(j.quota/10, Low):
			worse(Low, "%s are used of a quota of %s", size(u.Used), size(j.quota))
		}
	}
	if now < j.until {
		worse(Full, "a write failed for want of room")
	}
	j.state = state
	return state, why
}

// margin is a watermark, a quarter higher while the state is the one that it guards or worse: who stands at the mark does not
// go back and forth.
func (j *judge) margin(mark int64, s State) int64 {
	if j.state >= s {
		return mark + mark/4
	}
	return mark
}

// size is a number of bytes for people.
func size(n int64) string {
	const unit = 1024
	switch {
	case n >= 10*unit*unit*unit:
		return fmt.Sprintf("%d GiB", n/unit/unit/unit)
	case n >= 10*unit*unit:
		return fmt.Sprintf("%d MiB", n/unit/unit)
	default:
		return fmt.Sprintf("%d KiB", n/unit)
	}
}
