package load

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/backend"
	"github.com/gabion-io/gabion/test/process"
)

func TestMain(m *testing.M) {
	if process.Role() == backend.Role {
		backend.Main()
		return
	}
	os.Exit(m.Run())
}

func run(t *testing.T, l Load, b *backend.Backend) *Report {
	t.Helper()
	l.Target = b.Address
	return l.Start(t.Context()).Wait()
}

func TestEverythingIsCounted(t *testing.T) {
	b := backend.Start(t, "b1", backend.Behaviour{Work: 2 * time.Millisecond})
	r := run(t, Load{Rate: 100, For: 3 * time.Second}, b)
	if len(r.All()) != 300 || len(r.Get()) != 240 || len(r.Post()) != 60 || len(r.All().Failed()) != 0 || len(r.All().By("b1")) != 300 {
		t.Errorf("GET %v, POST %v", r.Get(), r.Post())
	}
	if got := r.All().PerSecond(); len(got) != 3 || got[0] != 100 || got[2] != 100 {
		t.Errorf("per second %v", got)
	}
	if n := backend.Arrivals(t, b); n != 300 {
		t.Errorf("the backend has seen %d", n)
	}
	if twice := backend.Twice(t, "POST", b); len(twice) != 0 {
		t.Errorf("executed twice: %v", twice)
	}
	if p50 := r.All().Quantile(.5); p50 < 2*time.Millisecond {
		t.Errorf("the median is %v, less than the work", p50)
	}
}

// Every kind of failure is seen, and as what it is.
func TestFailuresAreSeen(t *testing.T) {
	b := backend.Start(t, "b1", backend.Behaviour{})
	const short = "HTTP/1.1 200 OK\r\nConnection: close\r\nX-Load-Backend: b1\r\nContent-Length: 3\r\n\r\nabc"
	for _, c := range []struct {
		name      string
		behaviour backend.Behaviour
		want      Result
		status    int
	}{
		{"another status", backend.Behaviour{Mode: backend.Status, Status: 503}, Whole, 503},
		{"no answer", backend.Behaviour{Mode: backend.Hang}, Late, 0},
		{"half an answer", backend.Behaviour{Mode: backend.Cut}, Broken, 200},
		{"an answer that is not HTTP", backend.Behaviour{Mode: backend.Garbage}, Broken, 0},
		{"another's answer that looks complete", backend.Behaviour{Mode: backend.Raw, Raw: short}, Wrong, 200},
	} {
		b.Set(t, c.behaviour)
		r := run(t, Load{Rate: 50, For: 200 * time.Millisecond, Deadline: 2 * time.Second}, b)
		if len(r.All()) != 10 || len(r.All().Result(c.want)) != 10 || len(r.All().Status(c.status)) != 10 || len(r.All().Failed()) != 10 {
			t.Errorf("%s: %v", c.name, r.All())
		}
	}
	b.Kill(t)
	if r := run(t, Load{Rate: 50, For: 200 * time.Millisecond}, b); len(r.All().Result(Unreachable)) != 10 {
		t.Errorf("killed: %v", r.All())
	}
}

func TestDoubleExecutionIsSeen(t *testing.T) {
	b := backend.Start(t, "b1", backend.Behaviour{})
	for range 2 {
		run(t, Load{Rate: 50, For: 200 * time.Millisecond}, b)
	}
	if twice := backend.Twice(t, "POST", b); len(twice) != 2 {
		t.Errorf("executed twice: %v", twice)
	}
}

// The loop is open: while the backend stands still requests go on being due, and their wait counts in full.
func TestLatencyCountsFromTheIntendedStart(t *testing.T) {
	b := backend.Start(t, "b1", backend.Behaviour{})
	l := Load{Rate: 100, For: 2 * time.Second, Deadline: 20 * time.Second, Target: b.Address}
	running := l.Start(t.Context())
	running.At(500 * time.Millisecond)
	b.Freeze(t)
	running.At(1500 * time.Millisecond)
	b.Thaw(t)
	r := running.Wait()
	if len(r.All()) != 200 || len(r.All().Failed()) != 0 {
		t.Fatalf("%v", r.All())
	}
	// Those due in the middle of the pause waited for its second half.
	for _, s := range r.All().Between(800*time.Millisecond, 900*time.Millisecond) {
		if s.Took < 550*time.Millisecond {
			t.Errorf("due after %v, answered after %v: the pause is not in the figures", s.At, s.Took)
		}
	}
}

func TestEnd(t *testing.T) {
	b := backend.Start(t, "b1", backend.Behaviour{})
	running := Load{Rate: 100, For: time.Hour / 10, Target: b.Address}.Start(t.Context())
	running.At(200 * time.Millisecond)
	r := running.End()
	if n := len(r.All()); n < 10 || n > 200 || len(r.All().Failed()) != 0 {
		t.Errorf("%v", r.All())
	}
	if running.Elapsed() < 200*time.Millisecond {
		t.Errorf("ended after %v", running.Elapsed())
	}
}

func TestQuantile(t *testing.T) {
	var s Samples
	for i := range 100 {
		s = append(s, Sample{Took: time.Duration(i + 1)})
	}
	for q, want := range map[float64]time.Duration{.5: 50, .99: 99, 1: 100, 0: 1} {
		if got := s.Quantile(q); got != want {
			t.Errorf("quantile %v is %d, want %d", q, got, want)
		}
	}
	if (Samples{}).Quantile(.5) != 0 || (Samples{}).OKShare() != 0 {
		t.Error("of nothing there is something")
	}
}

// What was under way while the machine stood still is known: here from 100 to 180 ms after the start.
func TestStalls(t *testing.T) {
	const ms = time.Millisecond
	s := Samples{
		{At: 0, Sent: 0, Took: 50 * ms},
		{At: 50 * ms, Sent: 51 * ms, Took: 60 * ms},     // ends within
		{At: 60 * ms, Sent: 60 * ms, Took: 200 * ms},    // lasts longer
		{At: 100 * ms, Sent: 180 * ms, Took: 90 * ms},   // was due when it began
		{At: 150 * ms, Sent: 181 * ms, Took: 35 * ms},   // was due within
		{At: 200 * ms, Sent: 220 * ms, Took: 1000 * ms}, // a little late
		{At: 250 * ms, Sent: 250 * ms, Took: 10 * ms},
		{At: 90 * ms, Sent: 90 * ms, Took: 900 * ms}, // hangs, whatever the machine does
	}
	s.markStalls()
	var awake []time.Duration
	for _, x := range s.Awake() {
		awake = append(awake, x.At/ms)
	}
	if !slices.Equal(awake, []time.Duration{0, 200, 250, 90}) {
		t.Errorf("awake were those due at %d", awake)
	}
}
