package harness

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion/test/backend"
	"github.com/gabion-io/gabion/test/load"
	"github.com/gabion-io/gabion/test/process"
)

func TestMain(m *testing.M) { Main(m) }

// With nothing but a plain proxy in front, the failures that the gateway must hide are there and are seen.
func TestFailuresAreSeenThroughAPlainProxy(t *testing.T) {
	b1 := backend.Start(t, "b1", backend.Behaviour{})
	b2 := backend.Start(t, "b2", backend.Behaviour{})
	proxy := StartProxy(t, b1.URL(), b2.URL())
	run := load.Load{Rate: 100, For: 2 * time.Second, Target: func() string { return proxy.Address }}.Start(t.Context())
	run.At(time.Second)
	b1.Kill(t)
	report := run.Wait()
	healthy, broken := report.All().Between(0, 900*time.Millisecond), report.All().Between(1100*time.Millisecond, 2*time.Second)
	if len(healthy.Failed()) != 0 || len(healthy.By("b1")) == 0 || len(healthy.By("b2")) == 0 {
		t.Errorf("both are up: %v", healthy)
	}
	if share := broken.OKShare(); share < .3 || share > .7 || len(broken.By("b1")) != 0 {
		t.Errorf("one of two is down, %.0f%% were answered: %v", share*100, broken)
	}
	if !proxy.Ready() || proxy.CPU(t) == 0 {
		t.Error("the proxy is not ready, or has done its work without a processor")
	}
}

func TestTwin(t *testing.T) {
	var f Findings
	f.Claim("water is wet", true, "touched it %d times", 3)
	f.Claim("the moon is cheese", false, "tasted it")
	twin := Twin[int]{Breaks: []string{"water is wet", "the moon is cheese", "never looked at"}}
	if got := twin.unbroken(&f); len(got) != 2 || !strings.HasSuffix(got[0], ": water is wet") || !strings.HasSuffix(got[1], ": never looked at") {
		t.Errorf("unbroken %v", got)
	}
	if got := f.broken(); !slices.Equal(got, []string{"the moon is cheese"}) {
		t.Errorf("broken %v", got)
	}
	if text := f.String(); !strings.Contains(text, "holds  water is wet: touched it 3 times\nFAILS  the moon") {
		t.Errorf("as text:\n%s", text)
	}
}

func TestOnlyTheMachineIsAnExcuse(t *testing.T) {
	for _, c := range []struct {
		d    disturbance
		want bool
	}{
		{disturbance{still: standstill}, true},
		{disturbance{stolen: theft}, true},
		{disturbance{still: standstill - 1, stolen: theft - .001}, false},
		{disturbance{}, false},
	} {
		if got := c.d.disturbs(); got != c.want {
			t.Errorf("%v: %v", c.d, got)
		}
	}
}

// fakeMachine disturbs what runs on it. While it is waited for, it does that waits times.
func fakeMachine(did disturbance, waits int) *machine {
	waiting := false
	return &machine{
		patience: patience,
		exert: func(_ context.Context, d time.Duration) {
			waiting = true
			time.Sleep(d)
		},
		watch: func(context.Context) func() disturbance {
			return func() disturbance {
				if waiting {
					waiting = false
					if waits--; waits < 0 {
						return disturbance{}
					}
				}
				return did
			}
		},
	}
}

func TestScenarioIsTriedAgainWhereTheMachineIsToBlame(t *testing.T) {
	for _, c := range []struct {
		did  disturbance
		runs []int
	}{{disturbance{still: time.Second}, []int{1, 2, tries}}, {disturbance{}, []int{1}}} {
		for _, want := range c.runs {
			on := fakeMachine(c.did, 0)
			on.patience = 0
			runs := 0
			judge(t, on, func(_ *testing.T, _ int, f *Findings) {
				runs++
				f.Claim("a", runs == want, "")
			}, 0, unkept)
			if runs != want {
				t.Errorf("run %d times, want %d", runs, want)
			}
			runs = 0
			judge(t, on, func(_ *testing.T, _ int, f *Findings) {
				runs++
				f.Claim("a", runs < want, "")
			}, 0, Twin[int]{Breaks: []string{"a"}}.unbroken)
			if runs != want {
				t.Errorf("a twin is run %d times, want %d", runs, want)
			}
		}
	}
}

func TestAnotherTryIsAloneOnACalmMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := fakeMachine(disturbance{stolen: 1}, 3)
		begin := time.Now()
		leave := on.enter(t, 1)
		on.enter(t, 1)() // beside it
		if on.room.TryLock() {
			t.Fatal("a second try would not be alone")
		}
		leave()
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("the first try has waited %v", waited)
		}
		leave = on.enter(t, 2)
		if waited := time.Since(begin); waited != 4*probe || on.patience != patience-3*probe {
			t.Errorf("the second try has waited %v, and there is %v of patience left", waited, on.patience)
		}
		if on.room.TryRLock() {
			t.Fatal("a first try would run beside a second one")
		}
		leave()
		on.enter(t, 1)()
	})
}

func TestPatienceHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := fakeMachine(disturbance{stolen: 1}, 1_000_000)
		begin := time.Now()
		on.enter(t, 2)()
		on.enter(t, 3)()
		if waited := time.Since(begin); waited != patience {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestExertionIsWork(t *testing.T) {
	const d = 500 * time.Millisecond
	used := func() time.Duration {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			t.Fatal(err)
		}
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	begin, before := time.Now(), used()
	exert(t.Context(), d)
	if took, work := time.Since(begin), used()-before; took < d || work < d/20 {
		t.Errorf("worked for %v within %v", work, took)
	}
}

func TestTimesOfTheProcessors(t *testing.T) {
	before := parseTimes("cpu  100 10 20 300 5 0 5 60 7 8\ncpu0 1 2 3\n")
	if before != (times{all: 500, stolen: 60}) {
		t.Errorf("%+v", before)
	}
	if share := (times{all: 900, stolen: 100}).stolenSince(before); share != .1 {
		t.Errorf("%v", share)
	}
	for _, text := range []string{"", "cpu", "cpu 1 2 3 4 5 6 7\n", "intr 1 2 3 4 5 6 7 8\n"} {
		if got := parseTimes(text); got != (times{}) || got.stolenSince(got) != 0 {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestStandstillIsSeen(t *testing.T) {
	at := time.Unix(0, 0)
	s := stillness{last: at}
	for _, after := range []time.Duration{tick, tick + time.Second, tick / 2, tick} {
		at = at.Add(after)
		s.see(at)
	}
	if s.longest != time.Second {
		t.Errorf("%v", s.longest)
	}
	end := watch(t.Context())
	if d := end(); d.still != 0 {
		t.Errorf("%v, before the first look", d)
	}
}

func TestMetric(t *testing.T) {
	const text = `# HELP gabion_x_total Things.
# TYPE gabion_x_total counter
gabion_x_total{route="a",code="2xx"} 3
gabion_x_total{route="b",code="2xx"} 4
gabion_x_total{route="b",code="5xx"} 1e+02
gabion_x_total_more{route="b",code="2xx"} 1000
go_goroutines 12
`
	for _, c := range []struct {
		name   string
		labels []string
		sum    float64
		series int
	}{
		{"gabion_x_total", nil, 107, 3},
		{"gabion_x_total", []string{`code="2xx"`}, 7, 2},
		{"gabion_x_total", []string{`code="2xx"`, `route="b"`}, 4, 1},
		{"gabion_y_total", nil, 0, 0},
		{"go_goroutines", nil, 12, 1},
	} {
		if sum, series := metric(t, text, c.name, c.labels); sum != c.sum || series != c.series {
			t.Errorf("%s %v: %v of %d series, want %v of %d", c.name, c.labels, sum, series, c.sum, c.series)
		}
	}
}

func TestRaw(t *testing.T) {
	b := backend.Start(t, "b1", backend.Behaviour{})
	g := &Gateway{Address: b.Address()}
	conn := g.Dial(t, 10*time.Second)
	answer, err := conn.Ask("GET", "GET /item HTTP/1.1\r\nHost: x\r\nX-Load-Id: a\r\nX-Load-Size: 10\r\n\r\n")
	if err != nil || answer.Status != 200 || len(answer.Body) != 10 || answer.Close {
		t.Errorf("answered %+v, %v", answer, err)
	}
	answer, err = conn.Ask("GET", "nonsense\r\n\r\n")
	if err != nil || answer.Status != 400 || !answer.Close || !conn.Closed() {
		t.Errorf("answered %+v, %v", answer, err)
	}
	if g.Dial(t, 200*time.Millisecond).Closed() {
		t.Error("an open connection looks closed")
	}
}

func TestTheBinaryIsBuiltOnce(t *testing.T) {
	first := Binary(t)
	if second := Binary(t); second != first {
		t.Errorf("%s and %s", first, second)
	}
	if code, stdout, stderr := process.Run(t, 20*time.Second, exec.Command(first, "version")); code != 0 || stdout == "" {
		t.Errorf("version ended with %d: %s%s", code, stdout, stderr)
	}
}
