package kit

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/ratelimit"
	"pgregory.net/rapid"
)

// Any sequence of takes, refunds, changes of the configuration and made-up keys keeps the bounds of every key.
func TestRequestsKeepTheirBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &requestsModel{now: time.Hour, admitted: map[string][]admission{}, maxKeys: rapid.IntRange(1, 20).Draw(t, "max keys")}
		var err error
		if m.limit, err = ratelimit.NewRequests(m.draw(t)); err != nil {
			t.Fatal(err)
		}
		t.Repeat(map[string]func(*rapid.T){
			"take": m.take, "wait": m.wait, "update": m.update, "": m.check,
		})
	})
}

type requestsModel struct {
	limit   *ratelimit.Requests
	config  ratelimit.RequestsConfig
	maxKeys int
	now     gabion.Instant
	// rate and burst are the largest that were in force.
	rate     int
	burst    int
	admitted map[string][]admission
}

func (m *requestsModel) draw(t *rapid.T) ratelimit.RequestsConfig {
	m.config = ratelimit.RequestsConfig{
		Rate:    ratelimit.Rate{Count: rapid.IntRange(1, 1000).Draw(t, "rate"), Per: time.Second},
		Burst:   rapid.IntRange(1, 20).Draw(t, "burst"),
		MaxKeys: m.maxKeys,
	}
	m.rate, m.burst = max(m.rate, m.config.Rate.Count), max(m.burst, m.config.Burst)
	return m.config
}

func (m *requestsModel) take(t *rapid.T) {
	key := fmt.Sprintf("key-%d", rapid.IntRange(0, 30).Draw(t, "key"))
	cost := rapid.IntRange(1, m.config.Burst).Draw(t, "cost")
	d := m.limit.Take(m.now, key, cost)
	if d.OK != (d.RetryAfter == 0) || d.OK != (d.Reason == "") || d.Remaining < 0 || d.Remaining > d.Limit || d.Limit != m.config.Burst || d.Reset > d.Window {
		t.Fatalf("%+v", d)
	}
	if !d.OK {
		if again := m.limit.Take(m.now+d.RetryAfter, key, cost); again.OK {
			m.now += d.RetryAfter
			m.admitted[key] = append(m.admitted[key], admission{m.now, int64(cost)})
		} else {
			t.Fatalf("refused again after exactly the wait: %+v, then %+v", d, again)
		}
		return
	}
	if rapid.IntRange(0, 3).Draw(t, "refund") == 0 {
		m.limit.Refund(m.now, key, cost)
		return
	}
	m.admitted[key] = append(m.admitted[key], admission{m.now, int64(cost)})
}

func (m *requestsModel) wait(t *rapid.T) {
	m.now += time.Duration(rapid.Int64Range(0, int64(50*time.Millisecond)).Draw(t, "passes"))
}

func (m *requestsModel) update(t *rapid.T) {
	if err := m.limit.Update(m.draw(t)); err != nil {
		t.Fatal(err)
	}
}

func (m *requestsModel) check(t *rapid.T) {
	if s := m.limit.Snapshot(); s.Keys > m.maxKeys {
		t.Fatalf("%d keys, at most %d", s.Keys, m.maxKeys)
	}
	for key, all := range m.admitted {
		// A key can have used the shared bucket before it got its own: twice the bound, then.
		if overdrawn(all, int64(2*m.rate), int64(time.Second), int64(2*m.burst)) {
			t.Fatalf("%s is overdrawn: %v", key, all)
		}
	}
}

// Without made-up keys and changes, the bound of every key is exact.
func TestRequestsOfKnownKeysAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(1, 1000).Draw(t, "rate")
		burst := rapid.IntRange(1, 20).Draw(t, "burst")
		limit, err := ratelimit.NewRequests(ratelimit.RequestsConfig{Rate: ratelimit.Rate{Count: count, Per: time.Second}, Burst: burst})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Hour
		admitted := map[string][]admission{}
		for range rapid.IntRange(1, 100).Draw(t, "takes") {
			now += time.Duration(rapid.Int64Range(0, int64(5*time.Second)/int64(count)).Draw(t, "passes"))
			key := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key")
			cost := rapid.IntRange(1, burst).Draw(t, "cost")
			if limit.Take(now, key, cost).OK {
				admitted[key] = append(admitted[key], admission{now, int64(cost)})
			}
		}
		for key, all := range admitted {
			if overdrawn(all, int64(count), int64(time.Second), int64(burst)) {
				t.Fatalf("%s is overdrawn: %v", key, all)
			}
		}
	})
}

// The limit of server time does what a plain model does that walks through time piece by piece.
func TestServerTimeFollowsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &timeModel{
			quota: time.Duration(rapid.Int64Range(int64(100*time.Millisecond), int64(20*time.Second)).Draw(t, "quota")),
			per:   time.Duration(rapid.Int64Range(int64(100*time.Millisecond), int64(20*time.Second)).Draw(t, "per")),
			most:  rapid.IntRange(1, 8).Draw(t, "concurrency"),
			now:   time.Hour,
		}
		m.estimate = time.Duration(rapid.Int64Range(1, int64(m.quota)).Draw(t, "estimate"))
		m.level = float64(m.quota)
		var err error
		m.limit, err = ratelimit.NewServerTime(ratelimit.ServerTimeConfig{
			Quota: ratelimit.Quota{Time: m.quota, Per: m.per}, Concurrency: m.most, Estimate: m.estimate,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Repeat(map[string]func(*rapid.T){"begin": m.begin, "settle": m.settle, "cancel": m.cancel, "wait": m.wait})
	})
}

type timeModel struct {
	limit      *ratelimit.ServerTime
	quota, per time.Duration
	estimate   time.Duration
	most       int
	now        gabion.Instant
	level      float64 // server time left, in ns
	forgiven   float64
	running    []running
	slack      float64 // by how much rounding may have moved the level so far
}

type running struct {
	charge   ratelimit.Charge
	began    gabion.Instant
	forgiven float64
}

// pass moves the model on to the instant, in pieces in which as many calls run beyond their estimate.
func (m *timeModel) pass(to gabion.Instant) {
	var ends []gabion.Instant
	for _, r := range m.running {
		if over := r.began + m.estimate; over > m.now && over < to {
			ends = append(ends, over)
		}
	}
	slices.Sort(ends)
	for _, end := range append(ends, to) {
		over := 0
		for _, r := range m.running {
			if r.began+m.estimate <= m.now {
				over++
			}
		}
		passed := float64(end - m.now)
		m.level += passed*float64(m.quota)/float64(m.per) - passed*float64(over)
		m.clamp()
		m.now = end
	}
}

func (m *timeModel) clamp() {
	m.level = min(m.level, float64(m.quota))
	if low := -float64(m.quota); m.level < low {
		m.forgiven += low - m.level
		m.level = low
	}
	m.slack += 4 + 4*float64(m.quota)/float64(m.per) + float64(m.quota)*1e-12
}

func (m *timeModel) begin(t *rapid.T) {
	charge, d := m.limit.Begin(m.now, "alice")
	switch {
	case len(m.running) >= m.most:
		if d.OK || d.Reason != ratelimit.ReasonConcurrency {
			t.Fatalf("%d are running: %+v", len(m.running), d)
		}
	case math.Abs(m.level-float64(m.estimate)) <= m.slack:
		if d.OK { // either is right, up to rounding
			m.began(charge)
		}
	case m.level > float64(m.estimate):
		if !d.OK {
			t.Fatalf("%.0f ns are left, but: %+v", m.level, d)
		}
		m.began(charge)
	default:
		if d.OK || d.Reason != ratelimit.ReasonServerTime {
			t.Fatalf("%.0f ns are left: %+v", m.level, d)
		}
		want := (float64(m.estimate) - m.level) * float64(m.per) / float64(m.quota)
		if slack := m.slack*float64(m.per)/float64(m.quota) + 2; math.Abs(float64(d.RetryAfter)-want) > slack {
			t.Fatalf("retry after %v, want %.0f ns within %.0f", d.RetryAfter, want, slack)
		}
	}
}

func (m *timeModel) began(charge ratelimit.Charge) {
	m.level -= float64(m.estimate)
	m.clamp()
	m.running = append(m.running, running{charge, m.now, m.forgiven})
}

func (m *timeModel) settle(t *rapid.T) {
	r, ok := m.pick(t)
	if !ok {
		return
	}
	cost := m.now - r.began
	if rapid.IntRange(0, 3).Draw(t, "stated") == 0 {
		cost = time.Duration(rapid.Int64Range(0, int64(30*time.Second)).Draw(t, "cost"))
	}
	r.charge.Settle(m.now, cost)
	m.end(r, cost)
	r.charge.Settle(m.now, time.Hour) // a second end changes nothing
}

func (m *timeModel) cancel(t *rapid.T) {
	r, ok := m.pick(t)
	if !ok {
		return
	}
	r.charge.Cancel(m.now)
	m.end(r, 0)
}

func (m *timeModel) end(r running, cost time.Duration) {
	charged := max(m.estimate, m.now-r.began)
	if cost > charged {
		m.level -= float64(cost - charged)
	} else {
		m.level += max(0, float64(charged-cost)-(m.forgiven-r.forgiven))
	}
	m.clamp()
}

// pick takes one of the running calls, if there is one.
func (m *timeModel) pick(t *rapid.T) (r running, ok bool) {
	if len(m.running) == 0 {
		return r, false
	}
	i := rapid.IntRange(0, len(m.running)-1).Draw(t, "which")
	r = m.running[i]
	m.running = slices.Delete(m.running, i, i+1)
	return r, true
}

func (m *timeModel) wait(t *rapid.T) {
	m.pass(m.now + time.Duration(rapid.Int64Range(0, int64(8*time.Second)).Draw(t, "passes")))
}

// A key that always asks, and whose calls take any time, uses its quota, its burst and what was running: not more.
func TestServerTimeOfAKeyIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const most, longest, lasts = 5, 2 * time.Second, 60 * time.Second
		quota, per := 2*time.Second, 10*time.Second
		limit, err := ratelimit.NewServerTime(ratelimit.ServerTimeConfig{Quota: ratelimit.Quota{Time: quota, Per: per}, Concurrency: most})
		if err != nil {
			t.Fatal(err)
		}
		type call struct {
			charge ratelimit.Charge
			ends   gabion.Instant
			takes  time.Duration
		}
		var calls []call
		var used time.Duration
		start := time.Hour
		for now := start; now < start+lasts; now += 50 * time.Millisecond {
			calls = slices.DeleteFunc(calls, func(c call) bool {
				if c.ends <= now {
					c.charge.Settle(now, c.takes)
				}
				return c.ends <= now
			})
			charge, d := limit.Begin(now, "alice")
			if !d.OK {
				continue
			}
			takes := 50 * time.Millisecond * time.Duration(rapid.IntRange(1, int(longest/(50*time.Millisecond))).Draw(t, "takes"))
			used += takes
			calls = append(calls, call{charge, now + takes, takes})
		}
		// What was in flight when the bucket got empty may overdraw it, and what of that is more than a quota is forgiven.
		bound := quota + lasts/5 + most*longest + most*longest
		if used > bound {
			t.Fatalf("used %v, at most %v", used, bound)
		}
		if used < 10*time.Second {
			t.Fatalf("used only %v", used)
		}
	})
}

func TestGuardsRefuseAsOne(t *testing.T) {
	limit, err := ratelimit.NewRequests(ratelimit.RequestsConfig{Name: "per-user", Rate: ratelimit.Rate{Count: 1, Per: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := limit.Acquire(t.Context(), gabion.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := limit.Acquire(t.Context(), gabion.Now()); !errors.Is(err, gabion.ErrRejected) || !errors.Is(err, ratelimit.ErrLimited) {
		t.Fatalf("refused with %v", err)
	}
}
