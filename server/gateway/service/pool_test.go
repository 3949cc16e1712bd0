package service

import (
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/status"
)

func TestFailOpenWhenAllLookUnhealthy(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		w := newWorld(t, withChecks(serviceOf(a, b, c)))
		w.of(a, func(r *replica) { r.page = "green" })
		for _, address := range []string{a, b, c} { // the pages fail, the endpoints work
			w.of(address, func(r *replica) { r.mode, r.page = "503", "" })
		}
		wait(10 * time.Second)
		w.set("", a, b, c)
		if l := w.run(200, 500*time.Millisecond); l.failed > 0 {
			t.Errorf("%d requests failed", l.failed)
		}
		w.wantState(a, status.Unhealthy)
		if !w.s.Snapshot(gabion.Now()).FailOpen {
			t.Error("it does not fail open")
		}
		if l := w.run(200, 30*time.Second); l.failed > 0 {
			t.Errorf("%d requests failed on the way back", l.failed)
		}
		w.wantTold(event.KindFailOpen, "closed > open", "open > closed")
		w.wantState(a, status.Healthy)
	})
}

// When the checks alone were wrong, and turn green one after the other, the first must not get everything.
func TestLeavingFailOpenIsGradual(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		w := newWorld(t, withChecks(serviceOf(a, b, c)))
		w.set("503", a, b, c)
		wait(10 * time.Second)
		for _, address := range []string{a, b, c} {
			w.of(address, func(r *replica) { r.mode = "" })
		}
		if l := w.run(200, 20*time.Second); l.failed > 0 {
			t.Errorf("%d requests failed", l.failed)
		}
		for _, address := range []string{a, b, c} {
			for second := range 5 {
				if n := w.served(address, w.started.Add(time.Duration(10+second)*time.Second), time.Second); n > 134 {
					t.Errorf("%s got %d requests in second %d, normal are 67", address, n, second)
				}
			}
		}
	})
}

func TestStandbyTakesOverAndGivesBack(t *testing.T) {
	for _, checks := range []bool{false, true} {
		name := map[bool]string{false: "by real requests", true: "with checks"}[checks]
		inTime(t, name, func(t *testing.T) {
			cfg := serviceOf(a)
			cfg.Standby = endpoints(spare)
			if checks {
				cfg = withChecks(cfg)
			}
			w := newWorld(t, cfg)
			w.run(200, 5*time.Second)
			if n := w.served(spare, w.started, time.Hour); n > 0 {
				t.Errorf("the standby got %d requests while the primary was well", n)
			}
			w.set("refuses", a)
			if l := w.run(200, 20*time.Second); l.failed > 0 {
				t.Errorf("%d requests failed", l.failed)
			}
			if !w.s.Snapshot(gabion.Now()).StandbyActive {
				t.Error("the standby is not active")
			}
			w.set("", a)
			for i := 0; w.s.Snapshot(gabion.Now()).StandbyActive && i < 400; i++ {
				w.run(200, 100*time.Millisecond)
			}
			back := time.Now()
			if l := w.run(200, 20*time.Second); l.failed > 0 {
				t.Errorf("%d requests failed when the primary was back", l.failed)
			}
			first, later := w.served(a, back, time.Second), w.served(a, back.Add(15*time.Second), time.Second)
			if first < 10 || first > 50 || later != 200 {
				t.Errorf("the primary got %d requests in its first second, and %d after 15 s, of 200", first, later)
			}
			w.wantTold(event.KindStandby, "primary > standby (no primary", "standby > primary (a primary")
			if got := w.told(event.KindFailOpen); len(got) > 0 {
				t.Errorf("with a standby, it failed open: %v", got)
			}
		})
	}
}

func TestStandbyIsNotUsedForOneOfSeveral(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		cfg := withChecks(serviceOf(a, b))
		cfg.Standby = endpoints(spare)
		w := newWorld(t, cfg)
		w.set("503", a)
		wait(10 * time.Second)
		w.run(200, 5*time.Second)
		if n := w.served(spare, w.started, time.Hour); n > 0 {
			t.Errorf("the standby got %d requests", n)
		}
	})
}
