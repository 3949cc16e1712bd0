package admission

import (
	"math"
	"time"
)

// Sample is what a call says that has ended. It is one word, so that it can be handed over without a lock: the latency as
// a float32 of nanoseconds, then how many calls were in flight, then the flags. It is never 0.
type Sample uint64

const (
	sampleFull Sample = 1 << iota // no more calls could start
	sampleGood                    // its answer was of use
	sampleBits = iota

	mostInFlight = 1<<(32-sampleBits) - 1
)

// sampleOf is the sample of a call that ended after latency with so many in flight, itself included.
func sampleOf(latency time.Duration, inFlight int, good, full bool) Sample {
	s := Sample(math.Float32bits(float32(max(latency, 1))))<<32 | Sample(min(max(inFlight, 0), mostInFlight))<<sampleBits
	if full {
		s |= sampleFull
	}
	if good {
		s |= sampleGood
	}
	return s
}

func (s Sample) latency() float64  { return float64(math.Float32frombits(uint32(s >> 32))) }
func (s Sample) inFlight() float64 { return float64(uint32(s) >> sampleBits) }
