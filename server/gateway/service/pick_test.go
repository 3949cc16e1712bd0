package service

import (
	"context"
	"errors"
	"maps"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/status"
)

func wantUnavailable(t *testing.T, err error) *gabion.Error {
	t.Helper()
	var refusal *gabion.Error
	if !errors.As(err, &refusal) || !errors.Is(err, ErrUnavailable) || !errors.Is(err, gabion.ErrRejected) {
		t.Fatalf("the error is %v, want ErrUnavailable", err)
	}
	if after := refusal.RetryAfter(); after <= 0 || after > 6*time.Second {
		t.Errorf("retry after %v: %v", after, err)
	}
	if refusal.Cause == nil || !strings.Contains(err.Error(), "catalog") {
		t.Errorf("the error does not say what failed: %v", err)
	}
	return refusal
}

func TestAnotherEndpointIsTriedFirst(t *testing.T) {
	inTime(t, "three", func(t *testing.T) {
		w := newWorld(t, serviceOf(a, b, c))
		for range 100 {
			var tried []*Endpoint
			seen := map[string]bool{}
			for range 3 {
				l := w.pick(tried...)
				seen[l.Endpoint.Name()] = true
				tried = append(tried, l.Endpoint)
				l.Done(gabion.Now(), Result{Outcome: gabion.Ignored})
			}
			if len(seen) != 3 {
				t.Fatalf("three attempts went to %v", tried)
			}
			w.pick(tried...).Done(gabion.Now(), Result{Outcome: gabion.Ignored}) // all were tried: any again
		}
	})
	inTime(t, "the standby before the only one again", func(t *testing.T) {
		cfg := serviceOf(a)
		cfg.Standby = endpoints(spare)
		w := newWorld(t, cfg)
		first := w.pick()
		second := w.pick(first.Endpoint)
		if first.Endpoint.Name() != a || second.Endpoint.Name() != spare {
			t.Errorf("the attempts went to %v and %v", first.Endpoint, second.Endpoint)
		}
		if w.s.Snapshot(gabion.Now()).StandbyActive {
			t.Error("a single retry made the standby active")
		}
	})
}

func TestInFlightIsCounted(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		w := newWorld(t, serviceOf(a, b))
		one, two := w.pick(), w.pick()
		if one.Endpoint == two.Endpoint || one.Endpoint.InFlight() != 1 {
			t.Errorf("two requests at once went to %v and %v", one.Endpoint, two.Endpoint)
		}
		for _, l := range []Lease{one, two} {
			l.Done(gabion.Now(), Result{Outcome: gabion.Success, Status: 200, Reached: true})
		}
		if st := w.status(a); st.InFlight != 0 || st.Requests != 1 || st.Errors != 0 {
			t.Errorf("the status is %+v", st)
		}
	})
}

func TestAttemptsAreCountedByAnswer(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		w := newWorld(t, serviceOf(a))
		broke := errors.New("reset")
		for _, r := range []Result{
			{Outcome: gabion.Success, Status: 204, Reached: true, Took: 20 * time.Millisecond},
			{Outcome: gabion.Success, Status: 404, Reached: true, Took: 20 * time.Millisecond},
			{Outcome: gabion.Success, Status: 999, Reached: true, Took: 20 * time.Millisecond},
			{Outcome: gabion.Failure, Status: 503, Reached: true, Took: 2 * time.Second},
			{Outcome: gabion.Failure, Reached: true, Err: broke}, // after 1 s
			{Outcome: gabion.Ignored, Reached: true, Err: broke}, // its client went away
		} {
			w.pick().Done(gabion.Now()+time.Second, r)
		}
		st := w.status(a)
		if want := map[string]uint64{"2xx": 1, "4xx": 1, "5xx": 1, "none": 2, "other": 1}; !maps.Equal(st.Codes, want) || st.Requests != 6 {
			t.Errorf("%v, %d in all", st.Codes, st.Requests)
		}
		seen := map[float64]uint64{}
		for _, bucket := range st.Duration.Buckets {
			if bucket.Count > 0 {
				seen[bucket.LE] = bucket.Count
			}
		}
		if want := map[float64]uint64{.025: 3, 1: 1, 2.5: 1}; !maps.Equal(seen, want) || math.Abs(st.Duration.Sum-3.06) > 1e-9 {
			t.Errorf("durations %v, %v s in all", seen, st.Duration.Sum)
		}
	})
}

func TestAnOpenBreakerSendsToAnother(t *testing.T) {
	inTime(t, "", func(t *testing.T) {
		cfg := serviceOf(a, b)
		cfg.Health.Passive.Off = true
		cfg.Breaker.Config.DropConnections = true
		w := newWorld(t, cfg)
		w.fails(a, 20)
		w.of(a, func(r *replica) {
			if r.dropped != 1 {
				t.Errorf("when its breaker opened, its connections were dropped %d times", r.dropped)
			}
		})
		w.wantTold(event.KindBreaker, a+": closed > open (20 of 20 calls failed)")
		w.wantState(a, status.Ejected)
		if st := w.status(a); st.Breaker.State != status.Open || st.Breaker.RetryAfter <= 0 || st.Errors != 20 {
			t.Errorf("the status is %+v", st)
		}
		w.run(100, time.Second)
		if n := w.served(a, w.started, time.Hour); n > 0 {
			t.Errorf("the one with the open breaker got %d requests", n)
		}
		w.run(100, 20*time.Second)
		w.wantState(a, status.Healthy)
		w.wantTold(event.KindBreaker, "closed > open", a+": open > half_open", a+": half_open > closed")
	})
	inTime(t, "connections stay when told so", func(t *testing.T) {
		cfg := serviceOf(a, b)
		cfg.Breaker.Config.DropConnections = false
		w := newWorld(t, cfg)
		w.fails(a, 20)
		w.of(a, func(r *replica) {
			if r.dropped != 0 {
				t.Errorf("the connections were dropped %d times", r.dropped)
			}
		})
	})
}

func TestNothingIsLeft(t *testing.T) {
	inTime(t, "one endpoint", func(t *testing.T) {
		w := newWorld(t, serviceOf(a))
		w.fails(a, 20)
		_, err := w.s.Pick(gabion.Now(), 0, nil)
		refusal := wantUnavailable(t, err)
		if after := refusal.RetryAfter(); after < 4*time.Second {
			t.Errorf("come back after %v, but the breaker is open for 5 s", after)
		}
		if !strings.Contains(err.Error(), "status 500") {
			t.Errorf("the cause is missing: %v", err)
		}
		wait(refusal.RetryAfter())
		if !w.request(0) {
			t.Error("who came back when told to was refused")
		}
	})
	inTime(t, "no endpoint at all", func(t *testing.T) {
		hosts := &addresses{err: errors.New("no such host")}
		w := newWorld(t, serviceOf("catalog.internal:80"), func(o *Options) { o.Resolver = hosts })
		_, err := w.s.Pick(gabion.Now(), 0, nil)
		wantUnavailable(t, err)
	})
}

func TestWhatDoesNotCount(t *testing.T) {
	for name, r := range map[string]Result{
		"429":             {Outcome: gabion.Failure, Reached: true, Status: 429},
		"the client left": {Outcome: gabion.Ignored, Err: context.Canceled},
	} {
		inTime(t, name, func(t *testing.T) {
			w := newWorld(t, serviceOf(a, b, c))
			for range 200 {
				w.pick().Done(gabion.Now(), r)
			}
			for _, e := range w.s.Snapshot(gabion.Now()).Endpoints {
				if e.State != status.Healthy || e.Errors != 0 || e.Breaker.State != status.Closed {
					t.Errorf("after 200 of them: %+v", e)
				}
			}
		})
	}
}

func TestSlowCallsAreMeasuredToTheHeadOfTheAnswer(t *testing.T) {
	for name, took := range map[string]gabion.Instant{"a long download": 50 * time.Millisecond, "a slow answer": time.Minute} {
		inTime(t, name, func(t *testing.T) {
			cfg := serviceOf(a)
			cfg.Breaker.Config.Config = breaker.Config{SlowCall: time.Second}
			w := newWorld(t, cfg)
			var leases []Lease
			for range 20 {
				leases = append(leases, w.pick())
			}
			wait(time.Minute)
			for _, l := range leases {
				l.Done(gabion.Now(), Result{Outcome: gabion.Success, Reached: true, Status: 200, Took: took})
			}
			if open := w.status(a).Breaker.State == status.Open; open != (took > time.Second) {
				t.Errorf("the breaker is open: %v", open)
			}
		})
	}
}

// Many goroutines at once, while everything changes around them.
func TestConcurrency(t *testing.T) {
	w := &world{t: t, replicas: map[string]*replica{}}
	cfg := serviceOf(a, b, c)
	cfg.Standby = endpoints(spare)
	s, err := New("catalog", cfg, Options{Events: w, Transport: func(target Target) Transport { return fakeTransport{w, target.Address, 0} }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	s.Start(ctx)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 3000 {
				l, err := s.Pick(gabion.Now(), uint64(i), nil)
				if err != nil {
					continue
				}
				r := Result{Outcome: gabion.Outcome(i * worker % 3), Reached: true, Status: 200 + 300*(i%2)}
				l.Done(gabion.Now(), r)
			}
		})
	}
	for i := range 50 {
		next := serviceOf([]string{a, b, c}[:1+i%3]...)
		next.Health.Passive.Config = config.PassiveHealth{EjectFor: time.Millisecond, ConsecutiveErrors: 2}
		next.Breaker.Off = i%5 == 0
		if err := s.Update(next); err != nil {
			t.Error(err)
		}
		s.Snapshot(gabion.Now())
	}
	all.Wait()
	cancel()
	for _, e := range s.Snapshot(gabion.Now()).Endpoints {
		if e.InFlight != 0 || e.State == status.Draining {
			t.Errorf("after all have ended: %+v", e)
		}
	}
}
