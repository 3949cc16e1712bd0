package gabion_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/fallback"
	"github.com/gabion-io/gabion/ratelimit"
	"github.com/gabion-io/gabion/retry"
	"github.com/gabion-io/gabion/shed"
	"github.com/gabion-io/gabion/timeout"
)

// must is for policies whose configuration is right.
func must[P any](p P, err error) P {
	if err != nil {
		panic(err)
	}
	return p
}

// tight are policies that would refuse the next call if one permit were lost, by kind. Each is made anew.
var tight = map[string]func() gabion.Policy{
	"breaker": func() gabion.Policy {
		return must(breaker.New(breaker.Config{MinCalls: 1000, Probes: 1, ProbeLease: time.Hour}))
	},
	"bulkhead": func() gabion.Policy { return must(bulkhead.New(bulkhead.Config{Concurrency: 1})) },
	"ratelimit.ServerTime": func() gabion.Policy {
		return must(ratelimit.NewServerTime(ratelimit.ServerTimeConfig{Concurrency: 1}))
	},
	"ratelimit.Requests": func() gabion.Policy {
		return must(ratelimit.NewRequests(ratelimit.RequestsConfig{Rate: ratelimit.Rate{Count: 1000, Per: time.Second}}))
	},
	"shed": func() gabion.Policy {
		return must(shed.New(shed.Config{Concurrency: 1, Deadline: time.Millisecond}))
	},
	"retry":    func() gabion.Policy { return must(retry.New(retry.Config{})) },
	"timeout":  func() gabion.Policy { return must(timeout.New(timeout.Config{})) },
	"fallback": func() gabion.Policy { return must(fallback.New(fallback.Config{}, fallback.Value("none", struct{}{}))) },
}

func TestTrap07NoPolicyLosesAPermit(t *testing.T) {
	for kind, fresh := range tight {
		for exit, leaves := range exits {
			t.Run(kind+" "+exit, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					pipe := newPipe(t, gabion.Config{}, fresh())
					for range 20 {
						leave(t, func() {
							pipe.Run(t.Context(), func(context.Context) error { leaves(); return nil })
						})
					}
					if err := pipe.Run(t.Context(), succeed); err != nil {
						t.Errorf("then: %v", err)
					}
					permit, err := pipe.Acquire(t.Context())
					if err != nil {
						t.Fatalf("then Acquire: %v", err)
					}
					permit.Done(gabion.Success, nil)
				})
			})
		}
	}
}

// The twin: these policies do hold permits while a call runs.
func TestTightPoliciesRefuseASecondCall(t *testing.T) {
	for _, kind := range []string{"bulkhead", "ratelimit.ServerTime", "shed"} {
		pipe := newPipe(t, gabion.Config{}, tight[kind]())
		err := pipe.Run(t.Context(), func(ctx context.Context) error {
			return pipe.Run(ctx, func(context.Context) error { t.Errorf("%s: called", kind); return nil })
		})
		if !errors.Is(err, gabion.ErrRejected) {
			t.Errorf("%s: got %v", kind, err)
		}
	}
}

func TestBreakerThatOpensBetweenTwoTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := must(breaker.New(breaker.Config{Name: "catalog", Consecutive: 1}))
		pipe := newPipe(t, gabion.Config{}, b, must(retry.New(retry.Config{Name: "catalog"})))
		calls := 0
		err := pipe.Run(t.Context(), func(context.Context) error { calls++; return errDown })
		if calls != 1 || !errors.Is(err, breaker.ErrOpen) || !errors.Is(err, errDown) {
			t.Errorf("%v after %d calls, want the refusal and the failure before it", err, calls)
		}
		if e, ok := errors.AsType[*gabion.Error](err); !ok || e.RetryAfter() < 4*time.Second {
			t.Errorf("%v does not say when to come back", err)
		}
	})
}

func TestTrap30RefusalsOpenNoBreaker(t *testing.T) {
	for name, position := range map[string]gabion.Position{"further in": gabion.PositionBulkhead, "further out": 1} {
		b := must(breaker.New(breaker.Config{Consecutive: 1, MinCalls: 1}))
		limit := &watcher{name: "limit", position: position, journal: new(journal), refuse: true}
		pipe := newPipe(t, gabion.Config{}, b, limit)
		for range 100 {
			if err := pipe.Run(t.Context(), succeed); !errors.Is(err, errShut) {
				t.Fatal(err)
			}
		}
		if s := b.Snapshot(gabion.Now()); s.State != breaker.Closed || s.Calls != 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestTrap31OneBadHostOpensOneBreaker(t *testing.T) {
	pipe := newPipe(t, gabion.Config{PerKey: func(host string) ([]gabion.Policy, error) {
		b, err := breaker.New(breaker.Config{Name: host, Consecutive: 3})
		return []gabion.Policy{b}, err
	}})
	for range 10 {
		mustFor(t, pipe, "bad").Run(t.Context(), fail)
		if err := mustFor(t, pipe, "good").Run(t.Context(), succeed); err != nil {
			t.Fatal(err)
		}
	}
	if err := mustFor(t, pipe, "bad").Run(t.Context(), succeed); !errors.Is(err, breaker.ErrOpen) {
		t.Errorf("the bad host: %v", err)
	}
}

func TestFallbackStandsInForWhateverWentWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipe := newPipe(
			t, gabion.Config{},
			must(timeout.New(timeout.Config{Total: time.Second})),
			must(breaker.New(breaker.Config{Consecutive: 3})),
			must(retry.New(retry.Config{Attempts: 2})),
			must(fallback.New(fallback.Config{}, fallback.Value("static", "nothing today"))),
		)
		hang := func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }
		down := func(context.Context) (string, error) { return "", errDown }
		crash := func(context.Context) (string, error) { t.Error("called while open"); return "", nil }
		for i, f := range []func(context.Context) (string, error){hang, down, crash} {
			if v, err := gabion.Do(t.Context(), pipe, f); v != "nothing today" || err != nil {
				t.Errorf("%d: %q, %v", i, v, err)
			}
		}
	})
}

func TestNoAllocations(t *testing.T) {
	pipe := newPipe(t, gabion.Config{}, must(retry.New(retry.Config{})), must(breaker.New(breaker.Config{SlowCall: time.Second})))
	ctx := t.Context()
	call := func(context.Context) (int, error) { return 1, nil }
	if n := testing.AllocsPerRun(1000, func() { gabion.Do(ctx, pipe, call) }); n != 0 {
		t.Errorf("Do with retry and breaker: %v allocations", n)
	}
	if n := testing.AllocsPerRun(1000, func() { pipe.Run(ctx, succeed) }); n != 0 {
		t.Errorf("Run with retry and breaker: %v allocations", n)
	}
	open := newPipe(t, gabion.Config{}, must(retry.New(retry.Config{Attempts: 1})), must(breaker.New(breaker.Config{Consecutive: 1, OpenFor: time.Hour})))
	open.Run(ctx, fail)
	if n := testing.AllocsPerRun(1000, func() { open.Run(ctx, succeed) }); n != 0 {
		t.Errorf("a refusal: %v allocations", n)
	}
	if n := testing.AllocsPerRun(1000, func() {
		if permit, err := pipe.Acquire(ctx); err == nil {
			permit.Done(gabion.Success, nil)
		}
	}); n > 1 {
		t.Errorf("a permit: %v allocations, want one", n)
	}
	keyed := newPipe(t, gabion.Config{PerKey: func(string) ([]gabion.Policy, error) { return nil, nil }})
	if n := testing.AllocsPerRun(1000, func() { keyed.For("a") }); n != 0 {
		t.Errorf("For of a known key: %v allocations", n)
	}
}

func BenchmarkDo(b *testing.B) {
	retries, opens := must(retry.New(retry.Config{})), must(breaker.New(breaker.Config{SlowCall: time.Second}))
	for name, policies := range map[string][]gabion.Policy{
		"empty": nil, "retry": {retries}, "breaker": {opens}, "retry+breaker": {retries, opens},
		"retry+breaker+timeout": {retries, opens, must(timeout.New(timeout.Config{Total: gabion.Off}))},
	} {
		b.Run(name, func(b *testing.B) {
			pipe := newPipe(b, gabion.Config{}, policies...)
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := gabion.Do(ctx, pipe, func(context.Context) (int, error) { return 1, nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
