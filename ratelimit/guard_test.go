package ratelimit

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
)

func TestGuardLimitsByKey(t *testing.T) {
	var events []gabion.Event
	l := mustRequests(t, RequestsConfig{Name: "per-user", Rate: Rate{1, time.Hour}, Observer: gabion.ObserverFunc(func(e gabion.Event) { events = append(events, e) })})
	pipe := pipeOf(t, l)
	run := func(ctx context.Context) error { return pipe.Run(ctx, func(context.Context) error { return nil }) }
	alice := WithKey(t.Context(), "alice")
	if err := run(alice); err != nil {
		t.Fatal(err)
	}
	err := run(alice)
	limited, ok := errors.AsType[*gabion.Error](err)
	if !ok || !errors.Is(err, gabion.ErrRejected) || !errors.Is(err, ErrLimited) {
		t.Fatalf("refused with %v", err)
	}
	if limited.Key != "alice" || limited.Name != "per-user" || limited.RetryAfter() < 59*time.Minute || limited.RetryAfter() > time.Hour {
		t.Errorf("%+v", limited)
	}
	if err := run(WithKey(t.Context(), "bob")); err != nil {
		t.Errorf("bob: %v", err)
	}
	if err := run(t.Context()); err != nil {
		t.Errorf("nobody: %v", err)
	}
	if len(events) != 1 || events[0].Kind != gabion.EventRefused || events[0].Key != "alice" || events[0].Detail != ReasonRequests {
		t.Errorf("told %+v", events)
	}
	if d := l.Describe(); d != (gabion.Description{Kind: "ratelimit", Name: "per-user", Position: gabion.PositionRateLimit}) {
		t.Errorf("%+v", d)
	}
}

func TestGuardTakesTheKeyOfTheConfiguration(t *testing.T) {
	tenant := func(context.Context) string { return "tenant" }
	requests := mustRequests(t, RequestsConfig{Rate: perSecond(1), Key: tenant})
	times := mustServerTime(t, ServerTimeConfig{Concurrency: 1, Key: tenant})
	if err := pipeOf(t, requests, times).Run(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if r, s := requests.Top(gabion.Now(), 1), times.Top(gabion.Now(), 1); r[0].Key != "tenant" || s[0].Key != "tenant" {
		t.Errorf("%+v %+v", r, s)
	}
}

type full struct{}

func (full) Describe() gabion.Description {
	return gabion.Description{Kind: "full", Position: gabion.PositionBulkhead}
}

func (full) Acquire(context.Context, gabion.Instant) (gabion.Ticket, error) {
	return gabion.Ticket{}, gabion.Rejection("full")
}

func (full) Done(gabion.Ticket, gabion.Result) {}

func TestTrap21RefusalFurtherInGivesBack(t *testing.T) {
	requests := mustRequests(t, RequestsConfig{Rate: Rate{1, time.Hour}, Burst: 3})
	times := mustServerTime(t, ServerTimeConfig{Quota: Quota{time.Second, time.Hour}, Estimate: 500 * time.Millisecond})
	pipe := pipeOf(t, requests, times, full{})
	for range 10 {
		if err := pipe.Run(t.Context(), func(context.Context) error { return nil }); errors.Is(err, ErrLimited) {
			t.Fatalf("a call that was never made was charged: %v", err)
		}
	}
	if d := requests.Take(gabion.Now(), "", 3); !d.OK {
		t.Errorf("requests: %+v", d)
	}
	if _, d := times.Begin(gabion.Now(), ""); d.Remaining != 500 {
		t.Errorf("server time: %+v", d)
	}
}

func TestTrap07PlaceReturnsAfterPanic(t *testing.T) {
	for name, fail := range map[string]func(){
		"panic": func() { panic("boom") }, "Goexit": runtime.Goexit,
		"panic in a composite": func() { panic("boom") }, "Goexit in a composite": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := mustServerTime(t, ServerTimeConfig{Quota: Quota{10 * time.Second, time.Hour}, Concurrency: 1})
				pipe := pipeOf(t, l)
				if strings.HasSuffix(name, "composite") {
					pipe = pipeOf(t, mustComposite(t, l, sliding(t, perSecond(2))))
				}
				for range 2 {
					done := make(chan struct{})
					go func() {
						defer close(done)
						defer func() { _ = recover() }() // the panic is the point; what it says is not
						err := pipe.Run(t.Context(), func(context.Context) error {
							time.Sleep(time.Second)
							fail()
							return nil
						})
						t.Errorf("returned %v", err)
					}()
					<-done
				}
				if top := l.Top(gabion.Now(), 1); len(top) != 1 || top[0].InFlight != 0 || !about(top[0].ServerTime, 2*time.Second) {
					t.Errorf("%+v", top)
				}
			})
		})
	}
}

func TestSlowUserIsStopped(t *testing.T) {
	for name, limited := range map[string]bool{"limited": true, "not limited": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				policies := []gabion.Policy{mustRequests(t, RequestsConfig{Rate: perSecond(5)})}
				if limited {
					policies = append(policies, mustServerTime(t, ServerTimeConfig{Quota: Quota{2 * time.Second, 10 * time.Second}, Concurrency: 20}))
				}
				pipe := pipeOf(t, policies...)
				var refused, refusedOther, served atomic.Int64
				ask := func(key string, takes time.Duration, refusals *atomic.Int64) {
					err := pipe.Run(WithKey(t.Context(), key), func(context.Context) error {
						time.Sleep(takes)
						if key == "slow" {
							served.Add(int64(takes))
						}
						return nil
					})
					if err != nil {
						refusals.Add(1)
					}
				}
				for range 4 * 60 { // a minute, four times a second
					go ask("slow", 2*time.Second, &refused)
					go ask("other", 5*time.Millisecond, &refusedOther)
					time.Sleep(250 * time.Millisecond)
				}
				time.Sleep(10 * time.Second)
				if (refused.Load() > 0) != limited {
					t.Errorf("refused %d", refused.Load())
				}
				if refusedOther.Load() != 0 {
					t.Errorf("another user was refused %d times", refusedOther.Load())
				}
				// Quota 2 s + 0.2 s/s · 60 s, and what began before the first charge was known: 4 calls.
				if got := time.Duration(served.Load()); limited && got > 22*time.Second {
					t.Errorf("served %v", got)
				}
			})
		})
	}
}

// about allows for what the sliding window of usage forgets, when its minute ends in the middle of a test.
func about(got, want time.Duration) bool { return got <= want && got >= want*9/10 }
