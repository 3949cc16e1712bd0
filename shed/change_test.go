package shed

import (
	"testing"
	"testing/synctest"
	"time"
)

// A shedder that knows nothing yet meets a large service: at its usual load it refuses nearly nothing, and at five times that
// it serves what can be served, from the beginning.
func TestColdStart(t *testing.T) {
	for _, test := range []struct {
		name  string
		times float64
	}{{"usual load", 0.7}, {"overload", 5}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := mustNew(t, Config{Deadline: deadline})
				l := newLoad(t, s, 100)
				l.run("begin", 200*time.Millisecond, test.times)
				l.run("", 800*time.Millisecond, test.times)
				l.report("begin")
				a := l.report("")
				if want := 0.9 * min(test.times, 1) * l.capacity(800*time.Millisecond); float64(a.good) < want {
					t.Errorf("%d answers in time, want %v", a.good, want)
				}
				if test.times < 1 && a.share(a.refused) > 0.01 {
					t.Errorf("refuses %.2f%% at the usual load", 100*a.share(a.refused))
				}
				if a.p99() > deadline {
					t.Errorf("the answers take %v", a.p99())
				}
			})
		})
	}
}

// At twice the load, the service gets three times slower, and then as fast as before. What it can do is used all the time,
// and as soon as the load is usual again, nothing is refused. While it is slow, one of a hundred calls takes 84 ms for itself.
func TestSlowDownAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, Config{Deadline: 150 * ms})
		l := newLoad(t, s, 10)
		l.run("before", 3*time.Second, 0.7)
		l.service.slowing.Store(300)
		l.run("slow", 6*time.Second, 2)
		slow := s.Snapshot()
		l.service.slowing.Store(100)
		l.run("fast", 3*time.Second, 2)
		l.run("settle", time.Second, 0.7)
		l.run("after", 3*time.Second, 0.7)
		goodput := func(phase string, lasted time.Duration, share float64) float64 {
			return float64(l.report(phase).good) / (l.capacity(lasted) * share)
		}
		if g := goodput("slow", 6*time.Second, 1./3); g < 0.85 {
			t.Errorf("%.0f%% of what it could do while it was slow: %+v", 100*g, slow)
		}
		if g := goodput("fast", 3*time.Second, 1); g < 0.9 {
			t.Errorf("%.0f%% of what it could do at once after", 100*g)
		}
		if a := l.report("after"); a.share(a.refused) > 0.01 {
			t.Errorf("refuses %.2f%% when all is well again: %+v", 100*a.share(a.refused), s.Snapshot())
		}
	})
}

// At 1.4 times the load, Brownout rises. A service that leaves out work because of it serves nearly everybody, and comes to
// rest there. When the load is over, it falls steadily.
func TestBrownoutRisesAndFalls(t *testing.T) {
	for name, heed := range map[string]bool{"heeded": true, "not heeded": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := mustNew(t, Config{Deadline: deadline})
				l := newLoad(t, s, 10)
				l.run("before", 3*time.Second, 0.7)
				if b := s.Brownout(); b != 0 {
					t.Errorf("%v at the usual load", b)
				}
				l.wg.Wait() // for those who ask what light is
				if heed {
					l.light = s.Brownout
				}
				l.run("rise", 4*time.Second, 1.4)
				risen := s.Brownout()
				l.run("overload", 8*time.Second, 1.4)
				rest := s.Brownout()
				a := l.report("overload")
				t.Logf("brownout %.2f, then %.2f", risen, rest)
				if heed && (a.share(a.refused) > 0.02 || rest < 0.4 || rest > 0.95) {
					t.Errorf("refuses %.1f%% at a brownout of %.2f", 100*a.share(a.refused), rest)
				}
				if !heed && (a.share(a.refused) < 0.2 || rest < 0.95) {
					t.Errorf("refuses %.1f%% at a brownout of %.2f", 100*a.share(a.refused), rest)
				}
				last := s.Brownout()
				for range 31 {
					time.Sleep(time.Second)
					now := s.Brownout()
					if now > last || now < last-0.04 {
						t.Fatalf("from %.3f to %.3f within a second", last, now)
					}
					last = now
				}
				if last != 0 {
					t.Errorf("%v when nothing has been lost for long", last)
				}
			})
		})
	}
}
