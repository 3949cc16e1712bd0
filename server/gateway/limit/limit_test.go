package limit_test

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion/ratelimit"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/exchange"
	"github.com/gabion-io/gabion/server/gateway/limit"
	"github.com/gabion-io/gabion/server/status"
)

// client keeps the answer.
type client struct{ answer *exchange.Answer }

func (c *client) Send(a *exchange.Answer) error { c.answer = a; return nil }
func (c *client) Inform(int, exchange.Header)   {}
func (c *client) wait(t *testing.T, field string) string {
	t.Helper()
	return c.answer.Header.Get(field)
}

// request is a request of a user from an address.
func request(user, from string) (*exchange.Exchange, *client) {
	c := &client{}
	x := &exchange.Exchange{Client: c, Reply: exchange.NewFields(), Identity: user}
	x.Request.Header, x.Request.Client, x.Request.From = exchange.NewFields(), netip.MustParseAddr(from), from
	x.Record.Route = "product"
	return x, c
}

func build(t *testing.T, cfg config.Limit, old *limit.Limit) *limit.Limit {
	t.Helper()
	if cfg.Key == nil {
		cfg.Key = config.Keys{"identity"}
	}
	l, err := limit.New("per-user", cfg, old, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func requests(count int, per time.Duration, burst int) config.LimitValues {
	return config.LimitValues{Requests: ratelimit.Rate{Count: count, Per: per}, Burst: burst}
}

// pass is what comes of a request: "ok" or the status.
func pass(s limit.Step, user, from string) string {
	x, c := request(user, from)
	if s.Enter(x) {
		s.Leave(x)
		return "ok"
	}
	return strconv.Itoa(c.answer.Status)
}

func TestWhoWaitsAsLongAsIsSaidSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := limit.Step{build(t, config.Limit{LimitValues: requests(2, time.Second, 2)}, nil)}
		if got := pass(s, "a", "192.0.2.1") + pass(s, "a", "192.0.2.1"); got != "okok" {
			t.Fatalf("the burst: %s", got)
		}
		x, c := request("a", "192.0.2.1")
		if s.Enter(x) || c.answer.Status != 429 || c.wait(t, "Retry-After") != "1" {
			t.Fatalf("beyond it: %+v", c.answer)
		}
		if x.Reply.Get("Ratelimit-Policy") != `"per-user";q=2;w=1` || x.Reply.Get("Ratelimit") != `"per-user";r=0;t=1` {
			t.Errorf("fields %v", x.Reply)
		}
		if got := pass(s, "b", "192.0.2.1"); got != "ok" {
			t.Errorf("another user: %s", got)
		}
		time.Sleep(time.Second)
		if got := pass(s, "a", "192.0.2.1"); got != "ok" {
			t.Errorf("after the wait: %s", got)
		}
	})
}

func TestRefusalByOneLimitRefundsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wide := build(t, config.Limit{LimitValues: requests(3, time.Hour, 3)}, nil)
		narrow := build(t, config.Limit{Key: config.Keys{"global"}, LimitValues: requests(1, time.Hour, 1)}, nil)
		both := limit.Step{wide, narrow}
		if got := pass(both, "a", "192.0.2.1"); got != "ok" {
			t.Fatal(got)
		}
		for range 5 {
			if got := pass(both, "a", "192.0.2.1"); got != "429" {
				t.Fatal(got)
			}
		}
		alone := limit.Step{wide}
		if got := pass(alone, "a", "192.0.2.1") + pass(alone, "a", "192.0.2.1") + pass(alone, "a", "192.0.2.1"); got != "okok429" {
			t.Errorf("after five refusals by the other limit: %s", got)
		}
	})
}

func TestShadowCountsAndLetsPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := build(t, config.Limit{Mode: "shadow", LimitValues: requests(1, time.Hour, 1)}, nil)
		s := limit.Step{l}
		for range 3 {
			x, _ := request("a", "192.0.2.1")
			if !s.Enter(x) || x.Reply.Get("Ratelimit") != "" {
				t.Errorf("not let pass, or told: %v", x.Reply)
			}
		}
		got := l.Status()
		want := []status.Decision{{Kind: "requests", Decision: "allowed", Count: 1}, {Kind: "requests", Decision: "shadow", Count: 2}}
		if len(got.Decisions) != 2 || got.Decisions[0] != want[0] || got.Decisions[1] != want[1] {
			t.Errorf("decisions %+v", got.Decisions)
		}
	})
}

func TestServerTimeIsSettled(t *testing.T) {
	for name, test := range map[string]struct {
		record exchange.Record
		want   string
	}{
		"slow":               {exchange.Record{Attempts: 1, Upstream: 3 * time.Second}, "429"},
		"quick":              {exchange.Record{Attempts: 1, Upstream: time.Millisecond}, "ok"},
		"never reached":      {exchange.Record{Upstream: 3 * time.Second}, "ok"},
		"stated to be cheap": {exchange.Record{Attempts: 1, Upstream: 3 * time.Second, Stated: true}, "ok"},
		"stated to be dear":  {exchange.Record{Attempts: 1, Stated: true, Cost: 3 * time.Second}, "429"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := limit.Step{build(t, config.Limit{LimitValues: config.LimitValues{
					ServerTime: ratelimit.Quota{Time: 2 * time.Second, Per: 10 * time.Second}, Concurrency: 5,
				}}, nil)}
				x, _ := request("a", "192.0.2.1")
				if !s.Enter(x) {
					t.Fatal("the first request was refused")
				}
				x.Record = test.record
				s.Leave(x)
				if got := pass(s, "a", "192.0.2.1"); got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
			})
		})
	}
}

func TestConcurrencyIsBoundedForEachKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := limit.Step{build(t, config.Limit{LimitValues: config.LimitValues{Concurrency: 1}}, nil)}
		x, _ := request("a", "192.0.2.1")
		if !s.Enter(x) || pass(s, "a", "192.0.2.1") != "429" || pass(s, "b", "192.0.2.1") != "ok" {
			t.Error("not one at a time for each key")
		}
		s.Leave(x)
		if got := pass(s, "a", "192.0.2.1"); got != "ok" {
			t.Errorf("after the first has ended: %s", got)
		}
	})
}

func TestKeys(t *testing.T) {
	for keys, want := range map[string]string{ // of: a from 1, a from 2, b from 1
		"identity": "ok 429 ok", "ip": "ok ok 429", "identity ip": "ok ok ok", "global": "ok 429 429", "route": "ok 429 429", "header:X-Team": "ok 429 429",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := limit.Step{build(t, config.Limit{Key: strings.Fields(keys), LimitValues: requests(1, time.Hour, 1)}, nil)}
			got := strings.Join([]string{pass(s, "a", "192.0.2.1"), pass(s, "a", "192.0.2.2"), pass(s, "b", "192.0.2.1")}, " ")
			if got != want {
				t.Errorf("%s: got %s, want %s", keys, got, want)
			}
		})
	}
}

func TestUsageOutlivesAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config.Limit{LimitValues: requests(1, time.Hour, 1), Tiers: map[string]config.Tier{
			"gold": {Keys: []string{"gold-*"}, LimitValues: requests(2, time.Hour, 2)},
		}, Overrides: map[string]config.LimitValues{"gold-7": requests(3, time.Hour, 3)}}
		first := build(t, cfg, nil)
		for user, want := range map[string]int{"a": 1, "gold-1": 2, "gold-7": 3} {
			for range want {
				if got := pass(limit.Step{first}, user, "192.0.2.1"); got != "ok" {
					t.Errorf("%s: %s within its values", user, got)
				}
			}
			next := limit.Step{build(t, cfg, first)}
			if got := pass(next, user, "192.0.2.1"); got != "429" {
				t.Errorf("%s: %s after a reload", user, got)
			}
			if got := pass(limit.Step{build(t, cfg, nil)}, user, "192.0.2.1"); got != "ok" {
				t.Errorf("%s: %s with a limit made anew", user, got)
			}
		}
	})
}

func TestIdentity(t *testing.T) {
	step := limit.NewIdentity([]string{"header:X-Api-Key", "ip"})
	x, _ := request("", "192.0.2.1")
	if step.Enter(x); x.Identity != "192.0.2.1" || x.IdentityFrom != "ip" {
		t.Errorf("without the header: %q from %q", x.Identity, x.IdentityFrom)
	}
	x.Request.Header.Set("X-Api-Key", "partner-7")
	if step.Enter(x); x.Identity != "partner-7" || x.IdentityFrom != "header:X-Api-Key" {
		t.Errorf("with the header: %q from %q", x.Identity, x.IdentityFrom)
	}
}
