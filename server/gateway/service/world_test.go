package service

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/gateway/probe"
	"github.com/gabion-io/gabion/server/status"
)

// world is a service and its replicas, which live in the test's own time.
type world struct {
	t        *testing.T
	s        *Service
	mu       sync.Mutex
	replicas map[string]*replica // by address
	events   []event.Event
	started  time.Time
}

// replica is one endpoint's other side.
type replica struct {
	mode    string // "" works, or: refuses, hangs, 500, 503, 429
	page    string // what its health page says: "" as mode does, or green
	served  []time.Time
	dropped int
	closed  int
	dialled int
}

// fakeTransport is the transport of a replica.
type fakeTransport struct {
	w       *world
	address string
	connect time.Duration
}

func (f fakeTransport) Drop()  { f.w.of(f.address, func(r *replica) { r.dropped++ }) }
func (f fakeTransport) Close() { f.w.of(f.address, func(r *replica) { r.closed++ }) }

func (w *world) of(address string, f func(*replica)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.replicas[address]
	if r == nil {
		r = &replica{}
		w.replicas[address] = r
	}
	f(r)
}

// Add implements event.Sink.
func (w *world) Add(e event.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.At = time.Now()
	w.events = append(w.events, e)
}

// newWorld makes and starts a service. It ends with the test.
func newWorld(t *testing.T, cfg config.Service, change ...func(*Options)) *world {
	t.Helper()
	w := &world{t: t, replicas: map[string]*replica{}, started: time.Now()}
	opt := Options{
		Events: w, ask: w.ask,
		Transport: func(target Target) Transport {
			w.of(target.Address, func(r *replica) { r.dialled++ })
			return fakeTransport{w, target.Address, target.Connect}
		},
	}
	for _, f := range change {
		f(&opt)
	}
	s, err := New("catalog", cfg, opt)
	if err != nil {
		t.Fatal(err)
	}
	w.s = s
	s.Start(t.Context())
	t.Cleanup(s.Close)
	return w
}

func (w *world) ask(target probe.Target) func(context.Context) string {
	return func(ctx context.Context) (problem string) {
		hangs := false
		w.of(target.Address, func(r *replica) {
			switch {
			case r.page == "green" || r.mode == "":
			case r.mode == "refuses":
				problem = "connect: connection refused"
			case r.mode == "hangs":
				hangs = true
			default:
				problem = "status " + r.mode
			}
		})
		if hangs {
			pause(ctx, target.Timeout)
			return fmt.Sprintf("timeout after %v", target.Timeout)
		}
		return problem
	}
}

// set changes how replicas behave.
func (w *world) set(mode string, addresses ...string) {
	for _, a := range addresses {
		w.of(a, func(r *replica) { r.mode = mode })
	}
}

const (
	works   = 5 * time.Millisecond
	givesUp = 400 * time.Millisecond
)

// send sends one attempt and says how it ended.
func (w *world) send(l Lease) (ok bool) {
	began := gabion.Now()
	mode := ""
	w.of(l.Endpoint.target.Address, func(r *replica) {
		mode = r.mode
		if mode != "refuses" {
			r.served = append(r.served, time.Now())
		}
	})
	r := Result{Outcome: gabion.Failure, Reached: true}
	switch mode {
	case "":
		time.Sleep(works)
		r.Outcome, r.Status, r.Took = gabion.Success, 200, gabion.Now()-began
	case "refuses":
		time.Sleep(time.Millisecond)
		r.Reached, r.Err = false, errors.New("connection refused")
	case "hangs":
		time.Sleep(givesUp)
		r.Err = errors.New("no answer in time")
	default:
		time.Sleep(time.Millisecond)
		_, err := fmt.Sscanf(mode, "%d", &r.Status)
		if err != nil {
			panic(err)
		}
	}
	l.Done(gabion.Now(), r)
	return r.Outcome == gabion.Success
}

// request sends one request, in up to three attempts as the gateway does.
func (w *world) request(hash uint64) (ok bool) {
	var tried []*Endpoint
	for range 3 {
		l, err := w.s.Pick(gabion.Now(), hash, tried)
		if err != nil {
			return false
		}
		if w.send(l) {
			return true
		}
		tried = append(tried, l.Endpoint)
	}
	return false
}

// load is what became of requests.
type load struct {
	sent, failed int
	slow         int // took longer than 100 ms
	lastFailed   time.Duration
}

// run sends requests at a rate, open loop, for a time, and waits until they have ended.
func (w *world) run(perSecond int, d time.Duration) (l load) {
	began := time.Now()
	var all sync.WaitGroup
	var mu sync.Mutex
	for i := 0; time.Since(began) < d; i++ {
		all.Go(func() {
			sent := time.Now()
			ok := w.request(uint64(i))
			mu.Lock()
			defer mu.Unlock()
			l.sent++
			if !ok {
				l.failed++
				l.lastFailed = sent.Sub(began)
			}
			if time.Since(sent) > 100*time.Millisecond {
				l.slow++
			}
		})
		time.Sleep(time.Second / time.Duration(perSecond))
	}
	all.Wait()
	return l
}

// served is how many requests a replica got within d from t on.
func (w *world) served(address string, t time.Time, d time.Duration) (n int) {
	w.of(address, func(r *replica) {
		for _, at := range r.served {
			if !at.Before(t) && at.Sub(t) < d {
				n++
			}
		}
	})
	return n
}

// told returns the events of a kind, as "endpoint: from > to (reason)".
func (w *world) told(kind event.Kind) (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.Kind == kind && e.Service == "catalog" {
			text := fmt.Sprintf("%s > %s (%s)", e.From, e.To, e.Reason)
			if e.Endpoint != "" {
				text = e.Endpoint + ": " + text
			}
			all = append(all, text)
		}
	}
	return all
}

func (w *world) wantTold(kind event.Kind, parts ...string) {
	w.t.Helper()
	got := w.told(kind)
	for i, part := range parts {
		if i >= len(got) || !strings.Contains(got[i], part) {
			w.t.Errorf("events of kind %s: %q, want %q", kind, got, parts)
			return
		}
	}
	if len(got) != len(parts) {
		w.t.Errorf("events of kind %s: %q, want %q", kind, got, parts)
	}
}

// status is an endpoint's part of the picture.
func (w *world) status(address string) status.Endpoint {
	w.t.Helper()
	all := w.s.Snapshot(gabion.Now()).Endpoints
	i := slices.IndexFunc(all, func(e status.Endpoint) bool { return e.Name == address })
	if i < 0 {
		w.t.Fatalf("no endpoint %s in %+v", address, all)
	}
	return all[i]
}

func (w *world) wantState(address, state string) {
	w.t.Helper()
	if got := w.status(address); got.State != state {
		w.t.Errorf("%s is %s (%s), want %s", address, got.State, got.Reason, state)
	}
}

// pick chooses an endpoint, which must be there.
func (w *world) pick(tried ...*Endpoint) Lease {
	w.t.Helper()
	l, err := w.s.Pick(gabion.Now(), 1, tried)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// fails makes n attempts at an endpoint fail in a row, as others do at the same time.
func (w *world) fails(address string, n int) {
	w.t.Helper()
	w.s.mu.Lock()
	i := slices.IndexFunc(w.s.endpoints, func(e *Endpoint) bool { return e.target.Address == address })
	e := w.s.endpoints[i]
	w.s.mu.Unlock()
	for range n {
		if l, ok := e.admit(gabion.Now(), e.period.Load()); ok {
			l.Done(gabion.Now(), Result{Outcome: gabion.Failure, Reached: true, Status: 500})
		}
	}
}

const a, b, c, spare = "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.9:80"

func endpoints(addresses ...string) (list []config.Endpoint) {
	for _, address := range addresses {
		list = append(list, config.Endpoint{URL: "http://" + address, Weight: 1})
	}
	return list
}

func serviceOf(addresses ...string) config.Service {
	return config.Service{Endpoints: endpoints(addresses...)}
}

// withChecks switches the active checks on.
func withChecks(cfg config.Service) config.Service {
	cfg.Health.Active.Config = config.ActiveHealth{Path: "/healthz"}
	return cfg
}

func withoutBreaker(cfg config.Service) config.Service {
	cfg.Breaker.Off = true
	return cfg
}

// inTime runs a test in a bubble, where waiting takes no time.
func inTime(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// addresses is a resolver that a test can change.
type addresses struct {
	mu    sync.Mutex
	of    map[string][]string
	err   error
	asked int
}

func (r *addresses) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	var found []netip.Addr
	for _, text := range r.of[host] {
		found = append(found, netip.MustParseAddr(text))
	}
	return found, r.err
}

func (r *addresses) set(err error, host string, ips ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	r.of = map[string][]string{host: ips}
}

// count is how often a name was looked up.
func (r *addresses) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// wait lets time pass, and what was due in it be done.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
