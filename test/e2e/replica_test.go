package e2e

import (
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/backend"
	"github.com/gabion-io/gabion/test/harness"
	"github.com/gabion-io/gabion/test/load"
)

const notAsked = "no request to it after 2 s"

// One of three replicas is killed.
func killed(t *testing.T, p policies, f *harness.Findings) {
	backends := replicas(t, 3)
	g := harness.Start(t, p.config(backends...))
	run := load.Load{Target: to(g), For: 7 * time.Second}.Start(t.Context())
	run.At(2 * time.Second)
	backends[0].Kill(t)
	run.At(4 * time.Second)
	asked := tombstone(t, backends[0].Address())
	report := run.Wait()
	safe(t, f, report, backends...)
	f.Claim(notAsked, asked.Load() == 0, "%d requests between 2 and 5 s after it was killed", asked.Load())
}

func TestReplicaIsKilled(t *testing.T) {
	t.Parallel()
	harness.Prove(t, killed, standard,
		harness.Twin[policies]{Name: "retries", Config: standard.with("retry", "off"), Breaks: []string{noFailedGET}},
		harness.Twin[policies]{Name: "ejection", Config: standard.with("health", "{active: off, passive: off}", "breaker", "off"), Breaks: []string{notAsked}},
	)
}

// tombstone listens where a backend was, and counts the requests that still come; the checks of its health do not count.
func tombstone(t *testing.T, address string) *atomic.Int64 {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			asked.Add(1)
		}
		panic(http.ErrAbortHandler)
	})}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return &asked
}

const (
	p99IsBounded  = "p99 is at most the attempt's timeout and 100 ms"
	comesBack     = "it comes back when it is thawed"
	comesBackSlow = "it comes back with slow start"
)

// One of three replicas is stopped: its connections stay open and nothing answers. Later it goes on.
func frozen(t *testing.T, p policies, f *harness.Findings) {
	const freeze, thaw, end = 2 * time.Second, 6 * time.Second, 15 * time.Second
	backends := replicas(t, 3)
	g := harness.Start(t, p.config(backends...))
	run := load.Load{Target: to(g), For: end}.Start(t.Context())
	run.At(freeze)
	backends[0].Freeze(t)
	run.At(thaw)
	backends[0].Thaw(t)
	report := run.Wait()
	safe(t, f, report, backends...)
	p99 := report.Get().Between(freeze, thaw).Awake().Quantile(.99)
	f.Claim(p99IsBounded, p99 <= 1100*time.Millisecond, "%v", p99)

	back := report.All().Between(thaw, end).By("b0")
	f.Claim(comesBack, len(back) > 0 && len(back.Between(end-time.Second, end)) >= 30, "%v a second", back.PerSecond())
	if len(back) > 0 {
		first := back[0].At
		n := len(back.Between(first, first+time.Second))
		f.Claim(comesBackSlow, n <= 33, "first after %v, then %d requests in the first second; a third of all is 67", first-thaw, n)
	}
}

func TestReplicaIsFrozen(t *testing.T) {
	t.Parallel()
	const health = `{active: {path: /healthz, interval: 1s, timeout: 1s}, passive: {consecutive_errors: 5, eject_for: 2s}, slow_start: `
	p := standard.with("health", health+"4s}")
	harness.Prove(t, frozen, p,
		harness.Twin[policies]{Name: "retries", Config: p.with("retry", "off"), Breaks: []string{noFailedGET}},
		harness.Twin[policies]{
			Name: "timeouts of attempts, ejection and balancing by load",
			Config: p.with("timeout", "{total: 5s, attempt: off}", "breaker", "off", "balance", "round_robin",
				"health", "{active: off, passive: off}"),
			Breaks: []string{p99IsBounded},
		},
		harness.Twin[policies]{Name: "slow start", Config: p.with("health", health+"off}"), Breaks: []string{comesBackSlow}},
	)
}

const (
	fewErrors  = "ejected after at most 5 errors"
	noFlapping = "no flapping"
)

// sickness is a replica that answers every request with a status while its health page is green.
type sickness struct {
	policies policies
	status   int
}

func sick(t *testing.T, c sickness, f *harness.Findings) {
	backends := replicas(t, 3)
	g := harness.Start(t, c.policies.config(backends...))
	run := load.Load{Target: to(g), For: 10 * time.Second}.Start(t.Context())
	run.At(2 * time.Second)
	backends[0].Set(t, backend.Behaviour{Mode: backend.Status, Status: c.status})
	changed := time.Now()
	report := run.Wait()
	safe(t, f, report, backends...)
	errors := arrivals(t, backends[0], changed)
	first := 0 // requests until the first pause
	for first < len(errors) && (first == 0 || errors[first].Sub(errors[first-1]) < time.Second) {
		first++
	}
	// Requests that were on their way when the fifth error came back cannot be held back any more.
	const onTheWay = 2
	f.Claim(fewErrors, first <= 5+onTheWay, "%d requests reached it before it was ejected", first)
	f.Claim(noFlapping, len(errors)-first <= 5, "%d requests reached it afterwards, in 8 s", len(errors)-first)
}

// arrivals are the moments at which requests reached a backend, from one moment on.
func arrivals(t *testing.T, b *backend.Backend, from time.Time) (at []time.Time) {
	t.Helper()
	for _, e := range b.Journal(t) {
		if e.Kind == backend.Arrival && e.At.After(from) {
			at = append(at, e.At)
		}
	}
	return at
}

func TestReplicaAnswers503(t *testing.T) {
	t.Parallel()
	harness.Prove(t, sick, sickness{standard, 503},
		harness.Twin[sickness]{
			Name:   "passive ejection",
			Config: sickness{standard.with("health", "{active: {path: /healthz, interval: 1s}, passive: off}", "breaker", "off"), 503},
			Breaks: []string{fewErrors},
		},
		harness.Twin[sickness]{Name: "retries", Config: sickness{standard.with("retry", "off"), 503}, Breaks: []string{noFailedGET}},
	)
}

func TestReplicaAnswers500WithAGreenHealthPage(t *testing.T) {
	t.Parallel()
	p := standard.with("retry", "{attempts: 3, on: [connect, reset, timeout, 500, 502, 503, 504], backoff: {initial: 5ms, max: 50ms}}")
	harness.Prove(t, sick, sickness{p, 500},
		harness.Twin[sickness]{
			Name:   "passive ejection",
			Config: sickness{p.with("health", "{active: {path: /healthz, interval: 1s}, passive: off}", "breaker", "off"), 500},
			Breaks: []string{fewErrors},
		},
	)
}

// One of three replicas executes requests and resets the connection in the middle of the answer.
func reset(t *testing.T, p policies, f *harness.Findings) {
	backends := replicas(t, 3)
	g := harness.Start(t, p.config(backends...))
	run := load.Load{Target: to(g), For: 6 * time.Second}.Start(t.Context())
	run.At(time.Second)
	backends[0].Set(t, backend.Behaviour{Mode: backend.Reset})
	safe(t, f, run.Wait(), backends...)
}

func TestReplicaResetsInMidBody(t *testing.T) {
	t.Parallel()
	// Nothing ejects the replica here, so that the fault meets many requests. Retries alone carry them.
	p := standard.with("health", "{active: off, passive: off}", "breaker", "off",
		"retry", "{attempts: 3, budget: off, backoff: {initial: 5ms, max: 50ms}}")
	harness.Prove(t, reset, p,
		harness.Twin[policies]{Name: "retries", Config: p.with("retry", "off"), Breaks: []string{noFailedGET}},
		harness.Twin[policies]{
			Name:   "the rule for unsafe methods",
			Config: p.with("retry", "{attempts: 3, budget: off, methods: [GET, HEAD, OPTIONS, POST]}"),
			Breaks: []string{noPOSTTwice},
		},
	)
}

// An answer that is too large to wait for breaks in the middle: the client must notice.
func TestResetOfALargeAnswerIsNoticed(t *testing.T) {
	t.Parallel()
	for _, mode := range []backend.Mode{backend.Reset, backend.Cut} {
		backends := replicas(t, 2)
		g := harness.Start(t, standard.with("health", "{active: off, passive: off}", "breaker", "off").config(backends...))
		backends[0].Set(t, backend.Behaviour{Mode: mode})
		report := load.Load{Target: to(g), Rate: 20, For: 2 * time.Second, Size: 1 << 20}.Start(t.Context()).Wait()
		if len(report.All().Result(load.Wrong)) > 0 || len(report.All().Result(load.Broken)) == 0 || len(report.All().By("b1")) == 0 {
			t.Errorf("%s: %v", mode, report.All())
		}
		if twice := backend.Twice(t, "POST", backends...); len(twice) > 0 {
			t.Errorf("%s: executed twice: %v", mode, twice)
		}
	}
}
