package e2e

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/harness"
	"github.com/gabion-io/gabion/test/load"
	"github.com/gabion-io/gabion/test/process"
)

// Claims about a gateway whose store is in trouble.
const (
	noSlower    = "p99 is at most twice that of quiet times"
	nothingLost = "nothing that was acknowledged is lost"
	rightAgain  = "the store is right again by itself"
	bounded     = "the memory of the store is bounded"
	gatewayFlat = "the memory of the gateway is bounded"
	counted     = "what was not taken is counted"
	saysSo      = "who sends what is not taken is told"
	othersTaken = "what others send is taken all the same"
)

// warmUp is at the start of a load, and is not compared.
const warmUp = 2 * time.Second

// trouble is what happens to the store in the noisy phases of a scenario, between quiet ones.
type trouble struct {
	rounds int
	// quiet and noisy are how long the phases are. Default: 3 s.
	quiet, noisy time.Duration
	begin, end   func()
}

// through sends a load through the gateway while the trouble comes and goes, and makes the claims about what clients see
// of it: the seconds of the noisy phases are compared with those of the quiet ones before them, if there are enough.
func (c trouble) through(t *testing.T, g *harness.Gateway, f *harness.Findings) {
	t.Helper()
	if c.quiet == 0 {
		c.quiet = 3 * time.Second
	}
	if c.noisy == 0 {
		c.noisy = 3 * time.Second
	}
	round := c.quiet + c.noisy
	run := load.Load{Target: to(g), For: warmUp + time.Duration(c.rounds)*round + c.quiet}.Start(t.Context())
	for i := range c.rounds {
		run.At(warmUp + time.Duration(i)*round + c.quiet)
		c.begin()
		run.At(warmUp + time.Duration(i+1)*round)
		if c.end != nil {
			c.end()
		}
	}
	report := run.Wait()
	failed := report.All().Failed()
	f.Claim(noFailed, len(failed) == 0, "%v", report.All())
	var quiet, noisy []time.Duration // p99 of each second
	for i := range c.rounds {
		from := warmUp + time.Duration(i)*round
		quiet = append(quiet, p99s(report.All(), from, from+c.quiet)...)
		noisy = append(noisy, p99s(report.All(), from+c.quiet, from+round)...)
	}
	if len(quiet) < 5 {
		return // a few seconds say nothing about how long requests take
	}
	slices.Sort(quiet)
	slices.Sort(noisy)
	// What else this machine does makes some seconds slow, quiet ones as well: they say how much that is.
	most := 2*quiet[len(quiet)*3/4] + 5*time.Millisecond
	f.Claim(noSlower, noisy[len(noisy)/2] <= most, "median %v, at most %v; of each second %v, quiet %v", noisy[len(noisy)/2], most, noisy, quiet)
}

// p99s are those of each second.
func p99s(s load.Samples, from, to time.Duration) (all []time.Duration) {
	for ; from < to; from += time.Second {
		all = append(all, p99(s.Between(from, min(from+time.Second, to))).Round(100*time.Microsecond))
	}
	return all
}

// p99 leaves out the moments in which this machine stood still. When that is nearly always, it is not this machine.
func p99(s load.Samples) time.Duration {
	if awake := s.Awake(); len(awake) > len(s)/4 {
		s = awake
	}
	return s.Quantile(.99)
}

// producer sends numbered samples and lines to the admin listener, one after the other, and remembers which ones were
// acknowledged.
type producer struct {
	g    *harness.Gateway
	name string // of the metric and of the service
	stop context.CancelFunc
	done sync.WaitGroup

	mu             sync.Mutex
	samples, lines []int
	refused        map[int]int // by status
}

// produce starts one.
func produce(t *testing.T, g *harness.Gateway, name string) *producer {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	p := &producer{g: g, name: name, stop: stop, refused: map[int]int{}}
	p.done.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for i := 1; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			p.send(i)
		}
	})
	t.Cleanup(p.end)
	return p
}

func (p *producer) send(i int) {
	status, _ := p.g.Send("/api/v1/metrics?job=e2e", "text/plain", fmt.Sprintf("%s_number %d\n", p.name, i))
	p.note(&p.samples, i, status)
	status, _ = p.g.Send("/api/v1/logs", "application/x-ndjson", fmt.Sprintf(`{"service":%q,"level":"info","msg":"number %d"}`+"\n", p.name, i))
	p.note(&p.lines, i, status)
}

func (p *producer) note(taken *[]int, i, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if status >= 200 && status < 300 {
		*taken = append(*taken, i)
	} else {
		p.refused[status]++
	}
}

func (p *producer) end() {
	p.stop()
	p.done.Wait()
}

// kept makes the claims about what was acknowledged, when the store is up.
func (p *producer) kept(f *harness.Findings, since time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	samples, err := p.g.Samples(p.name + "_number[30m]")
	found := map[int]int{}
	for _, s := range samples {
		found[int(s.Value)]++
	}
	missing := lack(p.samples, found)
	f.Claim(nothingLost+": samples", err == nil && len(missing) == 0 && len(p.samples) > 0,
		"of %d samples %d are missing, %.200v; %v", len(p.samples), len(missing), missing, err)
	texts, err := p.g.Lines(fmt.Sprintf("{service=%q}", p.name), since, time.Now().Add(time.Minute))
	clear(found)
	for _, text := range texts {
		var i int
		if _, err := fmt.Sscanf(text, "number %d", &i); err == nil {
			found[i]++
		}
	}
	missing = lack(p.lines, found)
	f.Claim(nothingLost+": lines", err == nil && len(missing) == 0 && len(p.lines) > 0,
		"of %d lines %d are missing, %.200v; refused %v; %v", len(p.lines), len(missing), missing, p.refused, err)
}

// lack gives the numbers that were not found.
func lack(numbers []int, found map[int]int) (missing []int) {
	for _, i := range numbers {
		if found[i] == 0 {
			missing = append(missing, i)
		}
	}
	return missing
}

// recovered makes the claim that the store takes and finds things again within a time.
func recovered(t *testing.T, g *harness.Gateway, f *harness.Findings, within time.Duration) {
	t.Helper()
	began, last := time.Now(), ""
	for i := 0; time.Since(began) < within; i++ {
		if last = again(g, i); last == "" {
			f.Claim(rightAgain, true, "after %v", time.Since(began).Round(time.Millisecond))
			return
		}
		timer := time.NewTimer(100 * time.Millisecond)
		<-timer.C
	}
	f.Claim(rightAgain, false, "not within %v: %s; %+v", within, last, g.Store(t))
}

// again sends a sample and a line, and says what is wrong with that.
func again(g *harness.Gateway, i int) string {
	metric := fmt.Sprintf("e2e_again_%d", time.Now().UnixNano())
	if status, answer := g.Send("/api/v1/metrics", "text/plain", metric+" 1\n"); status/100 != 2 {
		return fmt.Sprintf("a sample: %d %s", status, answer)
	}
	if status, answer := g.Send("/api/v1/logs", "application/x-ndjson", fmt.Sprintf(`{"service":"again","msg":%q}`+"\n", metric)); status/100 != 2 {
		return fmt.Sprintf("a line: %d %s", status, answer)
	}
	if samples, err := g.Samples(metric); err != nil || len(samples) != 1 {
		return fmt.Sprintf("%d samples, %v", len(samples), err)
	}
	texts, err := g.Lines(`{service="again"}`, time.Now().Add(-time.Minute), time.Now().Add(time.Minute))
	if err != nil || !slices.Contains(texts, metric) {
		return fmt.Sprintf("%d lines without the last one, %v", len(texts), err)
	}
	return ""
}

// memoryWatch looks again and again at the memory of the store.
type memoryWatch struct {
	stop context.CancelFunc
	done sync.WaitGroup
	most int64
}

func watchMemory(t *testing.T, pid int) *memoryWatch {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	w := &memoryWatch{stop: stop}
	w.done.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				w.most = max(w.most, process.MemoryOf(t, pid))
			}
		}
	})
	t.Cleanup(func() { w.end() })
	return w
}

// end ends the watch and gives the most there was.
func (w *memoryWatch) end() int64 {
	w.stop()
	w.done.Wait()
	return w.most
}

// upWithin is how long a store may take to be up, on a busy machine.
const upWithin = 30 * time.Second

// storing starts a gateway with three backends and waits until its store is up.
func storing(t *testing.T, change ...func(*harness.Config)) *harness.Gateway {
	t.Helper()
	// A machine that stands still for a second is not the store's doing. What the store does to requests is in their times.
	cfg := standard.with("timeout", "{total: 5s, attempt: 5s, connect: 5s}").config(replicas(t, 3)...)
	cfg.Keeps = true
	for _, c := range change {
		c(&cfg)
	}
	g := harness.Start(t, cfg)
	g.StoreUp(t, upWithin)
	return g
}

// dropped is what the feeds of the gateway gave up.
func dropped(s harness.Store) (n uint64) {
	for _, f := range s.Feeds {
		n += f.Dropped
	}
	return n
}

// drained waits until nothing waits in the gateway for the store any more.
func drained(t *testing.T, g *harness.Gateway) (s harness.Store) {
	t.Helper()
	process.Until(t, upWithin, "the store has taken what waited for it", func() bool {
		s = g.Store(t)
		return !slices.ContainsFunc(s.Feeds, func(f harness.Feed) bool { return f.Buffered > 0 })
	})
	return s
}
