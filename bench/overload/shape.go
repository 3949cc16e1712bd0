package overload

import (
	"math"
	"math/rand/v2"
	"time"
)

// Instant is time since the start of a run.
type Instant = time.Duration

// Shape is how long calls take when they do not wait.
type Shape struct {
	// Name in tables.
	Name string
	// Mean of the service time.
	Mean time.Duration
	// Tail is the 99th percentile of the service time.
	Tail time.Duration
	// Deadline within which an answer is of use: at least five times Tail.
	Deadline time.Duration
	// Heavy says that a few calls take most of the work.
	Heavy bool

	draw func(r *rand.Rand) float64 // nanoseconds
}

const ms = float64(time.Millisecond)

func fiveAndExp(r *rand.Rand) float64 { return 5*ms + r.ExpFloat64()*5*ms }

// Shapes are those that the constants of the limiter were chosen with.
var Shapes = []Shape{
	{"const", 5 * time.Millisecond, 5 * time.Millisecond, 100 * time.Millisecond, false, func(*rand.Rand) float64 { return 5 * ms }},
	{"exp", 10 * time.Millisecond, 28030 * time.Microsecond, 141 * time.Millisecond, false, fiveAndExp},
	{"bimodal", 6900 * time.Microsecond, 100 * time.Millisecond, 500 * time.Millisecond, true, func(r *rand.Rand) float64 {
		if r.Float64() < 0.05 {
			return 100 * ms
		}
		return 2 * ms
	}},
	{"lognormal", 10 * time.Millisecond, 106 * time.Millisecond, 532 * time.Millisecond, true, func(r *rand.Rand) float64 {
		return 10 * ms * math.Exp(1.5*r.NormFloat64()-1.5*1.5/2)
	}},
}

// Tight is exp with a deadline that is nearer than five times its 99th percentile. No goal covers it; it is held against them all the same.
var Tight = []Shape{{"exp, 100 ms", 10 * time.Millisecond, 28030 * time.Microsecond, 100 * time.Millisecond, false, fiveAndExp}}

// Others are shapes that were looked at while the last constants were chosen, and had no part in the choice of the first.
var Others = []Shape{
	{"gamma", 8 * time.Millisecond, 26500 * time.Microsecond, 133 * time.Millisecond, false, func(r *rand.Rand) float64 {
		return (r.ExpFloat64() + r.ExpFloat64()) * 4 * ms
	}},
	{"pareto", 8671 * time.Microsecond, 64600 * time.Microsecond, 323 * time.Millisecond, true, func(r *rand.Rand) float64 {
		return min(3*ms*math.Pow(1-r.Float64(), -1/1.5), 1000*ms) // no variance but for the cut
	}},
}

// Unseen are shapes that no constant was chosen with.
var Unseen = []Shape{
	{"uniform", 10 * time.Millisecond, 19800 * time.Microsecond, 100 * time.Millisecond, false, func(r *rand.Rand) float64 {
		return r.Float64() * 20 * ms
	}},
	{"weibull", 10 * time.Millisecond, 84720 * time.Microsecond, 424 * time.Millisecond, true, func(r *rand.Rand) float64 {
		return 6.6464 * ms * math.Pow(r.ExpFloat64(), 1/0.6)
	}},
}
