package kit

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/ratelimit"
	"pgregory.net/rapid"
)

// plain is the model of one limit for one key: free says when so many units are free, take takes them.
type plain interface {
	free(now time.Duration, units int64) time.Duration
	take(now time.Duration, units int64)
}

// plainBucket is a bucket that is full at an instant.
type plainBucket struct{ full, interval, capacity time.Duration }

func (b *plainBucket) free(now time.Duration, units int64) time.Duration {
	return max(now, max(b.full, now)+time.Duration(units)*b.interval-b.capacity)
}

func (b *plainBucket) take(now time.Duration, units int64) {
	b.full = max(b.full, now) + time.Duration(units)*b.interval
}

// plainWindow is a window so small that it is exact.
type plainWindow struct{ windowModel }

func (w *plainWindow) free(now time.Duration, units int64) time.Duration {
	return w.windowModel.free(now, 0, units)
}

func (w *plainWindow) take(now time.Duration, units int64) {
	w.taken = append(w.taken, admission{now, units})
}

// compositeModel is several limits, each with its own keys: a call takes from all or from none.
type compositeModel struct {
	limit  *ratelimit.Composite
	fresh  []func() plain // of each limit
	keys   []map[string]plain
	burst  int
	now    time.Duration
	limits []ratelimit.Limit
}

type modelKey struct{ number int }

// keyOf reads the key of one of the limits.
func keyOf(number int) func(context.Context) string {
	return func(ctx context.Context) string { key, _ := ctx.Value(modelKey{number}).(string); return key }
}

func (m *compositeModel) add(t *rapid.T) {
	number := len(m.limits)
	burst := rapid.IntRange(m.burst, 20).Draw(t, "burst")
	cfg := ratelimit.RequestsConfig{Name: fmt.Sprint(number), Key: keyOf(number)}
	if rapid.Bool().Draw(t, "sliding") {
		window := time.Duration(rapid.Int64Range(int64(time.Second), int64(time.Hour)).Draw(t, "window"))
		cfg.Rate, cfg.Sliding = ratelimit.Rate{Count: burst, Per: window}, true
		m.fresh = append(m.fresh, func() plain { return &plainWindow{windowModel{limit: int64(burst), window: window}} })
	} else {
		interval := time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(time.Minute)).Draw(t, "interval"))
		cfg.Rate, cfg.Burst = ratelimit.Rate{Count: 1, Per: interval}, burst
		m.fresh = append(m.fresh, func() plain { return &plainBucket{0, interval, time.Duration(burst) * interval} })
	}
	limit, err := ratelimit.NewRequests(cfg)
	if err != nil {
		t.Fatal(err)
	}
	m.limits, m.keys = append(m.limits, limit), append(m.keys, map[string]plain{})
}

func (m *compositeModel) wait(t *rapid.T) {
	m.now += time.Duration(rapid.Int64Range(0, int64(10*time.Second)).Draw(t, "passes"))
}

func (m *compositeModel) call(t *rapid.T) {
	cost := rapid.IntRange(0, m.burst).Draw(t, "cost")
	ctx := ratelimit.WithCost(context.Background(), cost)
	free := m.now
	models := make([]plain, len(m.limits))
	for i := range m.limits {
		key := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "key")
		ctx = context.WithValue(ctx, modelKey{i}, key)
		if m.keys[i][key] == nil {
			m.keys[i][key] = m.fresh[i]()
		}
		models[i] = m.keys[i][key]
		free = max(free, models[i].free(m.now, int64(cost)))
	}
	ticket, err := m.limit.Acquire(ctx, m.now)
	if free > m.now {
		if e, ok := errors.AsType[*gabion.Error](err); !ok || e.Until != free {
			t.Fatalf("at %v: %v, should be free at %v", m.now, err, free)
		}
		return
	}
	if err != nil {
		t.Fatalf("at %v: %v, although all is free", m.now, err)
	}
	result := gabion.Result{Began: m.now, Ended: m.now}
	if rapid.IntRange(0, 3).Draw(t, "never runs") == 0 {
		result = gabion.Result{Outcome: gabion.Ignored, Ended: m.now}
	}
	m.limit.Done(ticket, result)
	if result.Began == 0 || cost == 0 {
		return
	}
	for _, p := range models {
		p.take(m.now, int64(cost))
	}
}

func TestCompositeFollowsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &compositeModel{now: time.Hour, burst: rapid.IntRange(1, 5).Draw(t, "largest cost")}
		for range rapid.IntRange(1, 4).Draw(t, "limits") {
			m.add(t)
		}
		var err error
		if m.limit, err = ratelimit.NewComposite(ratelimit.CompositeConfig{Limits: m.limits}); err != nil {
			t.Fatal(err)
		}
		t.Repeat(map[string]func(*rapid.T){"call": m.call, "wait": m.wait})
	})
}
