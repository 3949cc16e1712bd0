package kit

import (
	"slices"
	"testing"
	"time"

	"github.com/gabion-io/gabion/ratelimit"
	"pgregory.net/rapid"
)

// windowModel is a sliding window that remembers everything.
type windowModel struct {
	limit  int64
	window time.Duration
	taken  []admission
}

// counted is what was taken in the window that ends now, and was longer by more.
func (m *windowModel) counted(now, more time.Duration) (sum int64) {
	for _, a := range m.taken {
		if a.at > now-m.window-more {
			sum += a.units
		}
	}
	return sum
}

// free is the first instant from now on at which so many units are free, when the window is longer by more.
func (m *windowModel) free(now, more time.Duration, units int64) time.Duration {
	at := now
	for _, a := range m.taken { // ordered
		if m.counted(at, more)+units <= m.limit {
			return at
		}
		at = max(at, a.at+m.window+more)
	}
	return at
}

// check: what is decided lies between the exact window and one that is longer by the documented error.
func (m *windowModel) check(t *rapid.T, d ratelimit.Decision, now time.Duration, units int64) {
	most := time.Duration(0)
	if m.limit > 128 {
		most = (m.window + 127) / 128
	}
	earliest, latest := m.free(now, 0, units), m.free(now, most, units)
	if at := now + d.RetryAfter; at < earliest || at > latest {
		t.Fatalf("%d of %d in %v at %v: %+v, should be free between %v and %v", units, m.limit, m.window, now, d, earliest, latest)
	}
}

func TestSlidingWindowFollowsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.OneOf(rapid.IntRange(1, 10), rapid.IntRange(100, 160), rapid.IntRange(1000, 5000)).Draw(t, "count")
		window := time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(time.Hour)).Draw(t, "window"))
		limit, err := ratelimit.NewRequests(ratelimit.RequestsConfig{Rate: ratelimit.Rate{Count: count, Per: window}, Sliding: true})
		if err != nil {
			t.Fatal(err)
		}
		m := &windowModel{limit: int64(count), window: window}
		now := time.Hour
		for range rapid.IntRange(1, 150).Draw(t, "takes") {
			now += time.Duration(rapid.Int64Range(0, int64(window)/int64(rapid.IntRange(1, 300).Draw(t, "often"))).Draw(t, "passes"))
			units := rapid.IntRange(1, max(1, count/rapid.IntRange(1, 100).Draw(t, "share"))).Draw(t, "units")
			d := limit.Take(now, "alice", units)
			m.check(t, d, now, int64(units))
			switch {
			case !d.OK && rapid.Bool().Draw(t, "waits"):
				now += d.RetryAfter
				if again := limit.Take(now, "alice", units); !again.OK {
					t.Fatalf("refused after exactly the wait: %+v, then %+v", d, again)
				}
			case !d.OK:
				continue
			case rapid.IntRange(0, 4).Draw(t, "refund") == 0:
				limit.Refund(now, "alice", units)
				continue
			}
			m.taken = append(m.taken, admission{now, int64(units)})
		}
		if most := m.fullest(); most > m.limit {
			t.Fatalf("%d of %d in one window", most, m.limit)
		}
	})
}

// fullest is the most that any window has, however placed. The fullest ends with a taking.
func (m *windowModel) fullest() (most int64) {
	for _, a := range m.taken {
		i, _ := slices.BinarySearchFunc(m.taken, a.at+1, func(a admission, at time.Duration) int { return int(a.at - at) })
		before := windowModel{m.limit, m.window, m.taken[:i]}
		most = max(most, before.counted(a.at, 0))
	}
	return most
}
