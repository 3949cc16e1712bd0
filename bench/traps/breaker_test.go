package traps

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// breakFor is how long breakers stay open; realBreakFor for those that keep goroutines of their own, so that no bubble of
// virtual time can end with them.
const (
	breakFor     = time.Second
	realBreakFor = 30 * time.Millisecond
	// patience is after how many open times without a call a breaker counts as stuck.
	patience = 33
)

var breakerTraps = []trap{
	{1, "the probe panics", "the dependency is well again; when is a call admitted?", panickingProbe},
	{2, "the probe calls `runtime.Goexit`", "the same", each(probeThatLeaves(runtime.Goexit), machines)},
	{3, "the probe hangs", "the same, while it hangs", each(hungProbe, machines)},
	{4, "a late result", "a call of before ends well while open, and while a probe runs: is another call admitted?", each(lateResult, machines)},
	{5, "callers cancel", "200 calls are cancelled by their callers; then 100 calls", each(cancelled, machines, map[string]maker{zero: newZero})},
	{6, "who is told of a state asks for it", "the callback of a change reads the state", askingCallback},
	{17, "the window starts anew", "6 % of the calls of 10 s fail, at once; at 20 phases of the window, where half would open it", eachRated(rollover)},
	{18, "what is old is not forgotten", "19 failures, a quiet hour, one more, where 20 would open it", eachRated(quietHour)},
	{19, "calls that hang are not seen", "1000 calls begin, a millisecond apart, and hang for 10 s; how many are admitted?", each(hanging, hangers)},
	{20, "the probe says nothing", "its caller cancels it; when is a call admitted?", each(ignoredProbe, ignoring)},
	{22, "more probes than allowed", "64 callers find it half-open at once, one probe is allowed", each(crowd, machines)},
	{24, "they try at the same moment", "100 breakers open at once for 1 s; within which time do they try?", each(together, virtual)},
}

// virtual are the machines whose open time can be measured exactly.
var virtual = func() map[string]maker {
	some := map[string]maker{}
	for name, fresh := range machines {
		if name != hystrix {
			some[name] = fresh
		}
	}
	return some
}()

// each runs a scenario on each of the breakers.
func each(scenario func(t *testing.T, fresh maker, d time.Duration) finding, of ...map[string]maker) func(*testing.T) findings {
	return func(t *testing.T) findings {
		found := findings{}
		for _, some := range of {
			for name, fresh := range some {
				if name == hystrix {
					found[name] = scenario(t, fresh, realBreakFor)
					continue
				}
				found[name] = bubble(t, func(t *testing.T) finding { return scenario(t, fresh, breakFor) })
			}
		}
		return found
	}
}

// recovers says how long it takes until a call is admitted, from now on.
func recovers(t *testing.T, f fuse, d time.Duration, work func(context.Context) error) (time.Duration, bool) {
	t.Helper()
	began := time.Now()
	for time.Since(began) < patience*d {
		if f.admitted(t.Context(), work) {
			return time.Since(began), true
		}
		pass(d / 8)
	}
	return 0, false
}

// aside runs f, whatever becomes of it, and says whether it came to an end.
func aside(d time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { recover() }()
		f()
	}()
	select {
	case <-done:
		return true
	case <-time.After(patience * d):
		return false
	}
}

func probeThatLeaves(leave func()) func(*testing.T, maker, time.Duration) finding {
	return func(t *testing.T, fresh maker, d time.Duration) finding {
		f := fresh(d)
		f.open(t)
		pass(d + d/4)
		if !aside(d, func() { f.run(t.Context(), func(context.Context) error { leave(); return nil }) }) {
			return fell("the caller hangs")
		}
		if after, ok := recovers(t, f, d, succeed); ok {
			return held("after %.1f open times", float64(after)/float64(d))
		}
		return fell("stuck")
	}
}

func panickingProbe(t *testing.T) findings {
	found := each(probeThatLeaves(func() { panic("probe") }), virtual)(t)
	if crashes(t, "panic in hystrix-go") {
		found[hystrix] = fell("the process crashes")
	}
	return found
}

func hungProbe(t *testing.T, fresh maker, d time.Duration) finding {
	f := fresh(d)
	f.open(t)
	pass(d + d/4)
	release, hangs := make(chan struct{}), make(chan struct{})
	var over sync.WaitGroup
	over.Go(func() {
		f.run(t.Context(), func(context.Context) error { close(hangs); <-release; return nil })
	})
	<-hangs
	after, ok := recovers(t, f, d, succeed)
	close(release)
	over.Wait()
	if !ok {
		return fell("stuck")
	}
	return held("after %.1f open times", float64(after)/float64(d))
}

func lateResult(t *testing.T, fresh maker, d time.Duration) finding {
	if lateWhile(t, fresh(d), d, false) {
		return fell("closes while open")
	}
	if lateWhile(t, fresh(d), d, true) {
		return fell("closes while the probe runs")
	}
	return held("")
}

// lateWhile says whether the success of a call from before it opened lets another call in: one that was refused until then.
func lateWhile(t *testing.T, f fuse, d time.Duration, probing bool) bool {
	t.Helper()
	var over sync.WaitGroup
	begin := func() (release chan struct{}, ended chan struct{}) {
		release, ended = make(chan struct{}), make(chan struct{})
		runs := make(chan struct{})
		over.Go(func() {
			defer close(ended)
			f.run(t.Context(), func(context.Context) error { close(runs); <-release; return nil })
		})
		<-runs
		return release, ended
	}
	old, oldEnded := begin()
	f.open(t)
	probe := make(chan struct{})
	if probing {
		pass(d + d/4)
		probe, _ = begin()
	}
	before := f.admitted(t.Context(), succeed)
	close(old)
	<-oldEnded
	after := f.admitted(t.Context(), succeed)
	close(probe)
	over.Wait()
	return after && !before
}

func cancelled(t *testing.T, fresh maker, d time.Duration) finding {
	f := fresh(d)
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		f.run(ctx, func(ctx context.Context) error { cancel(); return ctx.Err() })
	}
	refused := 0
	for range 100 {
		if !f.admitted(t.Context(), succeed) {
			refused++
		}
	}
	if refused > 0 {
		return fell("%d of 100 refused", refused)
	}
	return held("")
}

func hanging(t *testing.T, fresh maker, d time.Duration) finding {
	const calls = 1000
	f := fresh(d)
	var admitted atomic.Int32
	var over sync.WaitGroup
	for range calls {
		over.Go(func() {
			f.run(t.Context(), func(context.Context) error {
				admitted.Add(1)
				pass(10 * time.Second)
				return context.DeadlineExceeded
			})
		})
		pass(time.Millisecond)
	}
	over.Wait()
	if n := admitted.Load(); n < calls/2 {
		return held("%d", n)
	}
	return fell("%d", admitted.Load())
}

func crowd(t *testing.T, fresh maker, d time.Duration) finding {
	f := fresh(d)
	f.open(t)
	pass(d + d/4)
	release := make(chan struct{})
	var admitted atomic.Int32
	var over, decided sync.WaitGroup
	for range 64 {
		decided.Add(1)
		over.Go(func() {
			known := sync.OnceFunc(decided.Done)
			defer known()
			f.run(t.Context(), func(context.Context) error { admitted.Add(1); known(); <-release; return nil })
		})
	}
	decided.Wait()
	n := admitted.Load()
	close(release)
	over.Wait()
	if n > 1 {
		return fell("%d at once", n)
	}
	return held("")
}

func together(t *testing.T, fresh maker, d time.Duration) finding {
	const grain = time.Millisecond
	var first, last time.Duration
	var over sync.WaitGroup
	var mu sync.Mutex
	began := time.Now()
	for range 100 {
		f := fresh(d)
		f.open(t)
		over.Go(func() {
			for !f.admitted(t.Context(), succeed) {
				pass(grain)
			}
			mu.Lock()
			defer mu.Unlock()
			at := time.Since(began)
			if first == 0 {
				first = at
			}
			last = at
		})
	}
	over.Wait()
	synctest.Wait()
	if spread := last - first; spread > d/10 {
		return held("%v", spread)
	}
	return fell("%v", last-first)
}
