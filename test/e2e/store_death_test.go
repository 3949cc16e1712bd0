package e2e

import (
	"syscall"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/harness"
)

// death is what becomes of the process that keeps metrics and logs.
type death struct {
	signal syscall.Signal
	// together says that the gateway and the store are as one process: what hits one hits the other.
	together bool
}

const fedAgain = "what the gateway itself had for the store came there later"

func storeDies(t *testing.T, c death, f *harness.Findings) {
	g := storing(t)
	since := time.Now()
	p := produce(t, g, "death")
	before := g.Store(t)
	trouble{
		rounds: 4,
		begin: func() {
			switch {
			case !c.together:
				g.SignalStore(t, c.signal)
			case c.signal == syscall.SIGKILL:
				g.Kill(t)
				g.Restart(t)
			default:
				g.Signal(t, c.signal)
			}
		},
		end: func() {
			switch {
			case c.signal != syscall.SIGSTOP:
			case c.together:
				g.Signal(t, syscall.SIGCONT)
			default:
				g.SignalStore(t, syscall.SIGCONT)
			}
		},
	}.through(t, g, f)
	recovered(t, g, f, upWithin)
	p.end()
	p.kept(f, since)
	after := drained(t, g)
	f.Claim(fedAgain, dropped(after) == 0, "%+v", after.Feeds)
	if c.signal == syscall.SIGKILL && !c.together && after.Restarts < before.Restarts+3 {
		t.Errorf("the store was killed 4 times and restarted %d times", after.Restarts-before.Restarts)
	}
}

func TestStoreIsKilled(t *testing.T) {
	harness.ProveAlone(t, storeDies, death{signal: syscall.SIGKILL},
		harness.Twin[death]{Name: "a process of its own", Config: death{syscall.SIGKILL, true}, Breaks: []string{noFailed}})
}

func TestStoreIsPaused(t *testing.T) {
	harness.ProveAlone(t, storeDies, death{signal: syscall.SIGSTOP},
		harness.Twin[death]{Name: "a process of its own", Config: death{syscall.SIGSTOP, true}, Breaks: []string{noSlower}})
}

const killedWhenHung = "a store that hangs is killed and started anew"

// hang is a store that is stopped: for so long, after as long a quiet time as is needed to compare.
type hang struct {
	quiet, lasts time.Duration
	forGood      bool
}

// A store that is stopped for good is found out, and replaced.
func storeHangs(t *testing.T, c hang, f *harness.Findings) {
	g := storing(t)
	since := time.Now()
	p := produce(t, g, "hang")
	before := g.Store(t)
	trouble{
		rounds: 1, quiet: c.quiet, noisy: c.lasts,
		begin: func() { g.SignalStore(t, syscall.SIGSTOP) },
		end: func() {
			if !c.forGood {
				g.SignalStore(t, syscall.SIGCONT)
			}
		},
	}.through(t, g, f)
	recovered(t, g, f, time.Minute)
	after := g.Store(t)
	f.Claim(killedWhenHung, after.PID != before.PID && after.Restarts == before.Restarts+1, "%+v, before %+v", after, before)
	p.end()
	p.kept(f, since)
}

func TestStoreHangs(t *testing.T) {
	// It is found out after three checks that take 5 s each, a second apart.
	harness.ProveAlone(t, storeHangs, hang{quiet: 5 * time.Second, lasts: 20 * time.Second, forGood: true},
		harness.Twin[hang]{Name: "a hang that lasts", Config: hang{quiet: time.Second, lasts: 4 * time.Second}, Breaks: []string{killedWhenHung}})
}
