package ratelimit

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
)

func sliding(t testing.TB, rate Rate) *Requests {
	return mustRequests(t, RequestsConfig{Rate: rate, Sliding: true})
}

// A bucket of 1000/h lets almost 2000 pass in an hour: what it holds, and what refills. A sliding window does not.
func TestSlidingWindowIsNotABucket(t *testing.T) {
	for name, c := range map[string]struct {
		limit *Requests
		want  int
	}{
		"sliding": {sliding(t, Rate{1000, time.Hour}), 1000},
		"bucket":  {mustRequests(t, RequestsConfig{Rate: Rate{1000, time.Hour}, Burst: 1000}), 1999},
	} {
		got := 0
		for now := 10 * time.Hour; now < 11*time.Hour; now += time.Second {
			if c.limit.Take(now, "alice", 1).OK {
				got++
			}
		}
		if got != min(c.want, 3600) {
			t.Errorf("%s: %d in an hour, want %d", name, got, c.want)
		}
	}
}

func TestSlidingRetryAfterIsExact(t *testing.T) {
	for _, rate := range []Rate{perSecond(1), perSecond(3), {100, time.Minute}, {128, time.Hour}, {129, time.Hour}, perSecond(100_000)} {
		l := sliding(t, rate)
		now, refused := 100*time.Hour, 0
		for i := range 2000 {
			cost := 1 + i%max(1, rate.Count/20)
			d := l.Take(now, "alice", cost)
			if d.OK {
				now += rate.Per / 50 / time.Duration(1+i%7)
				continue
			}
			refused++
			if early := l.Take(now+d.RetryAfter-1, "alice", cost); early.OK {
				t.Fatalf("%v: admitted a nanosecond early", rate)
			}
			now += d.RetryAfter
			if again := l.Take(now, "alice", cost); !again.OK {
				t.Fatalf("%v: refused after the wait of %v", rate, d.RetryAfter)
			}
		}
		if refused < 50 {
			t.Errorf("%v: only %d refusals", rate, refused)
		}
	}
}

func TestSlidingWindowIsBoundedAndForgotten(t *testing.T) {
	l := mustRequests(t, RequestsConfig{Rate: Rate{2, time.Second}, Sliding: true, MaxKeys: 2})
	now := time.Hour
	for _, key := range []string{"alice", "bob"} {
		l.Take(now, key, 2)
	}
	if l.Take(now, "carol", 1); l.Snapshot().Overflowed != 1 {
		t.Error("carol has a place although all are in use")
	}
	for _, key := range []string{"alice", "bob"} {
		if l.Take(now, key, 1).OK {
			t.Errorf("%s got a fresh window", key)
		}
	}
	now += time.Second
	if l.Take(now, "dave", 1); l.Snapshot().Overflowed != 1 || l.Snapshot().Keys != 2 {
		t.Errorf("dave has no place although all windows are empty: %+v", l.Snapshot())
	}
}

func TestSlidingWindowSurvivesUpdate(t *testing.T) {
	l := sliding(t, Rate{10, time.Minute})
	now := time.Hour
	l.Take(now, "alice", 8)
	for rate, left := range map[Rate]int{{20, time.Minute}: 12, {10, time.Hour}: 2, {5, time.Minute}: 0} {
		if err := l.Update(RequestsConfig{Rate: rate, Sliding: true}); err != nil {
			t.Fatal(err)
		}
		if d := l.Take(now+time.Second, "alice", 0); d.Remaining != left || d.Limit != rate.Count || d.Window != rate.Per {
			t.Errorf("%v: %+v", rate, d)
		}
	}
	err := l.Update(RequestsConfig{Rate: Rate{10, time.Minute}})
	if err == nil || !strings.Contains(err.Error(), "sliding cannot be changed") {
		t.Errorf("made a bucket: %v", err)
	}
	if err := mustRequests(t, RequestsConfig{Rate: perSecond(1)}).Update(RequestsConfig{Rate: perSecond(1), Sliding: true}); err == nil {
		t.Error("a bucket was made a window")
	}
}

// What was taken and not used is given back to where it came from.
func TestSlidingRefund(t *testing.T) {
	l := sliding(t, Rate{10, time.Minute})
	l.Take(time.Hour, "alice", 4)
	now := time.Hour + 10*time.Second
	l.Take(now, "alice", 6)
	l.Refund(now, "alice", 6)
	if d := l.Take(now, "alice", 10); d.RetryAfter != 50*time.Second {
		t.Errorf("%+v", d)
	}
	l.Refund(now, "nobody", 5)
	if s := l.Snapshot(); s.Keys != 1 {
		t.Errorf("%+v", s)
	}
}

func TestSlidingGuardGivesBackWhatNeverRan(t *testing.T) {
	l := mustRequests(t, RequestsConfig{Rate: Rate{3, time.Hour}, Sliding: true, Cost: func(context.Context) int { return 2 }})
	pipe := pipeOf(t, l, full{})
	for range 10 {
		if err := pipe.Run(t.Context(), nothing); err == nil || strings.Contains(err.Error(), "limit") {
			t.Fatalf("a call that was never made was charged: %v", err)
		}
	}
	if d := l.Take(gabion.Now(), "", 3); !d.OK {
		t.Errorf("%+v", d)
	}
}

func nothing(context.Context) error { return nil }
