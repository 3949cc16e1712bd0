package harness

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"
)

const (
	// tries are enough on a machine that is not disturbed all the time.
	tries = 5
	// probe is how long a machine is looked at before it is called calm.
	probe = 5 * time.Second
	// patience is how long a package waits for a calm machine, all its scenarios together: its tests must end in time.
	patience = 15 * time.Minute
)

// machine is what scenarios run on. Other machines on the same host may take its processors, for minutes.
type machine struct {
	watch    func(context.Context) (end func() disturbance)
	exert    func(context.Context, time.Duration) // works for so long
	room     sync.RWMutex                         // held for writing by a scenario that runs again, beside which nothing else does
	patience time.Duration                        // what is left of it; guarded by room
}

// host is the machine that the tests of this process run on.
var host = machine{watch: watch, exert: exert, patience: patience}

// enter begins a try. The first runs beside others; another one is alone, and waits until the machine is calm.
func (m *machine) enter(t *testing.T, try int) (leave func()) {
	t.Helper()
	if try == 1 {
		m.room.RLock()
		return m.room.RUnlock
	}
	m.room.Lock()
	began := time.Now()
	for m.patience > 0 {
		begin, end := time.Now(), m.watch(t.Context())
		m.exert(t.Context(), probe)
		found := end()
		if !found.disturbs() {
			break
		}
		m.patience -= time.Since(begin)
	}
	t.Logf("try %d, after %v", try, time.Since(began).Round(time.Second))
	return m.room.Unlock
}

// exert works a quarter of the time, which is what a scenario does: from a machine that has nothing to do nothing is taken.
func exert(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			ticks := time.NewTicker(tick)
			defer ticks.Stop()
			for ctx.Err() == nil {
				for begin := time.Now(); time.Since(begin) < tick/4; {
				}
				<-ticks.C
			}
		})
	}
	workers.Wait()
}
