package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/backend"
	"github.com/gabion-io/gabion/test/harness"
	"github.com/gabion-io/gabion/test/load"
)

const (
	isLimited    = "the user is limited"
	othersServed = "all others are served"
	saysHow      = "429s are explained"
)

// limited is a gateway whose users, told apart by X-User, have a limit.
func limited(limit string, p policies, backends ...*backend.Backend) harness.Config {
	return harness.Config{Gateway: "drain: 2s", Rest: "services:\n" + p.service("items", backends...) +
		"routes:\n  - {name: items, match: {path: /}, service: items, identity: [header:X-User], limits: [per-user]}\n" +
		"limits:\n  per-user: {" + limit + "}\n"}
}

// others are 40 users who share a load.
func others(i int) string { return fmt.Sprintf("user-%d", i%40) }

// One user sends ten times its rate, at backends that cannot take so much.
func greedy(t *testing.T, limit string, f *harness.Findings) {
	const lasts = 8 * time.Second
	b := backend.Start(t, "b0", backend.Behaviour{Work: work, MaxRate: 300})
	g := harness.Start(t, limited(limit, standard.with("retry", "off", "breaker", "off", "health", "{active: off, passive: off}"), b))
	normal := load.Load{Name: "normal", Target: to(g), For: lasts, User: others}.Start(t.Context())
	ten := load.Load{Name: "greedy", Target: to(g), For: lasts, Posts: -1, User: func(int) string { return "greedy" }}.Start(t.Context())
	user, rest := ten.Wait().All(), normal.Wait().All()
	served, refused := len(user)-len(user.Failed()), user.Status(429)
	// 20 a second, and 20 at once in the beginning.
	f.Claim(isLimited, served <= 20*8+20+5 && served >= 20*8-5 && len(refused) > len(user)*8/10, "%d of %d served: %v", served, len(user), user)
	f.Claim(othersServed, len(rest.Failed()) == 0, "%v", rest)
	unexplained := refused.Where(func(s *load.Sample) bool {
		return s.RetryAfter == "" || s.Header.Get("RateLimit") == "" || s.Header.Get("RateLimit-Policy") == "" ||
			s.Header.Get("Content-Type") != "application/problem+json"
	})
	f.Claim(saysHow, len(refused) > 0 && len(unexplained) == 0, "%d of %d are not", len(unexplained), len(refused))
}

func TestUserAtTenTimesItsRate(t *testing.T) {
	t.Parallel()
	harness.Prove(t, greedy, "requests: 20/s, burst: 20",
		harness.Twin[string]{Name: "enforcement", Config: "requests: 20/s, burst: 20, mode: shadow", Breaks: []string{isLimited, othersServed, saysHow}},
	)
}

// One user stays far within its count, but each of its requests takes two seconds.
func slow(t *testing.T, limit string, f *harness.Findings) {
	const lasts = 12 * time.Second
	backends := replicas(t, 2)
	p := standard.with("timeout", "{total: 8s, attempt: 6s}")
	g := harness.Start(t, limited(limit, p, backends...))
	normal := load.Load{Name: "normal", Target: to(g), For: lasts, User: others}.Start(t.Context())
	costly := load.Load{
		Name: "slow", Target: to(g), Rate: 2, For: lasts, Posts: -1, Deadline: 10 * time.Second, Work: 2 * time.Second,
		User: func(int) string { return "slow" },
	}.Start(t.Context())
	user, rest := costly.Wait().All(), normal.Wait().All()
	refused := user.Status(429)
	soon := len(refused) > 0 && refused[0].At <= 10*time.Second
	f.Claim(isLimited, soon && len(refused) > len(user)/2, "%v; refused a second: %v", user, refused.PerSecond())
	f.Claim(othersServed, len(rest.Failed()) == 0, "%v", rest)
}

func TestUserWithFewButSlowRequests(t *testing.T) {
	t.Parallel()
	harness.Prove(t, slow, "requests: 100/s, server_time: 2s/10s",
		harness.Twin[string]{Name: "a limit of server time", Config: "requests: 100/s", Breaks: []string{isLimited}},
	)
}
