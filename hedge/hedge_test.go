package hedge_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/hedge"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// unlucky takes 10 ms, and for a share of the calls a second.
func unlucky(share float64, calls *atomic.Int64) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		n := float64(calls.Add(1))
		d := 10 * time.Millisecond
		if int(n*share) > int((n-1)*share) {
			d = time.Second
		}
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return 1, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// tail makes calls one after the other, and returns how many took half a second or more.
func tail(t *testing.T, h *hedge.Hedge, share float64, n int) (slow int, calls int64) {
	t.Helper()
	var made atomic.Int64
	var policies []gabion.Policy
	if h != nil {
		policies = append(policies, h)
	}
	pipe := must(gabion.New(gabion.Config{Policies: policies}))
	for range n {
		start := time.Now()
		if _, err := gabion.DoHedged(t.Context(), pipe, unlucky(share, &made)); err != nil {
			t.Fatal(err)
		}
		if time.Since(start) >= time.Second/2 {
			slow++
		}
		synctest.Wait() // the loser has ended
	}
	return slow, made.Load()
}

func TestTailIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := must(hedge.New(hedge.Config{Budget: gabion.Off}))
		if slow, _ := tail(t, nil, 0.03, 2000); slow < 30 {
			t.Fatalf("only %d of 2000 are slow without hedges: the test shows nothing", slow)
		}
		slow, calls := tail(t, h, 0.03, 2000)
		if s := h.Snapshot(gabion.Now()); slow > 10 || calls > 2000*11/10 || s.Wins == 0 || s.Hedges != uint64(calls)-2000 {
			t.Errorf("%d slow, %d calls, %+v", slow, calls, s)
		}
	})
}

// TestBudgetBoundsHedges: when everything gets slow, hedges do not double the load.
func TestBudgetBoundsHedges(t *testing.T) {
	for budget, most := range map[gabion.Share]int64{0.05: 1000*105/100 + 11, gabion.Off: 2000} {
		synctest.Test(t, func(t *testing.T) {
			h := must(hedge.New(hedge.Config{After: hedge.After{Time: 20 * time.Millisecond}, Budget: budget}))
			_, calls := tail(t, h, 1, 1000)
			if calls > most || budget == gabion.Off && calls < most {
				t.Errorf("budget %v: %d calls for 1000", budget, calls)
			}
			if s := h.Snapshot(gabion.Now()); budget != gabion.Off && s.OverBudget == 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestNothingIsHedgedByGuessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := must(hedge.New(hedge.Config{}))
		if _, calls := tail(t, h, 1, 40); calls != 40 || h.Delay(gabion.Now()) != 0 {
			t.Errorf("%d calls, delay %v", calls, h.Delay(gabion.Now()))
		}
	})
}

// body is closed once.
type body struct {
	io.Reader
	closed atomic.Int32
}

func (b *body) Close() error { b.closed.Add(1); return nil }

// TestTrap27LoserIsCancelledAndItsBodyClosed covers the hedge's part of the trap.
func TestTrap27LoserIsCancelledAndItsBodyClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := must(hedge.New(hedge.Config{After: hedge.After{Time: time.Millisecond}}))
		pipe := must(gabion.New(gabion.Config{Policies: []gabion.Policy{h}, Discard: func(v any) { v.(io.Closer).Close() }}))
		var n atomic.Int32
		var bodies [2]body
		var ended atomic.Bool
		got, err := gabion.DoHedged(t.Context(), pipe, func(ctx context.Context) (*body, error) {
			if n.Add(1) == 2 {
				return &bodies[1], nil
			}
			<-ctx.Done()
			ended.Store(true)
			return &bodies[0], nil // it was ready at the same moment
		})
		synctest.Wait()
		if err != nil || got != &bodies[1] || !ended.Load() {
			t.Errorf("%v, the loser was cancelled: %v", err, ended.Load())
		}
		if bodies[0].closed.Load() != 1 || bodies[1].closed.Load() != 0 {
			t.Errorf("the loser's body was closed %d times, the winner's %d", bodies[0].closed.Load(), bodies[1].closed.Load())
		}
	})
}

func TestMaxBoundsRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := must(hedge.New(hedge.Config{After: hedge.After{Time: time.Second}, Max: 3}))
		pipe := must(gabion.New(gabion.Config{Policies: []gabion.Policy{h}}))
		var at []time.Duration
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		started := make(chan time.Duration, 10)
		_, err := gabion.DoHedged(ctx, pipe, func(ctx context.Context) (int, error) {
			started <- time.Since(start)
			<-ctx.Done()
			return 0, ctx.Err()
		})
		for len(started) > 0 {
			at = append(at, <-started)
		}
		if !errors.Is(err, context.DeadlineExceeded) || len(at) != 4 || at[1] != time.Second || at[3] != 3*time.Second {
			t.Errorf("%v; runs began at %v", err, at)
		}
	})
}

func TestUpdateKeepsWhatWasLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := must(hedge.New(hedge.Config{Budget: gabion.Off}))
		tail(t, h, 0, 200)
		if d := h.Delay(gabion.Now()); d < 10*time.Millisecond || d > 11*time.Millisecond {
			t.Errorf("p95 of 10 ms is %v", d)
		}
		if err := h.Update(hedge.Config{After: hedge.After{Quantile: 0.5}, Max: 2}); err != nil || h.Delay(gabion.Now()) == 0 || h.Max() != 2 {
			t.Errorf("%v, %v", err, h.Delay(gabion.Now()))
		}
		if err := h.Update(hedge.Config{Max: -1}); err == nil || h.Max() != 2 {
			t.Errorf("%v, max %d", err, h.Max())
		}
	})
}

func TestObserverHears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []gabion.Event
		h := must(hedge.New(hedge.Config{
			Name: "catalog", After: hedge.After{Time: time.Millisecond},
			Observer: gabion.ObserverFunc(func(e gabion.Event) { told = append(told, e) }),
		}))
		tail(t, h, 0, 1)
		if len(told) != 1 || told[0].Kind != gabion.EventHedge || told[0].Name != "catalog" || told[0].At == 0 {
			t.Errorf("%+v", told)
		}
	})
}

func TestTrap25NothingIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails when a goroutine stays
		h := must(hedge.New(hedge.Config{After: hedge.After{Time: 5 * time.Millisecond}, Budget: gabion.Off}))
		tail(t, h, 0.5, 500)
	})
}

func TestConfig(t *testing.T) {
	for text, cfg := range map[string]hedge.Config{
		"after is -1s":                 {After: hedge.After{Time: -time.Second}},
		"after is the quantile 1":      {After: hedge.After{Quantile: 1}},
		"after is both 1s":             {After: hedge.After{Time: time.Second, Quantile: 0.5}},
		"max is 5, must be between 1":  {Max: 5},
		"budget is 200%":               {Budget: 2},
		"max is -1":                    {Max: -1, Budget: -1},
		"budget is -100%, must be abo": {Max: -1, Budget: -1},
	} {
		if _, err := hedge.New(cfg); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v, want %q", cfg, err, text)
		}
	}
	for text, want := range map[string]string{"p95": "p95", "p99.9": "p99.9", "50ms": "50ms", " p50 ": "p50"} {
		var a hedge.After
		if err := a.UnmarshalText([]byte(text)); err != nil || a.String() != want {
			t.Errorf("%q: %v, %v", text, a, err)
		}
	}
	for _, text := range []string{"", "p", "p0", "p100", "pNaN", "95", "q"} {
		var a hedge.After
		if err := a.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %v", text, a)
		}
	}
}
