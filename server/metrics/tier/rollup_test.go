package tier

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// counters are some services' request counters, which also restart from zero at times.
type counters struct {
	rand   *rand.Rand
	value  [6]float64
	growth map[string][]growth // by service
}

// growth is how much a service's counters grew at a moment.
type growth struct {
	at time.Time
	by float64
}

func newCounters() *counters {
	return &counters{rand: rand.New(rand.NewPCG(7, 11)), growth: map[string][]growth{}}
}

// scrape is all counters at a moment.
func (c *counters) scrape(at time.Time) []Sample {
	var batch []Sample
	for i := range c.value {
		service, instance := "s"+strconv.Itoa(i/2), "i"+strconv.Itoa(i%2)
		by := float64(c.rand.IntN(50))
		if c.value[i] > 100 && c.rand.IntN(40) == 0 {
			c.value[i] = 0 // restarted, and it can be seen
		}
		c.value[i] += by
		c.growth[service] = append(c.growth[service], growth{at, by})
		batch = append(batch, sample(at, c.value[i], "__name__", "gabion_http_requests_total",
			"code", "200", "instance", instance, "route", "r", "service", service))
	}
	return batch
}

// sum is how much a service's counters grew after from, up to to.
func (c *counters) sum(service string, from, to time.Time) float64 {
	total := 0.0
	for _, g := range c.growth[service] {
		if g.at.After(from) && !g.at.After(to) {
			total += g.by
		}
	}
	return total
}

// feed scrapes every 15 s until a time, and rolls up every minute when asked.
func (b *bundle) feed(c *counters, until time.Time, roll bool) {
	b.t.Helper()
	for ; !b.now.After(until); b.now = b.now.Add(15 * time.Second) {
		b.put(c.scrape(b.now)...)
		if roll && b.now.Unix()%60 == 0 {
			b.roll()
		}
	}
}

func (b *bundle) roll() Progress {
	b.t.Helper()
	p := b.RollUp(b.t.Context(), b.now)
	if p.Err != nil {
		b.t.Fatal(p.Err)
	}
	return p
}

// agrees compares the roll-ups of whole steps with what really happened.
func (b *bundle) agrees(c *counters, step string, from, to time.Time) {
	b.t.Helper()
	over := strconv.Itoa(int(to.Sub(from).Seconds())) + "s"
	found := b.ask(`sum by (service) (sum_over_time(gabion_http_requests_total:increase`+step+`[`+over+`]))`, to)
	for _, service := range []string{"s0", "s1", "s2"} {
		got, want := found[`{service="`+service+`"}`], c.sum(service, from, to)
		if got != want || want == 0 {
			b.t.Errorf("%s, %s to %s: the roll-ups of %s say %v, raw says %v", service, from.Format("15:04"), to.Format("15:04"), step, got, want)
		}
	}
}

func TestRollUpsAddUpToWhatRawSays(t *testing.T) {
	b := setup(t, nil)
	c := newCounters()
	b.put(c.scrape(b.now)...) // what was before is not known to anyone
	c.growth = map[string][]growth{}
	b.now = b.now.Add(15 * time.Second)
	b.feed(c, start.Add(3*time.Hour+15*time.Minute), true)
	b.agrees(c, "5m", start, start.Add(3*time.Hour+5*time.Minute))
	b.agrees(c, "5m", start.Add(40*time.Minute), start.Add(85*time.Minute))
	b.agrees(c, "1h", start, start.Add(3*time.Hour))

	// What an ordinary range would have written: it estimates, and its sums are off.
	est := b.one(`sum(sum_over_time((increase(gabion_http_requests_total{service="s0"}[5m]))[2h:5m]))`, start.Add(3*time.Hour))
	if want := c.sum("s0", start.Add(time.Hour), start.Add(3*time.Hour)); est == want {
		t.Errorf("estimates are exact as well (%v): are anchored ranges needed?", est)
	}
}

func TestHistogramsRollUpToTheSameQuantile(t *testing.T) {
	b := setup(t, nil)
	r := rand.New(rand.NewPCG(1, 2))
	bounds := []string{"0.1", "0.5", "1", "+Inf"}
	counts := make([]float64, len(bounds))
	for ; !b.now.After(start.Add(75 * time.Minute)); b.now = b.now.Add(15 * time.Second) {
		first := r.IntN(len(bounds))
		for i := first; i < len(bounds); i++ {
			counts[i]++
		}
		for i, le := range bounds {
			b.put(sample(b.now, counts[i], "__name__", "gabion_http_request_duration_seconds_bucket", "le", le, "route", "r", "service", "s"))
		}
		b.put(sample(b.now, counts[len(counts)-1], "__name__", "gabion_http_request_duration_seconds_count", "route", "r", "service", "s"))
	}
	b.roll()
	end := start.Add(time.Hour)
	raw := b.one(`histogram_quantile(0.9, sum by (le) (increase(gabion_http_request_duration_seconds_bucket[1h] anchored)))`, end)
	for _, query := range []string{
		`histogram_quantile(0.9, sum by (le) (sum_over_time(gabion_http_request_duration_seconds_bucket:increase5m[1h])))`,
		`histogram_quantile(0.9, sum by (le) (gabion_http_request_duration_seconds_bucket:increase1h))`,
	} {
		if got := b.one(query, end); math.Abs(got-raw) > 1e-9 {
			t.Errorf("%s = %v, raw says %v", query, got, raw)
		}
	}
	if got := b.one(`gabion_http_request_duration_seconds_count:increase1h`, end); got != 240 {
		t.Errorf("the count is %v, want 240", got)
	}
}

func TestStepsWaitForLateSamples(t *testing.T) {
	b := setup(t, nil)
	b.put(sample(start.Add(time.Second), 1, "__name__", "gabion_retries_total", "service", "s"))
	b.now = start.Add(14*time.Minute + 59*time.Second)
	if p := b.roll(); p.Steps != 0 {
		t.Errorf("%d steps before late samples can have come", p.Steps)
	}
	b.put(sample(start.Add(4*time.Minute+59*time.Second), 8, "__name__", "gabion_retries_total", "service", "s"))
	b.now = start.Add(15 * time.Minute)
	if p := b.roll(); p.Steps != 1 || p.Behind != 0 {
		t.Errorf("%+v", p)
	}
	if got := b.one(`gabion_retries_total:increase5m`, start.Add(5*time.Minute)); got != 7 {
		t.Errorf("the step says %v, want 7", got)
	}
}

// The process was up, but nobody evaluated; then it was down; then it starts again.
func TestMissedStepsAreMadeUpFor(t *testing.T) {
	b := setup(t, nil)
	c := newCounters()
	b.put(c.scrape(b.now)...)
	c.growth = map[string][]growth{}
	b.now = b.now.Add(15 * time.Second)
	b.feed(c, start.Add(time.Hour), true)
	b.feed(c, start.Add(4*time.Hour), false)
	up := b.now
	b.now = b.now.Add(26 * time.Hour)
	if found := b.ask(`sum_over_time(gabion_http_requests_total:increase5m[1h])`, start.Add(3*time.Hour)); len(found) != 0 {
		t.Fatalf("there is nothing to make up for: %v", found)
	}
	b.reopen()
	if p := b.roll(); p.Steps != maxSteps || p.Behind <= 0 {
		t.Errorf("the first go: %+v", p)
	}
	steps := maxSteps
	for {
		p := b.roll()
		steps += p.Steps
		if p.Behind == 0 {
			break
		}
		if steps > 1000 {
			t.Fatal("it never ends")
		}
	}
	// From 10:50 (what ended ten minutes before 11:00) to 16:00 of the next day, and the hours.
	if want := 29*12 + 2 + 29 + 1; steps < want-3 || steps > want+3 {
		t.Errorf("%d steps, want about %d", steps, want)
	}
	b.agrees(c, "5m", start, start.Add(4*time.Hour))
	b.agrees(c, "1h", start, start.Add(4*time.Hour))
	if p := b.roll(); p.Steps != 0 {
		t.Errorf("steps were evaluated twice: %+v", p)
	}
	if up.Before(start.Add(4 * time.Hour)) {
		t.Error("the test fed too little")
	}
}

// A process that is killed leaves its files as they are: a copy of them is what the next one finds.
func TestKilledProcessLosesNothingCommitted(t *testing.T) {
	b := setup(t, nil)
	c := newCounters()
	b.put(c.scrape(b.now)...)
	c.growth = map[string][]growth{}
	b.now = b.now.Add(15 * time.Second)
	b.feed(c, start.Add(50*time.Minute), true)
	last := b.now.Add(-15 * time.Second)

	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(b.dir)); err != nil {
		t.Fatal(err)
	}
	after := &bundle{t: t, dir: copied, now: b.now, opt: b.opt}
	after.open()
	defer after.Close()
	want, got := b.ask(`gabion_http_requests_total`, last), after.ask(`gabion_http_requests_total`, last)
	if len(got) != 6 {
		t.Fatalf("%d series are left", len(got))
	}
	for series, v := range want {
		if got[series] != v {
			t.Errorf("%s = %v, want %v", series, got[series], v)
		}
	}
	if p := after.roll(); p.Steps != 0 {
		t.Errorf("%d steps were evaluated again", p.Steps)
	}
	after.agrees(c, "5m", start, start.Add(40*time.Minute))
	after.put(c.scrape(b.now)...)
}

func TestRollUpsAreBoundedByTheirOwnLimit(t *testing.T) {
	b := setup(t, func(o *Options) {
		o.Rules = []Rule{{"orders:count", "count_over_time(orders[$step])"}}
		o.Steps = []time.Duration{5 * time.Minute}
		o.Limits = Limits{Service: 100, Metric: 100, Total: 10}
	})
	b.put(many("a", 10, start.Add(time.Second))...)
	b.now = start.Add(20 * time.Minute)
	b.roll()
	if n := b.Status()[1].Series; n != 11 {
		t.Errorf("%d series in long", n)
	}
	// The mark of the step must not be what is left out.
	if got := b.one(`gabion_rollup:samples5m`, start.Add(5*time.Minute)); got != 10 {
		t.Errorf("the mark says %v", got)
	}
}

func TestRollUpStopsWhenTheDiskIsFull(t *testing.T) {
	guard := &fakeGuard{}
	b := setup(t, func(o *Options) { o.Guard = guard })
	b.put(sample(start.Add(time.Second), 1, "__name__", "gabion_retries_total"))
	b.now = start.Add(30 * time.Minute)
	guard.refuse = os.ErrClosed
	if p := b.RollUp(t.Context(), b.now); p.Err == nil || p.Steps != 0 || p.Behind != 15*time.Minute {
		t.Errorf("%+v", p)
	}
	guard.refuse = nil
	if p := b.roll(); p.Steps != 4 {
		t.Errorf("%+v: the steps are lost", p)
	}
	if b.RolledUp().Steps != 4 {
		t.Error("the status does not tell")
	}
}

// A rule that fails at every try must not keep the others from being evaluated.
func TestRuleThatFailsIsLeftOut(t *testing.T) {
	b := setup(t, func(o *Options) {
		o.Rules = []Rule{{"orders:large", "orders"}, {"orders:clash", "orders * on() orders"}, {"orders:count", "count_over_time(orders{id=\"7\"}[$step])"}}
		o.Steps = []time.Duration{5 * time.Minute}
		o.Query.Samples = 50
	})
	b.now = start.Add(4 * time.Minute)
	b.put(many("a", 100, b.now)...)
	b.now = start.Add(15 * time.Minute)
	p := b.RollUp(t.Context(), b.now)
	if p.Steps != 1 || p.Failed != 2 || p.Err == nil || !strings.Contains(p.Err.Error(), "orders:clash5m at 2026-03-02T10:05:00Z") {
		t.Errorf("%+v", p)
	}
	if got := b.one(`orders:count5m`, start.Add(5*time.Minute)); got != 1 {
		t.Errorf("the other rule says %v", got)
	}
	if p := b.roll(); p.Steps != 0 {
		t.Errorf("the step was evaluated again: %+v", p)
	}
}

func TestRulesThatAreRefused(t *testing.T) {
	five := []time.Duration{5 * time.Minute}
	for name, o := range map[string]Options{
		"no colon":           {Rules: []Rule{{"orders", "orders"}}, Steps: five},
		"ends in a digit":    {Rules: []Rule{{"a:orders2", "orders"}}, Steps: five},
		"no name":            {Rules: []Rule{{"", "orders"}}, Steps: five},
		"no PromQL":          {Rules: []Rule{{"a:b", "sum("}}, Steps: five},
		"no steps":           {Rules: []Rule{{"a:b", "orders"}}, Steps: []time.Duration{}},
		"a step of a second": {Steps: []time.Duration{time.Second}},
		"a crooked step":     {Steps: []time.Duration{7 * time.Minute}},
	} {
		if s, err := Open(t.TempDir(), o); err == nil {
			t.Errorf("%s: opened", name)
			s.Close()
		} else if !strings.HasPrefix(err.Error(), "tier: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	b := setup(t, nil)
	b.put(sample(b.now, 1, "__name__", "gabion_retries_total"))
	b.now = start.Add(30 * time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { b.Run(ctx); close(done) }()
	for b.RolledUp().Steps == 0 { // it starts with a go
		select {
		case <-done:
			t.Fatal("ended too soon")
		default:
			runtime.Gosched()
		}
	}
	cancel()
	<-done
}
