//go:build wallstep

package traps

import (
	"testing"
	"time"

	"github.com/cep21/circuit/v4"
	cephystrix "github.com/cep21/circuit/v4/closers/hystrix"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	gobreakerv2 "github.com/sony/gobreaker/v2"

	"github.com/gabion-io/gabion/breaker"
)

// TestWallClock runs in a process whose package time has a variable more: see steppedClock.
func TestWallClock(t *testing.T) {
	for name, fresh := range machines {
		report(t, name, steppedBreaker(t, fresh))
	}
	for name, f := range shortWindows() {
		report(t, name, steppedWindow(t, f))
	}
	for name := range takers(20, 5) {
		report(t, name, steppedLimiter(name))
	}
}

// report prints a finding for the process that reads it.
func report(t *testing.T, name string, f finding) {
	t.Logf("%s%s=%v=%s", reported, name, f.held, f.text)
}

// step moves the wall clock, and nothing else.
func step(d time.Duration) { time.WallStep += int64(d / time.Second) }

func steppedBreaker(t *testing.T, fresh maker) finding {
	const d = 2 * realBreakFor
	f := fresh(d)
	f.open(t)
	step(time.Hour)
	early := f.admitted(t.Context(), succeed)
	step(-time.Hour)
	if early {
		return fell("+1 h: tries at once")
	}
	f = fresh(d)
	f.open(t)
	step(-time.Hour)
	defer step(time.Hour)
	<-time.After(2 * d)
	if _, ok := recovers(t, f, d, succeed); !ok {
		return fell("−1 h: stuck")
	}
	return held("")
}

// shortWindow is so short that failures of before a step are forgotten soon.
const shortWindow = 200 * time.Millisecond

func shortWindows() map[string]fuse {
	factory := cephystrix.Factory{ConfigureOpener: cephystrix.ConfigureOpener{RequestVolumeThreshold: enough, RollingDuration: shortWindow}}
	return map[string]fuse{
		ours: pipeOf(must(breaker.New(breaker.Config{Window: shortWindow, MinCalls: enough, FailureRate: .5}))),
		gobreaker: ofGobreaker(gobreakerv2.Settings{
			Interval:    shortWindow,
			ReadyToTrip: func(c gobreakerv2.Counts) bool { return c.Requests >= enough && c.TotalFailures*2 >= c.Requests },
		}),
		failsafe: ofFailsafe(circuitbreaker.NewBuilder[any]().WithFailureRateThreshold(.5, enough, shortWindow).Build()),
		cep21:    {circuit.NewCircuitFromConfig("", factory.Configure("")).Run},
	}
}

func steppedWindow(t *testing.T, f fuse) finding {
	for range enough - 1 {
		f.admitted(t.Context(), fail)
	}
	step(-time.Hour)
	defer step(time.Hour)
	<-time.After(3 * shortWindow)
	f.admitted(t.Context(), fail)
	if !f.admitted(t.Context(), succeed) {
		return fell("−1 h: the window stands still")
	}
	return held("")
}

// steppedLimiter is in a period in which nothing is left, moves the clock, and asks again.
func steppedLimiter(name string) finding {
	drained := func() func() bool {
		take := takers(20, 5)[name]
		for range 100 {
			take("hot")
		}
		return func() bool { return take("hot") }
	}
	take := drained()
	step(time.Hour)
	again := 0
	for range 100 {
		if take() {
			again++
		}
	}
	step(-time.Hour)
	if again > 2 { // some time passes meanwhile
		return fell("+1 h: admits %d more", again)
	}
	take = drained()
	step(-time.Hour)
	defer step(time.Hour)
	<-time.After(1500 * time.Millisecond)
	if !take() {
		return fell("−1 h: refuses all")
	}
	return held("")
}
