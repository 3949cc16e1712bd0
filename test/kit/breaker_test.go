package kit

import (
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"pgregory.net/rapid"
)

// Any sequence of calls that begin, hang, end in any way, and of changes of the configuration, finds the breaker in the state
// that the documentation says.
func TestBreakerFollowsItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := &breakerCheck{t: t, now: time.Hour, tickets: map[*breakerFlight]gabion.Ticket{}}
		c.m.cfg = drawBreaker(rt)
		var err error
		if c.real, err = breaker.New(c.config()); err != nil {
			rt.Fatal(err)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"begin": c.begin, "begin more": c.begin, "end": c.end, "end more": c.end, "wait": c.wait, "wait while open": c.waitWhileOpen,
			"slow": c.slow, "update": c.update, "": c.check,
		})
	})
}

// drawBreaker gives every field a value.
func drawBreaker(t *rapid.T) breaker.Config {
	cfg := breaker.Config{
		Window: 2 * time.Second, OpenFor: time.Second, SlowCall: gabion.Off, SlowRate: gabion.Off, Hanging: gabion.Off,
		OpenMax:     rapid.SampledFrom([]time.Duration{time.Second, 3 * time.Second, time.Minute}).Draw(t, "open max"),
		Consecutive: rapid.SampledFrom([]int{gabion.Off, 1, 2, 3}).Draw(t, "consecutive"),
		LastCalls:   rapid.SampledFrom([]int{0, 0, 6, 20}).Draw(t, "last calls"),
	}
	drawRules(t, &cfg)
	if rapid.Bool().Draw(t, "slow calls") {
		cfg.SlowCall = 200 * time.Millisecond
		cfg.SlowRate = rapid.SampledFrom([]gabion.Share{gabion.Off, .5, 1}).Draw(t, "slow rate")
		cfg.Hanging = rapid.SampledFrom([]int{gabion.Off, 1, 3}).Draw(t, "hanging")
	}
	if cfg.FailureRate == gabion.Off && cfg.SlowRate == gabion.Off && cfg.Hanging == gabion.Off && cfg.Consecutive == gabion.Off {
		cfg.Consecutive = 2 // something must open it
	}
	return cfg
}

// drawRules gives a value to the fields that can change on the way.
func drawRules(t *rapid.T, cfg *breaker.Config) {
	cfg.FailureRate = rapid.SampledFrom([]gabion.Share{gabion.Off, .07, .3, .5, .55, 1}).Draw(t, "failure rate")
	cfg.MinCalls = rapid.IntRange(1, 6).Draw(t, "min calls")
	cfg.Probes = rapid.IntRange(1, 3).Draw(t, "probes")
	cfg.ProbeLease = rapid.SampledFrom([]time.Duration{300 * time.Millisecond, time.Second}).Draw(t, "lease")
}

// breakerCheck does the same with a breaker and its model.
type breakerCheck struct {
	t       *testing.T
	real    *breaker.Breaker
	m       breakerModel
	now     gabion.Instant
	tickets map[*breakerFlight]gabion.Ticket
}

// config is the configuration as New and Update take it: a number of last calls excludes a window.
func (c *breakerCheck) config() breaker.Config {
	cfg := c.m.cfg
	if cfg.LastCalls > 0 {
		cfg.Window = 0
	}
	return cfg
}

func (c *breakerCheck) begin(t *rapid.T) {
	want := c.m.admits(c.now)
	ticket, err := c.real.Acquire(c.t.Context(), c.now)
	if h := c.m.cfg.Hanging; h > 0 {
		slow := c.m.cfg.SlowCall
		may, must := c.m.hang(c.now, slow) >= h, c.m.hang(c.now, slow+slow/8) >= h
		if must || may && err != nil {
			c.m.become(breaker.Open)
			want = false
		}
	}
	if want != (err == nil) {
		t.Fatalf("admitted: %v, but %v", want, err)
	}
	if err == nil {
		f := &breakerFlight{period: c.m.period, began: c.now}
		c.m.flying = append(c.m.flying, f)
		c.tickets[f] = ticket
	}
}

func (c *breakerCheck) end(t *rapid.T) {
	if len(c.m.flying) == 0 {
		return
	}
	f := rapid.SampledFrom(c.m.flying).Draw(t, "call")
	outcome := rapid.SampledFrom([]gabion.Outcome{gabion.Success, gabion.Success, gabion.Failure, gabion.Ignored}).Draw(t, "outcome")
	c.real.Done(c.tickets[f], gabion.Result{Outcome: outcome, Began: f.began, Ended: c.now})
	c.m.end(f, c.now, outcome)
}

func (c *breakerCheck) wait(t *rapid.T) {
	longest := rapid.SampledFrom([]time.Duration{20 * time.Millisecond, 400 * time.Millisecond, 4 * time.Second}).Draw(t, "up to")
	c.now += time.Duration(rapid.Int64Range(0, int64(longest)).Draw(t, "passes"))
}

// waitWhileOpen waits until probes may try: otherwise it would be open most of the time.
func (c *breakerCheck) waitWhileOpen(*rapid.T) {
	if c.m.state == breaker.Open {
		c.now = max(c.now, c.m.until)
	}
}

// slow waits until what runs is slow, and a probe among it has lost its lease.
func (c *breakerCheck) slow(*rapid.T) {
	if len(c.m.flying) > 0 {
		c.now += c.m.cfg.ProbeLease
	}
}

func (c *breakerCheck) update(t *rapid.T) {
	before := c.m.cfg
	drawRules(t, &c.m.cfg)
	if err := c.real.Update(c.config()); err != nil {
		c.m.cfg = before // nothing is left that could open it: nothing changes
	}
}

func (c *breakerCheck) check(t *rapid.T) {
	got := c.real.Snapshot(c.now)
	n, failures, slow := c.m.counts(c.now)
	if got.State != c.m.state || got.Opened != c.m.opened || got.Calls != n || got.Failures != failures || got.Slow != slow {
		t.Fatalf("%+v, want %v, opened %d times, %d calls, %d failures, %d slow", got, c.m.state, c.m.opened, n, failures, slow)
	}
	if c.m.state != breaker.Open || c.m.until == got.Until {
		return
	}
	lasts, want := got.Until-c.now, c.m.openTime()
	if lasts < want*9/10-1 || lasts > want*11/10+1 {
		t.Fatalf("open for %v, want %v ±10 %%", lasts, want)
	}
	c.m.until = got.Until
}
