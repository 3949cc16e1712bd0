package ratelimit

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
)

func mustComposite(t testing.TB, limits ...Limit) *Composite {
	t.Helper()
	c, err := NewComposite(CompositeConfig{Name: "all", Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// never is how a call ends that another policy refused.
func never(now gabion.Instant) gabion.Result {
	return gabion.Result{Outcome: gabion.Ignored, Ended: now}
}

func TestCompositeTakesFromAllOrNone(t *testing.T) {
	now := time.Hour
	second := mustRequests(t, RequestsConfig{Name: "per-second", Rate: perSecond(2)})
	day := mustRequests(t, RequestsConfig{Name: "per-day", Rate: Rate{3, 24 * time.Hour}, Sliding: true})
	tenant := mustRequests(t, RequestsConfig{Name: "per-tenant", Rate: Rate{4, time.Hour}, Burst: 4, Key: gabion.TenantOf})
	slow := mustServerTime(t, ServerTimeConfig{Name: "time", Quota: Quota{time.Second, time.Minute}, Concurrency: 4})
	c := mustComposite(t, tenant, slow, day, second)
	ask := func(user string) error {
		ticket, err := c.Acquire(gabion.WithTenant(WithKey(t.Context(), user), "acme"), now)
		if err == nil {
			c.Done(ticket, gabion.Result{Began: now, Ended: now})
		}
		return err
	}
	refusedBy := func(err error, name, key string, until gabion.Instant) {
		t.Helper()
		e, ok := errors.AsType[*gabion.Error](err)
		if !ok || !errors.Is(err, ErrLimited) || e.Name != name || e.Key != key || e.Until != until {
			t.Fatalf("got %v until %v, want a refusal by %s until %v", err, e.Until, name, until)
		}
	}
	for range 2 {
		if err := ask("alice"); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 { // none of these takes anything from the others
		refusedBy(ask("alice"), "per-second", "alice", now+500*time.Millisecond)
	}
	now += time.Second
	if err := ask("alice"); err != nil {
		t.Fatal(err)
	}
	first := time.Hour
	refusedBy(ask("alice"), "per-day", "alice", first+24*time.Hour)
	if err := ask("bob"); err != nil {
		t.Fatal(err)
	}
	refusedBy(ask("carol"), "per-tenant", "acme", first+15*time.Minute)
	if d := second.Take(now, "carol", 2); !d.OK {
		t.Errorf("the refusal of the tenant was charged to carol: %+v", d)
	}
	if s := slow.Snapshot(); s.InFlight != 0 || s.Admitted != 4 || s.Refused != 0 {
		t.Errorf("%+v", s)
	}
}

func TestCompositeRetryAfterIsExact(t *testing.T) {
	second := mustRequests(t, RequestsConfig{Rate: perSecond(3), Burst: 7})
	minute := mustRequests(t, RequestsConfig{Rate: Rate{130, time.Minute}, Sliding: true})
	c := mustComposite(t, second, minute)
	now, refused := time.Hour, 0
	ask := func(at gabion.Instant, cost int) error {
		_, err := c.Acquire(WithCost(t.Context(), cost), at)
		return err
	}
	for i := range 1000 {
		err := ask(now, 1+i%7)
		if err == nil {
			continue
		}
		refused++
		e, _ := errors.AsType[*gabion.Error](err)
		if ask(e.Until-1, 1+i%7) == nil {
			t.Fatal("admitted a nanosecond early")
		}
		now = e.Until
		if err := ask(now, 1+i%7); err != nil {
			t.Fatalf("refused after the wait: %v", err)
		}
	}
	if refused < 100 {
		t.Errorf("%d refusals", refused)
	}
}

func TestCompositeGivesBackToAll(t *testing.T) {
	requests := mustRequests(t, RequestsConfig{Rate: Rate{1, time.Hour}, Burst: 3})
	times := mustServerTime(t, ServerTimeConfig{Quota: Quota{time.Second, time.Hour}, Estimate: 400 * time.Millisecond, Concurrency: 1})
	pipe := pipeOf(t, mustComposite(t, requests, times), full{})
	for range 10 {
		if err := pipe.Run(WithCost(t.Context(), 3), nothing); errors.Is(err, ErrLimited) {
			t.Fatalf("a call that was never made was charged: %v", err)
		}
	}
	if top := times.Top(gabion.Now(), 1); len(top) != 0 {
		t.Errorf("server time: %+v", top)
	}
}

func TestCostThatCanNeverBePaid(t *testing.T) {
	l := mustRequests(t, RequestsConfig{Rate: perSecond(5)})
	for name, guard := range map[string]gabion.Guard{"alone": l, "composite": mustComposite(t, l)} {
		for _, cost := range []int{6, -1} {
			_, err := guard.Acquire(WithCost(t.Context(), cost), time.Hour)
			if e, ok := errors.AsType[*gabion.Error](err); !ok || e.Until != 0 {
				t.Errorf("%s, cost %d: %v", name, cost, err)
			}
		}
	}
	if ticket, err := l.Acquire(WithCost(t.Context(), 1000), time.Hour); err == nil {
		t.Errorf("admitted: %+v", ticket)
	}
	if d := l.Take(time.Hour, "", 5); !d.OK {
		t.Errorf("something was taken: %+v", d)
	}
}

// Calls through composites of the same limits in another order neither wait for each other for ever nor take too much, and
// none is refused by a limit because of what another limit then refused.
func TestCompositeUnderContention(t *testing.T) {
	const goroutines, calls = 16, 3000
	wide := mustRequests(t, RequestsConfig{Rate: Rate{1, time.Hour}, Burst: 200})
	narrow := mustRequests(t, RequestsConfig{Rate: Rate{100, time.Hour}, Sliding: true})
	guards := []gabion.Guard{mustComposite(t, wide, narrow), mustComposite(t, narrow, wide)}
	var byWide, admitted atomic.Int64
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range calls {
				_, err := guards[(g+i)%2].Acquire(t.Context(), time.Hour+1)
				if err == nil {
					admitted.Add(1)
				}
				if e, ok := errors.AsType[*gabion.Error](err); ok && e.Until < time.Hour+30*time.Minute {
					byWide.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if admitted.Load() != 100 || byWide.Load() != 0 {
		t.Errorf("admitted %d of 100; %d refused by the limit that has room", admitted.Load(), byWide.Load())
	}
	if d := wide.Take(time.Hour+1, "", 100); !d.OK {
		t.Errorf("more was taken than was admitted: %+v", d)
	}
}

func TestCompositeDoesNotLockWhenAKeyPanics(t *testing.T) {
	fine := mustRequests(t, RequestsConfig{Rate: perSecond(1)})
	fails := mustRequests(t, RequestsConfig{Rate: perSecond(1), Key: func(context.Context) string { panic("boom") }})
	c := mustComposite(t, fine, fails)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		c.Acquire(t.Context(), time.Hour)
	}()
	if d := fine.Take(time.Hour, "", 1); !d.OK {
		t.Errorf("%+v", d)
	}
}

func TestCompositeConfig(t *testing.T) {
	l := mustRequests(t, RequestsConfig{Name: "one", Rate: perSecond(1)})
	var none *Requests
	var no *ServerTime
	for want, limits := range map[string][]Limit{
		"limits is empty":                  nil,
		"limits has nil at index 1":        {l, none},
		"limits has nil at index 0":        {no, l},
		`limits has the limit "one" twice`: {l, l},
	} {
		_, err := NewComposite(CompositeConfig{Name: "all", Limits: limits})
		if _, ok := errors.AsType[*gabion.FieldError](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if _, err := NewComposite(CompositeConfig{Limits: []Limit{nil}}); err == nil {
		t.Error("nil was accepted")
	}
	if d := mustComposite(t, l).Describe(); d != (gabion.Description{Kind: "ratelimit", Name: "all", Position: gabion.PositionRateLimit}) {
		t.Errorf("%+v", d)
	}
}

// The slot of a key that was forgotten may be another's when a call ends that never ran: it gets nothing.
func TestRefundIsForTheKeyThatPaid(t *testing.T) {
	l := mustRequests(t, RequestsConfig{Rate: perSecond(1), Burst: 5, MaxKeys: 1})
	now := time.Hour
	ticket, err := l.Acquire(WithCost(WithKey(t.Context(), "alice"), 5), now)
	if err != nil {
		t.Fatal(err)
	}
	now += 10 * time.Second
	l.Take(now, "bob", 5)
	if s := l.Snapshot(); s.Keys != 1 || s.Overflowed != 0 {
		t.Fatalf("alice is not forgotten: the test proves nothing: %+v", s)
	}
	l.Done(ticket, never(now))
	if l.Take(now, "bob", 1).OK {
		t.Error("bob was given what alice had paid")
	}
	shared, err := l.Acquire(WithCost(WithKey(t.Context(), "carol"), 300), now)
	if err == nil {
		t.Fatalf("carol: %+v", shared)
	}
	if shared, err = l.Acquire(WithCost(WithKey(t.Context(), "carol"), 5), now); err != nil || l.Snapshot().Overflowed == 0 {
		t.Fatal("carol has a place of her own: the test proves nothing")
	}
	l.Done(shared, never(now))
	if d := l.Take(now, "dave", 5); !d.OK {
		t.Errorf("what carol took was not given back to those who share: %+v", d)
	}
	l.Done(gabion.Ticket{}, never(now))
}

func TestGuardsDoNotAllocate(t *testing.T) {
	limits := []Limit{
		mustRequests(t, RequestsConfig{Rate: perSecond(1_000_000)}),
		mustRequests(t, RequestsConfig{Rate: perSecond(1_000_000), Sliding: true}),
		mustServerTime(t, ServerTimeConfig{Concurrency: 5}),
	}
	guards := []gabion.Guard{limits[0], limits[1], limits[2], mustComposite(t, limits...)}
	for i, guard := range guards {
		ctx := WithKey(t.Context(), strconv.Itoa(i))
		now := time.Hour
		if n := testing.AllocsPerRun(1000, func() {
			now += time.Millisecond
			ticket, err := guard.Acquire(ctx, now)
			if err != nil {
				t.Fatal(err)
			}
			guard.Done(ticket, gabion.Result{Began: now, Ended: now})
		}); n >= 1 {
			t.Errorf("%T: %v allocations", guard, n)
		}
	}
}
