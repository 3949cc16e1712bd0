package ratelimit

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion"
)

func perSecond(n int) Rate { return Rate{n, time.Second} }

func mustRequests(t testing.TB, cfg RequestsConfig) *Requests {
	t.Helper()
	l, err := NewRequests(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustServerTime(t testing.TB, cfg ServerTimeConfig) *ServerTime {
	t.Helper()
	l, err := NewServerTime(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func pipeOf(t testing.TB, policies ...gabion.Policy) *gabion.Pipe {
	t.Helper()
	pipe, err := gabion.New(gabion.Config{Name: "test", Policies: policies})
	if err != nil {
		t.Fatal(err)
	}
	return pipe
}

// R6 and trap 26: ten thousand keys a moment stay within the bound, and whoever was refused stays refused.

func TestTrap26FloodOfKeysIsBounded(t *testing.T) {
	const bound = 2000
	l := mustRequests(t, RequestsConfig{Rate: perSecond(1), Burst: 2, MaxKeys: bound})
	now := time.Hour
	l.Take(now, "hot", 2)
	refusals := 0
	for i := range 100_000 {
		now += 10 * time.Microsecond
		l.Take(now, "made-up-"+strconv.Itoa(i), 1)
		if i%100 == 0 && now < time.Hour+900*time.Millisecond {
			if l.Take(now, "hot", 1).OK {
				t.Fatal("a refused key got a fresh bucket")
			}
			refusals++
		}
	}
	s := l.Snapshot()
	if s.Keys > bound || s.Overflowed == 0 || refusals < 100 {
		t.Errorf("%+v", s)
	}
	held := 0
	for sh := range l.store.each {
		held += int(sh.buckets.Slots())
	}
	if held > bound+1 {
		t.Errorf("%d buckets", held)
	}
	// When the flood is over, new keys get their own buckets again.
	before := s.Overflowed
	now += time.Minute
	for i := range 1000 {
		l.Take(now, "later-"+strconv.Itoa(i), 1)
	}
	if s := l.Snapshot(); s.Overflowed != before {
		t.Errorf("%d of 1000 keys found no room", s.Overflowed-before)
	}
}

func TestLongKeysTakeBoundedMemory(t *testing.T) {
	l := mustRequests(t, RequestsConfig{Rate: perSecond(1)})
	long := strings.Repeat("x", 100_000)
	l.Take(time.Hour, long+"a", 1)
	if d := l.Take(time.Hour, long+"b", 1); !d.OK {
		t.Error("two long keys share a bucket")
	}
	if d := l.Take(time.Hour, long+"a", 1); d.OK {
		t.Error("a long key was not known again")
	}
	for _, u := range l.Top(time.Hour, 5) {
		if len(u.Key) > maxKeyLength {
			t.Errorf("a key of %d bytes is kept", len(u.Key))
		}
	}
	vip := mustRequests(t, RequestsConfig{Rate: perSecond(1), Overrides: map[string]RequestsValues{long: {Burst: 5}}})
	if d := vip.Take(time.Hour, long, 1); d.Limit != 5 {
		t.Errorf("the override of a long key: %+v", d)
	}
}

func TestUsageSlides(t *testing.T) {
	l := mustRequests(t, RequestsConfig{Rate: perSecond(1), Burst: 10})
	start := 60 * time.Minute // the beginning of a minute
	for range 30 {
		l.Take(start, "alice", 1)
	}
	for _, c := range []struct {
		after time.Duration
		want  uint64
	}{{0, 30}, {59 * time.Second, 30}, {60 * time.Second, 30}, {90 * time.Second, 15}, {119 * time.Second, 1}, {120 * time.Second, 0}, {time.Hour, 0}} {
		var got uint64
		for _, u := range l.Top(start+c.after, 1) {
			got = u.Requests
		}
		if got != c.want {
			t.Errorf("after %v: %d requests, want %d", c.after, got, c.want)
		}
	}
}

func TestTopIsOrderedAndBounded(t *testing.T) {
	l := mustRequests(t, RequestsConfig{Rate: perSecond(1000)})
	for i := range 500 {
		for range i%50 + 1 {
			l.Take(time.Hour, fmt.Sprintf("user-%03d", i), 1)
		}
	}
	top := l.Top(time.Hour, 12)
	if len(top) != 12 || top[0].Key != "user-049" || top[0].Requests != 50 || top[9].Requests != 50 || top[10].Requests != 49 {
		t.Errorf("%+v", top)
	}
	if got := l.Top(time.Hour, 0); got != nil {
		t.Errorf("none asked for: %v", got)
	}
	if got := l.Top(time.Hour, -1); got != nil {
		t.Errorf("fewer than none asked for: %v", got)
	}
	times := mustServerTime(t, ServerTimeConfig{Quota: Quota{time.Hour, time.Hour}})
	for name, cost := range map[string]time.Duration{"slow": time.Second, "fast": time.Millisecond} {
		calls := 1
		if name == "fast" {
			calls = 10
		}
		for range calls {
			charge, _ := times.Begin(time.Hour, name)
			charge.Settle(time.Hour+cost, cost)
		}
	}
	if top := times.Top(time.Hour+time.Second, 1); top[0].Key != "slow" || top[0].ServerTime != time.Second {
		t.Errorf("by server time: %+v", top)
	}
	if top := times.TopByRequests(time.Hour+time.Second, 1); top[0].Key != "fast" || top[0].Requests != 10 {
		t.Errorf("by requests: %+v", top)
	}
}

func TestUsageSaysWhoIsLimited(t *testing.T) {
	l := mustRequests(t, RequestsConfig{Rate: perSecond(1), Burst: 2})
	now := time.Hour
	for i, want := range []bool{false, true, true} {
		l.Take(now, "alice", 1)
		if got := l.Top(now, 1)[0].Limited; got != want {
			t.Errorf("after %d calls of 2: limited %v, want %v", i+1, got, want)
		}
	}
	if u := l.Top(now+time.Second, 1)[0]; u.Limited || u.Refused != 1 {
		t.Errorf("a second later: %+v", u)
	}
}

func TestUsageSaysWhoseServerTimeIsUsedUp(t *testing.T) {
	l := mustServerTime(t, ServerTimeConfig{Quota: Quota{time.Second, 10 * time.Second}, Concurrency: 2})
	now := time.Hour
	first, _ := l.Begin(now, "alice")
	second, _ := l.Begin(now, "alice")
	if !l.Top(now, 1)[0].Limited {
		t.Error("all places are taken")
	}
	second.Settle(now, 0)
	if l.Top(now, 1)[0].Limited {
		t.Error("a place is free")
	}
	first.Settle(now, 5*time.Second)
	if !l.Top(now, 1)[0].Limited || l.Top(now+time.Minute, 1)[0].Limited {
		t.Error("its time is used up, but not for ever")
	}
}
