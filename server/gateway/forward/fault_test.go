package forward

import (
	"testing"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/fault"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/inject"
	"github.com/gabion-io/gabion/server/gateway/service"
)

func injected(t *testing.T, s *service.Service, r fault.Rule) *fault.Injection {
	t.Helper()
	i, err := s.Fault().Inject(r)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// TestInjectedFaults: each kind is what the real thing would be, and the endpoint gets nothing. Without the fault it answers.
func TestInjectedFaults(t *testing.T) {
	tests := map[string]struct {
		rule   fault.Rule
		status int
		kind   string // of the problem; "": none
		came   int64  // requests that the endpoint gets
	}{
		"error":        {fault.Rule{Kind: fault.Error, Err: inject.StatusError(500)}, 500, "", 0},
		"blackhole":    {fault.Rule{Kind: fault.Hang}, 504, "upstream-timeout", 0},
		"reset":        {fault.Rule{Kind: fault.Reset}, 502, "upstream-broken", 0},
		"latency":      {fault.Rule{Kind: fault.Latency, Latency: time.Millisecond}, 200, "", 1},
		"long latency": {fault.Rule{Kind: fault.Latency, Latency: time.Hour}, 504, "upstream-timeout", 0},
		"another user": {fault.Rule{Kind: fault.Reset, Key: "another"}, 200, "", 1},
		"this user":    {fault.Rule{Kind: fault.Reset, Key: "somebody"}, 502, "upstream-broken", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := good(t)
			s := serviceOf(t, []*endpoint{e}, noRetry, attemptTimeout(short))
			step := stepOf(t, Config{Target: targetOf(s)})
			send := func() got {
				x := newExchange(t, "GET")
				x.Identity = "somebody"
				return run(t, step, x)
			}
			i := injected(t, s, test.rule)
			g := send()
			if g.status != test.status || g.x.Record.Problem != test.kind || e.count.Load() != test.came {
				t.Errorf("%d %q (%v), and %d came", g.status, g.x.Record.Problem, g.x.Record.Err, e.count.Load())
			}
			idle(t, s)
			i.Stop()
			if g := send(); g.status != 200 || g.body != "ok" {
				t.Errorf("afterwards: %d %q", g.status, g.body)
			}
		})
	}
}

// TestPoliciesMeetFaults: retries go on after them, and the breaker of the endpoint opens.
func TestPoliciesMeetFaults(t *testing.T) {
	s := serviceOf(t, []*endpoint{good(t)}, func(c *config.Service) {
		c.Breaker.Off = false
		c.Breaker.Config.MinCalls = 5
	})
	step := stepOf(t, Config{Target: targetOf(s)})
	i := injected(t, s, fault.Rule{Kind: fault.Error, Err: inject.StatusError(503), First: 2})
	if g := run(t, step, newExchange(t, "GET")); g.status != 200 || g.x.Record.Attempts != 3 {
		t.Errorf("two faults and a retry: %d after %d attempts", g.status, g.x.Record.Attempts)
	}
	i.Stop()
	injected(t, s, fault.Rule{Kind: fault.Reset})
	for range 10 {
		run(t, step, newExchange(t, "GET"))
	}
	if b := s.Snapshot(gabion.Now()).Endpoints[0].Breaker; b.State != "open" {
		t.Errorf("the breaker of the endpoint is %+v", b)
	}
}
