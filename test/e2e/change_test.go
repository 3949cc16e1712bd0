package e2e

import (
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/backend"
	"github.com/gabion-io/gabion/test/harness"
	"github.com/gabion-io/gabion/test/load"
)

const (
	streamsSurvive = "the open WebSocket and the open stream survive"
	brokenRefused  = "a broken configuration is refused, and says where"
	newServes      = "the new configuration serves"
)

// streaming is a gateway with a service for the load and one for streams.
func streaming(p policies, streams string, backends ...*backend.Backend) harness.Config {
	return harness.Config{Gateway: "drain: 2s", Rest: "services:\n" + p.service("items", backends...) +
		"  streams: {endpoints: [" + streams + "]}\n" +
		"routes:\n  - {name: items, match: {path: /}, service: items}\n  - {name: streams, match: {path: /stream/}, service: streams}\n"}
}

// reloads changes the configuration again and again under load, or, with restart, restarts the gateway instead.
func reloads(t *testing.T, restart bool, f *harness.Findings) {
	backends := replicas(t, 3)
	streams := serveStreams(t)
	configs := []harness.Config{
		streaming(standard, streams, backends...),
		streaming(standard.with("retry", "{attempts: 2}", "balance", "round_robin"), streams, backends...),
		streaming(standard, streams, backends[:2]...),
		streaming(standard.with("timeout", "{total: 3s, attempt: 1s}", "breaker", "{min_calls: 50}"), streams, backends...),
		streaming(standard, streams, backends[1:]...),
	}
	g := harness.Start(t, configs[0])
	socket, events := openSocket(t, g.Address), openEvents(t, g.Address)
	run := load.Load{Target: to(g), For: 8 * time.Second}.Start(t.Context())
	for i, cfg := range configs[1:] {
		run.At(time.Duration(i+1) * time.Second)
		if restart {
			g.Write(t, cfg)
			g.Stop(t, 20*time.Second)
			g.Restart(t)
			continue
		}
		if refused := g.Reload(t, cfg); refused != "" {
			t.Errorf("configuration %d was refused: %s", i+1, refused)
		}
	}
	run.At(5 * time.Second)
	broken := configs[1]
	broken.Rest = strings.Replace(broken.Rest, "attempts: 2", "attempt: 2", 1)
	var before, after uint64
	var refused string
	if !restart {
		before = g.Status(t).Config.Generation
		refused = g.Reload(t, broken)
		after = g.Status(t).Config.Generation
	}
	report := run.Wait()
	failed := report.All().Failed()
	f.Claim(noFailed, len(failed) == 0, "%d of %d failed: %v", len(failed), len(report.All()), failed)
	f.Claim(newServes, len(report.All().Between(6*time.Second, 8*time.Second).By("b0")) == 0, "%v", report.All().Between(6*time.Second, 8*time.Second))
	f.Claim(streamsSurvive, socket.alive(t) && events.alive(), "%d echoes, %d events", socket.echoes, events.count.Load())
	f.Claim(brokenRefused, before == after && strings.Contains(refused, "attempts"), "generation %d before, %d after; %q", before, after, refused)
}

func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	harness.Prove(t, reloads, false,
		harness.Twin[bool]{Name: "reloading in place", Config: true, Breaks: []string{noFailed, streamsSurvive}})
}

// A file that is changed is reloaded without being told.
func TestChangedFileIsReloaded(t *testing.T) {
	t.Parallel()
	backends := replicas(t, 2)
	g := harness.Start(t, standard.config(backends[0]))
	before := g.Status(t).Config.Generation
	g.Write(t, standard.config(backends[1]))
	var generation atomic.Uint64
	harnessUntil(t, "the file is reloaded", func() bool {
		generation.Store(g.Status(t).Config.Generation)
		return generation.Load() > before
	})
	report := load.Load{Target: to(g), For: time.Second}.Start(t.Context()).Wait()
	if len(report.All().Failed()) > 0 || len(report.All().By("b1")) != len(report.All()) {
		t.Errorf("after the change: %v", report.All())
	}
}

// leaving is how an instance of the gateway is told to go.
type leaving struct {
	drain   string
	signals []syscall.Signal
}

const endsWell = "it ends with exit code 0"

// One of two gateways is told to go while there is load. Clients, or the load balancer before them, look at /readyz to
// choose between the two, as they do in any cluster.
func leave(t *testing.T, c leaving, f *harness.Findings) {
	backends := replicas(t, 2)
	for _, b := range backends {
		b.Set(t, backend.Behaviour{Work: 100 * time.Millisecond}) // so that there is always something in flight
	}
	cfg := standard.with("timeout", "{total: 20s, attempt: 20s}").config(backends...)
	cfg.Gateway = "drain: " + c.drain
	goes, stays := harness.Start(t, cfg), harness.Start(t, cfg)
	var target atomic.Pointer[string]
	target.Store(&goes.Address)
	run := load.Load{Target: func() string { return *target.Load() }, For: 6 * time.Second, Deadline: 20 * time.Second}.Start(t.Context())
	run.At(2 * time.Second)
	for _, s := range c.signals {
		goes.Signal(t, s)
	}
	for goes.Ready() { // each look takes about a millisecond
		if run.Elapsed() > 5*time.Second {
			t.Error("/readyz stays green")
			break
		}
		run.At(run.Elapsed() + 100*time.Millisecond) // as often as an eager load balancer looks
	}
	target.Store(&stays.Address)
	report := run.Wait()
	failed := report.All().Failed()
	f.Claim(noFailed, len(failed) == 0, "%d of %d failed: %v", len(failed), len(report.All()), report.All())
	code, ended := goes.Wait(20 * time.Second)
	f.Claim(endsWell, ended && code == 0, "ended %v, code %d", ended, code)
}

func TestSIGTERMUnderLoad(t *testing.T) {
	t.Parallel()
	harness.Prove(t, leave, leaving{"5s", []syscall.Signal{syscall.SIGTERM}},
		harness.Twin[leaving]{Name: "draining", Config: leaving{"5s", []syscall.Signal{syscall.SIGKILL}}, Breaks: []string{noFailed, endsWell}})
}

// Whoever cannot wait sends the signal twice.
func TestSecondSIGTERMEndsAtOnce(t *testing.T) {
	t.Parallel()
	b := replicas(t, 1)[0]
	b.Set(t, backend.Behaviour{Mode: backend.Hang})
	cfg := standard.with("timeout", "{total: 1m, attempt: 1m}").config(b)
	cfg.Gateway = "drain: 1m"
	g := harness.Start(t, cfg)
	run := load.Load{Target: to(g), Rate: 10, For: time.Second, Deadline: 20 * time.Second}.Start(t.Context())
	harnessUntil(t, "a request hangs", func() bool { return backend.Arrivals(t, b) > 0 })
	g.Signal(t, syscall.SIGTERM)
	harnessUntil(t, "the gateway drains", func() bool { return !g.Ready() })
	if _, ended := g.Wait(500 * time.Millisecond); ended {
		t.Error("it did not wait for what is in flight")
	}
	g.Signal(t, syscall.SIGTERM)
	if _, ended := g.Wait(10 * time.Second); !ended {
		t.Error("it goes on after the second signal")
	}
	run.End()
}
