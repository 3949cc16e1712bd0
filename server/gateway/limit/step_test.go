package limit_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/ratelimit"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/limit"
	"github.com/gabion-io/gabion/server/status"
)

// TestTheLongestWaitIsTold: two limits refuse, and who waits for the quicker one alone would be refused again.
func TestTheLongestWaitIsTold(t *testing.T) {
	quick, slow := requests(1, time.Second, 1), requests(1, time.Minute, 1)
	for name, limits := range map[string][2]config.LimitValues{"the quick one first": {quick, slow}, "the slow one first": {slow, quick}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := limit.Step{build(t, config.Limit{LimitValues: limits[0]}, nil), build(t, config.Limit{LimitValues: limits[1]}, nil)}
				pass(s, "a", "192.0.2.1")
				x, c := request("a", "192.0.2.1")
				if s.Enter(x) {
					t.Fatal("not refused")
				}
				wait, err := strconv.Atoi(c.wait(t, "Retry-After"))
				if err != nil || wait != 60 {
					t.Fatalf("Retry-After %d, %v", wait, err)
				}
				time.Sleep(time.Duration(wait) * time.Second)
				if got := pass(s, "a", "192.0.2.1"); got != "ok" {
					t.Errorf("after the wait: %s", got)
				}
			})
		})
	}
}

// TestWaitingForServerTime: the wait is exact for a limit of server time too, and one millisecond less is too short.
func TestWaitingForServerTime(t *testing.T) {
	for early, want := range map[time.Duration]string{0: "ok", time.Second: "429"} {
		synctest.Test(t, func(t *testing.T) {
			s := limit.Step{build(t, config.Limit{LimitValues: config.LimitValues{ServerTime: ratelimit.Quota{Time: 2 * time.Second, Per: 10 * time.Second}}}, nil)}
			x, _ := request("a", "192.0.2.1")
			if !s.Enter(x) {
				t.Fatal("the first was refused")
			}
			x.Record.Attempts, x.Record.Upstream = 1, 3*time.Second
			s.Leave(x)
			x, c := request("a", "192.0.2.1")
			if s.Enter(x) {
				t.Fatal("not refused")
			}
			wait, err := strconv.Atoi(c.wait(t, "Retry-After"))
			if err != nil || wait < 5 || wait > 20 {
				t.Fatalf("Retry-After %d, %v: one of two seconds is owed, and the estimate of the next", wait, err)
			}
			time.Sleep(time.Duration(wait)*time.Second - early)
			if got := pass(s, "a", "192.0.2.1"); got != want {
				t.Errorf("%v before the time: %s, want %s", early, got, want)
			}
		})
	}
}

// TestFieldsOfALimitWithBoth: each kind has its own item, the quota of server time in milliseconds.
func TestFieldsOfALimitWithBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		both := requests(100, time.Second, 200)
		both.ServerTime = ratelimit.Quota{Time: 2 * time.Second, Per: 10 * time.Second}
		wide := build(t, config.Limit{LimitValues: both}, nil)
		shadow := build(t, config.Limit{Mode: "shadow", LimitValues: both}, nil)
		flights := build(t, config.Limit{LimitValues: config.LimitValues{Concurrency: 3}}, nil)
		x, _ := request("a", "192.0.2.1")
		step := limit.Step{shadow, wide, flights}
		if !step.Enter(x) {
			t.Fatal("refused")
		}
		if got, want := x.Reply.Get("Ratelimit-Policy"), `"per-user";q=200;w=2, "per-user.server_time";q=2000;qu="server-ms";w=10`; got != want {
			t.Errorf("policy %s, want %s", got, want)
		}
		if got, want := x.Reply.Get("Ratelimit"), `"per-user";r=199;t=1, "per-user.server_time";r=1999;t=1`; got != want {
			t.Errorf("state %s, want %s", got, want)
		}
		step.Leave(x)
		if len(x.Holds) != 0 {
			t.Errorf("holds %v after it left", x.Holds)
		}
	})
}

// TestRefusalGivesServerTimeBack: what a refusing limit did not grant, no other limit keeps.
func TestRefusalGivesServerTimeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flights := build(t, config.Limit{LimitValues: config.LimitValues{Concurrency: 1}}, nil)
		never := build(t, config.Limit{Key: config.Keys{"global"}, LimitValues: requests(1, time.Hour, 1)}, nil)
		pass(limit.Step{never}, "b", "192.0.2.1")
		for _, both := range []limit.Step{{flights, never}, {never, flights}} {
			for range 3 {
				x, _ := request("a", "192.0.2.1")
				if both.Enter(x) || len(x.Holds) != 0 {
					t.Errorf("let pass, or holds %v", x.Holds)
				}
			}
			if got := pass(limit.Step{flights}, "a", "192.0.2.1"); got != "ok" {
				t.Errorf("the only place is taken by requests that were refused: %s", got)
			}
		}
	})
}

func TestIdentityIsTheFirstThatIsPresent(t *testing.T) {
	for list, want := range map[string]string{
		"header:X-Api-Key header:X-Team ip": "key", "header:X-Team header:X-Api-Key": "team", "ip header:X-Team": "192.0.2.1",
		"header:X-None header:X-Team": "team", "header:X-None": "",
	} {
		x, _ := request("", "192.0.2.1")
		x.Request.Header.Set("X-Api-Key", "key")
		x.Request.Header.Set("X-Team", "team")
		if !limit.NewIdentity(strings.Fields(list)).Enter(x) || x.Identity != want {
			t.Errorf("%s: %q, want %q", list, x.Identity, want)
		}
	}
}

// TestPartsOfACompositeKeyStayApart: "ab" with "c" is not "a" with "bc".
func TestPartsOfACompositeKeyStayApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := limit.Step{build(t, config.Limit{Key: config.Keys{"header:X-Team", "header:X-Api-Key", "route"}, LimitValues: requests(1, time.Hour, 1)}, nil)}
		for _, test := range []struct {
			team, key, route string
			ok               bool
		}{{"ab", "c", "product", true}, {"a", "bc", "product", true}, {"", "abc", "product", true}, {"ab", "c", "other", true}, {"ab", "c", "product", false}} {
			x, _ := request("", "192.0.2.1")
			x.Request.Header.Set("X-Team", test.team)
			x.Request.Header.Set("X-Api-Key", test.key)
			x.Record.Route = test.route
			if got := s.Enter(x); got != test.ok {
				t.Errorf("%+v: passes %v", test, got)
			}
		}
	})
}

// TestTierOfAKeyInSeveral: the first tier by name counts, in every run.
func TestTierOfAKeyInSeveral(t *testing.T) {
	tiers := map[string]config.Tier{}
	for i := range 9 {
		tiers[fmt.Sprintf("tier-%d", i)] = config.Tier{Keys: []string{"a*"}, LimitValues: requests(i+2, time.Hour, i+2)}
	}
	synctest.Test(t, func(t *testing.T) {
		for range 20 {
			s := limit.Step{build(t, config.Limit{LimitValues: requests(50, time.Hour, 50), Tiers: tiers}, nil)}
			x, _ := request("abc", "192.0.2.1")
			if s.Enter(x); x.Reply.Get("Ratelimit-Policy") != `"per-user";q=2;w=3600` {
				t.Fatalf("another tier than the first: %s", x.Reply.Get("Ratelimit-Policy"))
			}
		}
	})
}

// TestTierSetsOneOfTwo: the value that a tier leaves out is the limit's own.
func TestTierSetsOneOfTwo(t *testing.T) {
	own := requests(1, time.Hour, 1)
	own.Concurrency = 1
	tier := config.Tier{Keys: []string{"gold"}, LimitValues: requests(2, time.Hour, 2)}
	synctest.Test(t, func(t *testing.T) {
		s := limit.Step{build(t, config.Limit{LimitValues: own, Tiers: map[string]config.Tier{"gold": tier}}, nil)}
		x, _ := request("gold", "192.0.2.1")
		if !s.Enter(x) || pass(s, "gold", "192.0.2.1") != "429" {
			t.Error("the tier has no bound on requests in flight")
		}
		s.Leave(x)
		if got := pass(s, "gold", "192.0.2.1") + pass(s, "gold", "192.0.2.1"); got != "ok429" {
			t.Errorf("the second and third of two: %s", got)
		}
	})
}

// TestTierOfWhatIsNotLimited: a value that would be lost without a word never comes this far.
func TestTierOfWhatIsNotLimited(t *testing.T) {
	for _, text := range []string{
		"limits: {slow: {server_time: 2s/10s, tiers: {gold: {keys: [a], requests: 5/s}}}}",
		"limits: {slow: {server_time: 2s/10s, overrides: {a: {requests: 5/s}}}}",
		"limits: {many: {requests: 5/s, tiers: {gold: {keys: [a], server_time: 2s/10s}}}}",
		"limits: {many: {requests: 5/s, overrides: {a: {concurrency: 2}}}}",
		"limits: {flights: {concurrency: 5, overrides: {a: {server_time: 2s/10s}}}}",
		"limits: {none: {tiers: {gold: {keys: [a], requests: 5/s}}}}",
	} {
		if _, err := config.Parse("gabion.yaml", []byte(text), nil, nil); err == nil || !strings.Contains(err.Error(), "limit") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestTopShowsNoKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Minute)
		both := requests(3, time.Hour, 3)
		both.ServerTime = ratelimit.Quota{Time: 20 * time.Second, Per: 100 * time.Second}
		l := build(t, config.Limit{LimitValues: both}, nil)
		for user, n := range map[string]int{"secret-key": 5, "192.0.2.9": 2, "x": 1} {
			for range n {
				if x, _ := request(user, "192.0.2.1"); (limit.Step{l}).Enter(x) {
					x.Record.Attempts, x.Record.Upstream = 1, time.Second
					limit.Step{l}.Leave(x)
				}
			}
		}
		for _, by := range []status.By{status.ByRequests, status.ByServerTime} {
			top := l.Top(gabion.Now(), by, 2)
			if len(top) != 2 || !strings.HasPrefix(top[0].Key, "sha256:") || strings.Contains(top[0].Key, "secret") || top[1].Key != "192.0.2.9" {
				t.Errorf("%v: %+v", by, top)
			}
		}
		if top := l.Top(gabion.Now(), status.ByRequests, 1); !top[0].Limited || top[0].Refused != 2 {
			t.Errorf("5 of 3: %+v", top)
		}
		got := fmt.Sprint(l.Status())
		if !strings.Contains(got, "{requests allowed 6} {requests refused 2}") || !strings.Contains(got, "{server_time allowed 8}") {
			t.Errorf("status %s", got)
		}
		if counted := build(t, config.Limit{LimitValues: requests(3, time.Hour, 3)}, l).Status(); !strings.Contains(fmt.Sprint(counted), "{requests refused 2}") {
			t.Errorf("after a reload: %+v", counted)
		}
		if none := build(t, config.Limit{LimitValues: requests(3, time.Hour, 3)}, nil).Top(gabion.Now(), status.ByServerTime, 3); len(none) != 0 {
			t.Errorf("no server time is limited: %+v", none)
		}
	})
}
