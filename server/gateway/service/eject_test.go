package service

import (
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/status"
)

// ejected counts who is out.
func (w *world) ejected() (n int) {
	for _, e := range w.s.Snapshot(gabion.Now()).Endpoints {
		if e.State == status.Ejected || e.State == status.Trial {
			n++
		}
	}
	return n
}

func TestSomeAlwaysStay(t *testing.T) {
	const d, f = "10.0.0.4:80", "10.0.0.5:80"
	for _, tt := range []struct {
		name      string
		endpoints []string
		share     gabion.Share
		want      int
	}{
		{"the only one is never ejected", []string{a}, 1, 0},
		{"of two at most one", []string{a, b}, 1, 1},
		{"of three at half one", []string{a, b, c}, 0.5, 1},
		{"of four at half two", []string{a, b, c, d}, 0.5, 2},
		{"a small share is still one", []string{a, b, c, d}, 0.1, 1},
		{"one stays whatever the share", []string{a, b, c, d, f}, 1, 4},
	} {
		inTime(t, tt.name, func(t *testing.T) {
			cfg := withoutBreaker(serviceOf(tt.endpoints...))
			cfg.Health.Passive.Config = config.PassiveHealth{MaxEjected: tt.share}
			w := newWorld(t, cfg)
			for range 3 {
				for _, address := range tt.endpoints {
					w.fails(address, 50)
				}
			}
			if n := w.ejected(); n != tt.want {
				t.Errorf("%d are ejected, want %d", n, tt.want)
			}
			w.pick()
		})
	}
}

func TestTheLastThatIsWellIsNotEjected(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		w := newWorld(t, withoutBreaker(withChecks(serviceOf(a, b, c))))
		w.set("503", a, b)
		wait(10 * time.Second)
		w.wantState(a, status.Unhealthy)
		w.fails(c, 50)
		w.wantState(c, status.Healthy)
	})
}

func TestAnEjectedEndpointIsLetInWhenTheOthersAreRemoved(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		w := newWorld(t, serviceOf(a, b))
		w.fails(a, 5)
		w.wantState(a, status.Ejected)
		if err := w.s.Update(serviceOf(a)); err != nil {
			t.Fatal(err)
		}
		w.wantState(a, status.SlowStart)
		w.wantTold(event.KindEjection, "in > ejected", "ejected > in (too few other endpoints are left)")
		if !w.request(0) {
			t.Error("a request failed")
		}
	})
}

func TestAPageThatTurnsGreenBringsTrialsForward(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		cfg := withChecks(serviceOf(a, b, c))
		cfg.Health.Passive.Config.EjectFor = time.Hour
		w := newWorld(t, cfg)
		w.set("500", a)
		w.run(200, 5*time.Second)
		w.set("", a)
		w.run(200, 10*time.Second)
		w.wantState(a, status.SlowStart)
		w.wantTold(event.KindEjection, "in > ejected", "ejected > trial", "trial > in (its trial requests succeeded)")
	})
}

func TestARetryIsNoTrial(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		w := newWorld(t, serviceOf(a, b, c))
		w.fails(a, 5)
		wait(11 * time.Second)
		var tried []*Endpoint
		for range 2 { // as if the first attempts had been picked before
			w.s.mu.Lock()
			tried = append(tried, w.s.endpoints[1+len(tried)])
			w.s.mu.Unlock()
			l := w.pick(tried...)
			if len(tried) == 1 && l.Endpoint.Name() != c {
				t.Errorf("the retry became a trial of %v although another was there", l.Endpoint)
			}
			if len(tried) == 2 && l.Endpoint.Name() != a {
				t.Errorf("the last attempt went to %v, where it was before, and not to the one to be tried", l.Endpoint)
			}
		}
	})
}
