package service

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/status"
)

func (w *world) update(cfg config.Service) {
	w.t.Helper()
	if err := w.s.Update(cfg); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) names() (names []string) {
	for _, e := range w.s.Snapshot(gabion.Now()).Endpoints {
		names = append(names, e.Name)
	}
	return names
}

func TestUpdateKeepsWhatStays(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		w := newWorld(t, withChecks(serviceOf(a, b, c)))
		w.set("503", b)
		w.run(200, 5*time.Second)
		before, breaker := w.status(a), w.s.Breaker()
		w.wantState(b, status.Unhealthy)
		next := withChecks(serviceOf(c, b, a))
		next.Endpoints[2].Weight = 7
		next.Balance = "round_robin"
		w.update(next)
		after := w.status(a)
		if after.Weight != 7 || after.State != before.State {
			t.Errorf("before %+v, after %+v", before, after)
		}
		if before.Codes["2xx"] == 0 || !maps.Equal(after.Codes, before.Codes) || !reflect.DeepEqual(after.Duration, before.Duration) {
			t.Errorf("what was counted is gone: before %+v, after %+v", before, after)
		}
		w.wantState(b, status.Unhealthy)
		if w.s.Breaker() != breaker {
			t.Error("the service has another breaker")
		}
		for _, address := range []string{a, b, c} {
			w.of(address, func(r *replica) {
				if r.dialled != 1 || r.closed != 0 || r.dropped > 0 && address != b {
					t.Errorf("the transport of %s was touched: %+v", address, r)
				}
			})
		}
	})
}

func TestANewEndpointStartsSlowly(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		w := newWorld(t, serviceOf(a, b))
		w.wantState(a, status.Healthy) // not slow: the service has just been made
		w.run(200, time.Second)
		w.update(serviceOf(a, b, c))
		w.wantState(c, status.SlowStart)
		added := time.Now()
		w.run(200, 20*time.Second)
		first, later := w.served(c, added, time.Second), w.served(c, added.Add(15*time.Second), time.Second)
		if first > 30 || later < 45 {
			t.Errorf("it got %d requests in its first second, and %d after 15 s", first, later)
		}
	})
	inTime(t, "all are new", func(t *testing.T) {
		w := newWorld(t, serviceOf(a, b))
		w.update(serviceOf(c, spare))
		if l := w.run(200, 5*time.Second); l.failed > 0 {
			t.Errorf("%d requests failed", l.failed)
		}
	})
}

func TestARemovedEndpointFinishes(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		w := newWorld(t, serviceOf(a))
		one, two := w.pick(), w.pick()
		w.update(serviceOf(b))
		w.wantState(a, status.Draining)
		closed := func() (n int) { w.of(a, func(r *replica) { n = r.closed }); return n }
		one.Done(gabion.Now(), Result{Outcome: gabion.Success, Status: 200, Reached: true})
		if closed() != 0 {
			t.Error("its transport was closed with a request in flight")
		}
		two.Done(gabion.Now(), Result{Outcome: gabion.Failure, Err: errors.New("reset"), Reached: true})
		if closed() != 1 || !slices.Equal(w.names(), []string{b}) {
			t.Errorf("after its last request, its transport was closed %d times, and there are %v", closed(), w.names())
		}
		if w.pick().Endpoint.Name() != b {
			t.Error("it is still chosen")
		}
	})
	inTime(t, "nothing in flight", func(t *testing.T) {
		w := newWorld(t, serviceOf(a, b))
		w.update(serviceOf(b))
		w.of(a, func(r *replica) {
			if r.closed != 1 {
				t.Errorf("its transport was closed %d times", r.closed)
			}
		})
	})
}

func TestUpdateChangesThePolicies(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		w := newWorld(t, withChecks(serviceOf(a, b)))
		for name, missing := range map[string]bool{
			"breaker": w.s.Breaker() == nil, "retry": w.s.Retry() == nil, "bulkhead": w.s.Bulkhead() == nil, "timeout": w.s.Timeouts() == nil,
		} {
			if missing {
				t.Errorf("there is no %s", name)
			}
		}
		w.set("503", a)
		wait(10 * time.Second)
		w.wantState(a, status.Unhealthy)
		w.fails(b, 5)

		off := serviceOf(a, b)
		off.Breaker.Off, off.Retry.Off, off.Bulkhead.Off, off.Timeout.Off = true, true, true, true
		off.Health.Active.Off, off.Health.Passive.Off = true, true
		held := w.pick() // with a ticket of the breaker that goes
		w.update(off)
		held.Done(gabion.Now(), Result{Outcome: gabion.Success})
		if w.s.Breaker() != nil || w.s.Retry() != nil || w.s.Bulkhead() != nil || w.s.Timeouts() != nil {
			t.Error("a policy is still there")
		}
		st := w.s.Snapshot(gabion.Now())
		if st.Breaker != nil || st.Bulkhead != nil || st.Budget != nil || st.Endpoints[0].Breaker != nil {
			t.Errorf("the status is %+v", st)
		}
		w.wantState(a, status.SlowStart) // no check says anything against it any more
		w.fails(a, 100)
		w.fails(b, 100)
		if n := w.ejected(); n > 0 {
			t.Errorf("%d are ejected although that is off", n)
		}

		on := serviceOf(a, b)
		on.Timeout.Config.Config.Total = 7 * time.Second
		w.update(on)
		if w.s.Breaker() == nil || w.s.Timeouts().Total() != 7*time.Second || w.status(a).Breaker == nil {
			t.Error("a policy is not back")
		}
		on.Timeout.Config.Config.Total = 8 * time.Second
		timeouts := w.s.Timeouts()
		w.update(on)
		if w.s.Timeouts() != timeouts || timeouts.Total() != 8*time.Second {
			t.Error("the timeout was not updated in place")
		}
	})
}

func TestChecksFollowTheirConfiguration(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		w := newWorld(t, serviceOf(a, b))
		w.set("503", a)
		wait(time.Minute)
		w.wantState(a, status.Healthy) // nobody asks
		w.set("hangs", b)
		w.update(withChecks(serviceOf(a, b)))
		w.wantState(b, status.Unknown) // its first check runs
		w.set("", b)
		wait(time.Minute)
		w.wantState(a, status.Unhealthy)
		faster := withChecks(serviceOf(a, b))
		faster.Health.Active.Config.Interval = 100 * time.Millisecond
		w.update(faster)
		w.wantState(a, status.Unhealthy)
		w.set("", a)
		wait(300 * time.Millisecond)
		w.wantState(a, status.SlowStart)
	})
}

func TestAnotherConnectTimeoutNeedsAnotherTransport(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		w := newWorld(t, serviceOf(a))
		cfg := serviceOf(a)
		cfg.Timeout.Config.Connect = time.Second
		w.update(cfg)
		if got := w.pick().Endpoint.Transport().(fakeTransport).connect; got != time.Second {
			t.Errorf("the transport connects within %v", got)
		}
		w.of(a, func(r *replica) {
			if r.dialled != 2 || r.closed != 1 {
				t.Errorf("%d transports were made, %d closed", r.dialled, r.closed)
			}
		})
	})
}

func TestBadConfigurationsChangeNothing(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		w := newWorld(t, serviceOf(a, b))
		bad := serviceOf(c)
		bad.Endpoints = append(bad.Endpoints, config.Endpoint{URL: "http://[::1"}, config.Endpoint{URL: "no-host"})
		bad.Breaker.Config.Config.FailureRate = 7
		bad.Retry.Config.Config.Attempts = -3
		err := w.s.Update(bad)
		for _, part := range []string{"[::1", "no-host", "breaker: failure_rate", "retry: attempts"} {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("the error does not name %q: %v", part, err)
			}
		}
		if !slices.Equal(w.names(), []string{a, b}) || !w.request(0) {
			t.Errorf("the endpoints are %v", w.names())
		}
		if _, err := New("x", bad, Options{}); err == nil {
			t.Error("New takes a bad configuration")
		}
		w.s.Close()
		if err := w.s.Update(serviceOf(a)); !errors.Is(err, errClosed) {
			t.Errorf("an update after Close: %v", err)
		}
	})
}

func TestEveryAddressIsOneEndpoint(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		cfg := config.Service{Endpoints: []config.Endpoint{
			{URL: "http://10.0.0.1"}, {URL: "https://10.0.0.1"}, {URL: "h2c://10.0.0.1:80"}, {URL: "http://localhost:9001"}, {URL: "http://[2001:db8::1]:81"},
		}}
		w := newWorld(t, cfg)
		want := []string{"10.0.0.1:80", "10.0.0.1:443", "h2c://10.0.0.1:80 at 10.0.0.1:80", "localhost:9001", "[2001:db8::1]:81"}
		if !slices.Equal(w.names(), want) {
			t.Errorf("the endpoints are %q", w.names())
		}
	})
}
