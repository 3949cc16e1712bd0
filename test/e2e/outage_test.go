package e2e

import (
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/backend"
	"github.com/gabion-io/gabion/test/harness"
	"github.com/gabion-io/gabion/test/load"
)

// outage is the loss of all replicas at once.
type outage struct {
	policies policies
	// freeze stops them instead of killing them: the harder case, as nothing tells that they are gone.
	freeze bool
	// lasts is how long they are gone.
	lasts time.Duration
}

const (
	enough     = "enough requests while the machine does not stand still"
	says503    = "503 with Retry-After"
	saysItSoon = "within 50 ms"
	goroutines = "goroutines are flat"
	processor  = "use of the processor is flat"
	memory     = "use of memory is flat"
	recovers   = "at least 99 % succeed 10 s after all are back"
	gently     = "no replica gets more than 1.5 times its normal rate in its first second"
)

// usage is what the gateway uses at one moment.
type usage struct {
	goroutines float64
	cpu        time.Duration
	memory     int64
}

func use(t *testing.T, g *harness.Gateway) usage {
	t.Helper()
	n, _ := g.Metric(t, "go_goroutines")
	return usage{n, g.CPU(t), g.Memory(t)}
}

// useUntil is use at a moment of the load, with the least goroutines of the second before: whenever the machine stands still,
// requests come in all at once, and each has some while it lasts. What grows is there all the time.
func useUntil(t *testing.T, g *harness.Gateway, run *load.Running, at time.Duration) usage {
	t.Helper()
	const readings, apart = 10, 100 * time.Millisecond
	least := math.Inf(1)
	for i := range readings {
		run.At(at - time.Duration(readings-i)*apart)
		n, _ := g.Metric(t, "go_goroutines")
		least = min(least, n)
	}
	run.At(at)
	u := use(t, g)
	u.goroutines = min(u.goroutines, least)
	return u
}

func allDown(t *testing.T, c outage, f *harness.Findings) {
	// A frozen replica is found out only when attempts have timed out, so that takes longer.
	const down, settled = 2 * time.Second, 7 * time.Second
	up := down + c.lasts
	backends := replicas(t, 3)
	g := harness.Start(t, c.policies.config(backends...))
	run := load.Load{Target: to(g), For: up + 14*time.Second}.Start(t.Context())
	run.At(down)
	for _, b := range backends {
		if c.freeze {
			b.Freeze(t)
		} else {
			b.Kill(t)
		}
	}
	first := useUntil(t, g, run, settled)
	middle := useUntil(t, g, run, (settled+up)/2)
	last := useUntil(t, g, run, up)
	for _, b := range backends {
		if c.freeze {
			b.Thaw(t)
		} else {
			b.Restart(t)
		}
	}
	back := run.Elapsed()
	report := run.Wait()

	refused(f, report.All().Between(settled, up-time.Second).Awake())
	flat(f, first, middle, last)
	late := report.All().Between(back+10*time.Second, up+14*time.Second)
	f.Claim(recovers, late.OKShare() >= .99, "%v; succeeding a second: %v", late, report.All().Where((*load.Sample).OK).PerSecond())
	most := 0
	for _, b := range backends {
		most = max(most, firstSecond(t, b, report, back))
	}
	f.Claim(gently, most <= 100, "%d; normal is 67", most)
}

// refused makes the claims about what clients see while nothing is left.
func refused(f *harness.Findings, s load.Samples) {
	told := s.Where(func(x *load.Sample) bool {
		after, err := strconv.Atoi(x.RetryAfter)
		return x.Status == 503 && err == nil && after >= 1
	})
	// A few requests are sent on to see whether the service is back. They may take as long as an attempt and get
	// another status.
	f.Claim(enough, len(s) > 500, "%d", len(s))
	f.Claim(says503, float64(len(told)) >= .99*float64(len(s)), "%d of %d: %v; not so a second: %v", len(told), len(s), s,
		s.Where(func(x *load.Sample) bool { return x.Status != 503 }).PerSecond())
	if len(s) == 0 {
		return
	}
	seconds := slices.Sorted(slices.Values(p99s(s, s[0].At, s[len(s)-1].At)))
	f.Claim(saysItSoon, len(seconds) > 0 && seconds[len(seconds)/2] <= 50*time.Millisecond, "p99 of each second is %v, the longest %v", seconds, s.Quantile(1))
}

// flat makes the claims about what the gateway uses while nothing is left.
func flat(f *harness.Findings, first, middle, last usage) {
	f.Claim(goroutines, last.goroutines <= 1.2*first.goroutines+30, "%v, %v, %v", first.goroutines, middle.goroutines, last.goroutines)
	before, after := middle.cpu-first.cpu, last.cpu-middle.cpu
	f.Claim(processor, after <= before*3/2+100*time.Millisecond, "%v in the first half, %v in the second", before, after)
	f.Claim(memory, last.memory <= middle.memory+harness.Room(16<<20), "%d, %d, %d MiB", first.memory>>20, middle.memory>>20, last.memory>>20)
}

// firstSecond counts the requests that reach a backend in the second after the first of them, of those that were due
// after it was back. What was sent to a frozen backend before waits there and comes to light with the rest.
func firstSecond(t *testing.T, b *backend.Backend, r *load.Report, back time.Duration) (n int) {
	t.Helper()
	due := map[string]bool{}
	for _, s := range r.All().Between(back, time.Hour) {
		due[s.ID] = true
	}
	var first time.Time
	for _, e := range b.Journal(t) {
		if e.Kind != backend.Arrival || !due[e.ID] {
			continue
		}
		if first.IsZero() {
			first = e.At
		}
		if e.At.Sub(first) < time.Second {
			n++
		}
	}
	return n
}

// bare is next to nothing.
var bare = policies{"timeout": standard["timeout"], "retry": "off", "breaker": "off", "health": "{active: off, passive: off}"}

// gentle are the standard policies with slow start, which keeps all the load from the first replica that is back.
var gentle = standard.with("health", "{active: {path: /healthz, interval: 1s, timeout: 1s}}")

func TestAllReplicasAreKilled(t *testing.T) {
	t.Parallel()
	harness.Prove(t, allDown, outage{gentle, false, 35 * time.Second})
}

func TestAllReplicasAreFrozen(t *testing.T) {
	t.Parallel()
	harness.Prove(t, allDown, outage{gentle, true, 15 * time.Second},
		harness.Twin[outage]{Name: "breakers and ejection", Config: outage{bare, true, 9 * time.Second}, Breaks: []string{says503, saysItSoon}},
	)
}

const attemptsBounded = "attempts are at most 1.1 times the requests and the reserve"

// A dependency fails every request.
func failing(t *testing.T, c outage, f *harness.Findings) {
	backends := replicas(t, 3)
	g := harness.Start(t, c.policies.config(backends...))
	for _, b := range backends {
		b.Set(t, backend.Behaviour{Mode: backend.Status, Status: 503})
	}
	report := load.Load{Target: to(g), For: c.lasts, Posts: -1}.Start(t.Context()).Wait()
	attempts, requests, reserve := backend.Arrivals(t, backends...), len(report.All()), 10
	f.Claim(attemptsBounded, attempts <= requests*11/10+reserve && attempts >= requests,
		"%d attempts for %d requests, %.2f times", attempts, requests, float64(attempts)/float64(requests))
}

func TestRetriesHaveABudget(t *testing.T) {
	t.Parallel()
	// The breaker would stop all this after a moment. Here the budget has to do it alone.
	p := standard.with("health", "{active: off, passive: off}", "breaker", "off", "retry", "{attempts: 3, budget: 10%}")
	harness.Prove(t, failing, outage{p, false, 20 * time.Second},
		harness.Twin[outage]{
			Name:   "a budget",
			Config: outage{p.with("retry", "{attempts: 3, budget: off}"), false, 3 * time.Second},
			Breaks: []string{attemptsBounded},
		},
	)
}
