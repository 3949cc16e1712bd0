// Package e2e shows, with real processes on loopback, that the gateway survives what breaks backends. Each scenario is
// a list of claims; with the protection taken away, the claim must fail.
package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/backend"
	"github.com/gabion-io/gabion/test/harness"
	"github.com/gabion-io/gabion/test/load"
)

func TestMain(m *testing.M) { harness.Main(m) }

// policies are the policies of a service, as in the file.
type policies map[string]string

// standard are the policies that the scenarios start from: quick, so that the scenarios are short, but with timeouts
// that a busy machine does not reach.
var standard = policies{
	"timeout": "{total: 5s, attempt: 1s, connect: 1s}",
	"retry":   "{attempts: 3, on: [connect, reset, timeout, 502, 503, 504], backoff: {initial: 5ms, max: 50ms}}",
	"health": `{active: {path: /healthz, interval: 1s, timeout: 1s}, ` +
		`passive: {consecutive_errors: 5, eject_for: 3s, max_ejected: 50%}, slow_start: off}`,
}

// with gives p with some policies changed: pairs of key and value.
func (p policies) with(pairs ...string) policies {
	changed := maps.Clone(p)
	for i := 0; i < len(pairs); i += 2 {
		changed[pairs[i]] = pairs[i+1]
	}
	return changed
}

// service is the section of a service in front of backends.
func (p policies) service(name string, backends ...*backend.Backend) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s:\n    endpoints:\n", name)
	for _, backend := range backends {
		fmt.Fprintf(&b, "      - %s\n", backend.URL())
	}
	for _, key := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&b, "    %s: %s\n", key, p[key])
	}
	return b.String()
}

// config is a gateway with one service and one route to it.
func (p policies) config(backends ...*backend.Backend) harness.Config {
	return harness.Config{
		Gateway: "drain: 2s",
		Rest:    "services:\n" + p.service("items", backends...) + "routes:\n  - {name: items, match: {path: /}, service: items}\n",
	}
}

// replicas starts n backends, b0, b1, and so on, that take 5 ms for a request.
func replicas(t *testing.T, n int) []*backend.Backend {
	t.Helper()
	all := make([]*backend.Backend, n)
	for i := range all {
		all[i] = backend.Start(t, fmt.Sprintf("b%d", i), backend.Behaviour{Work: work})
	}
	return all
}

const work = 5 * time.Millisecond

// to sends a load to the gateway.
func to(g *harness.Gateway) func() string { return func() string { return g.Address } }

// Claims that several scenarios make.
const (
	noFailedGET   = "0 failed GETs"
	noFailed      = "0 failed requests"
	noWrongAnswer = "no answer that looks complete and is not"
	noPOSTTwice   = "no POST is executed twice"
)

// safe makes the claims about what a client sees of the loss of one backend.
func safe(t *testing.T, f *harness.Findings, r *load.Report, backends ...*backend.Backend) {
	t.Helper()
	failed := r.Get().Failed()
	f.Claim(noFailedGET, len(failed) == 0, "%d of %d failed: GET %v; POST %v", len(failed), len(r.Get()), r.Get(), r.Post())
	for i := range failed {
		if failed[i].Err != nil && i < 3 {
			t.Logf("a GET failed at %v: %v", failed[i].At, failed[i].Err)
		}
	}
	wrong := r.All().Result(load.Wrong)
	f.Claim(noWrongAnswer, len(wrong) == 0, "%d", len(wrong))
	twice := backend.Twice(t, "POST", backends...)
	f.Claim(noPOSTTwice, len(twice) == 0, "%d of %d: %v", len(twice), len(r.Post()), twice)
}
