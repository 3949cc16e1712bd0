package overload

import (
	"sync/atomic"
	"time"
	_ "unsafe" // for go:linkname

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/go-kratos/aegis/ratelimit"
	"github.com/go-kratos/aegis/ratelimit/bbr"
	"github.com/zeromicro/go-zero/core/load"
	"github.com/zeromicro/go-zero/core/logx"
)

// Peers are the limiters of other libraries, with their defaults. None of them knows the deadline; what comes too late is given
// to them as a success, as a service would that does not know its callers' patience.
var Peers = []Contender{
	{Name: "failsafe-go", Clock: true, New: func(Place) Limiter {
		// The default of at most 200 calls would be too few for a hundred workers that are slow.
		return &failsafe{adaptivelimiter.NewBuilder[any]().WithLimits(1, 5000, 20).Build()}
	}},
	{Name: "go-zero", Clock: true, New: func(p Place) Limiter {
		logx.Disable() // it writes a line for each refusal
		z := &zero{shedder: load.NewAdaptiveShedder()}
		z.busy.workers = p.Workers
		return z
	}},
	{Name: "aegis BBR", Clock: true, New: func(p Place) Limiter {
		a := &aegis{limiter: bbr.NewLimiter()}
		a.busy.workers = p.Workers
		return a
	}},
}

type failsafe struct {
	adaptivelimiter.AdaptiveLimiter[any]
}

func (f *failsafe) Arrive(_ Instant, c *call) (verdict, *call) {
	permit, ok := f.TryAcquirePermit()
	if !ok {
		return refused, nil
	}
	c.release = permit.Record
	return started, nil
}

func (f *failsafe) Complete(_ Instant, c *call) { c.release() }
func (f *failsafe) Next(Instant) (*call, bool)  { return nil, false }
func (f *failsafe) Limit() float64              { return float64(f.AdaptiveLimiter.Limit()) }

// Two peers refuse only while the processor is busy, and read that from the machine. Here it is the part of the simulated workers
// that were busy lately, so their variables are set before each decision. They smooth the real figure over five seconds and more;
// this one has no such delay. A process has one of each, so no two limiters of the same peer may run at once.

//go:linkname zeroUsage github.com/zeromicro/go-zero/core/stat.cpuUsage
var zeroUsage atomic.Int64

//go:linkname aegisUsage github.com/go-kratos/aegis/ratelimit/bbr.gCPU
var aegisUsage atomic.Int64

// busy is how much of the workers' time was used in the last quarter of a second, in thousandths.
type busy struct {
	workers  int
	inFlight int
	at       Instant
	began    Instant
	used     float64 // worker-nanoseconds since began
	usage    int64
}

const busySpan = 250 * time.Millisecond

// change takes in that so many more calls are in flight.
func (b *busy) change(now Instant, by int) {
	for {
		until := min(now, b.began+busySpan)
		b.used += float64(min(b.inFlight, b.workers)) * float64(until-b.at)
		b.at = until
		if until < b.began+busySpan {
			break
		}
		b.usage = int64(1000 * b.used / float64(busySpan) / float64(b.workers))
		b.began, b.used = until, 0
	}
	b.inFlight += by
}

type zero struct {
	shedder load.Shedder
	busy    busy
}

func (z *zero) Arrive(now Instant, c *call) (verdict, *call) {
	z.busy.change(now, 0)
	zeroUsage.Store(z.busy.usage)
	promise, err := z.shedder.Allow()
	if err != nil {
		return refused, nil
	}
	z.busy.change(now, 1)
	c.release = promise.Pass
	return started, nil
}

func (z *zero) Complete(now Instant, c *call) {
	z.busy.change(now, -1)
	c.release()
}

func (z *zero) Next(Instant) (*call, bool) { return nil, false }
func (z *zero) Limit() float64             { return 0 }

type aegis struct {
	limiter *bbr.BBR
	busy    busy
}

func (a *aegis) Arrive(now Instant, c *call) (verdict, *call) {
	a.busy.change(now, 0)
	aegisUsage.Store(a.busy.usage)
	done, err := a.limiter.Allow()
	if err != nil {
		return refused, nil
	}
	a.busy.change(now, 1)
	c.release = func() { done(ratelimit.DoneInfo{}) }
	return started, nil
}

func (a *aegis) Complete(now Instant, c *call) {
	a.busy.change(now, -1)
	c.release()
}

func (a *aegis) Next(Instant) (*call, bool) { return nil, false }

func (a *aegis) Limit() float64 { return float64(a.limiter.Stat().MaxInFlight) }
