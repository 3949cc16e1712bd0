package service

import (
	"cmp"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/fault"
	"github.com/gabion-io/gabion/hedge"
	"github.com/gabion-io/gabion/retry"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/probe"
	"github.com/gabion-io/gabion/shed"
	"github.com/gabion-io/gabion/timeout"
)

// defaultResolveEvery is the time between two look-ups of a host name.
const defaultResolveEvery = 5 * time.Second

// errClosed is what an Update finds after Close.
var errClosed = errors.New("the service is closed")

// Service is a set of endpoints that do the same work. It is safe for concurrent use. Make it with [New].
type Service struct {
	name     string
	opt      Options
	view     atomic.Pointer[view] // what Pick needs; everything else is for changes
	policies atomic.Pointer[policies]
	lastErr  atomic.Pointer[error] // what an attempt failed with last
	fault    *fault.Fault

	updating sync.Mutex // held by Update, which may take a while to look up names
	grant    sync.Mutex // guards what the rations have given out

	// mu guards what follows, and the fields of endpoints that say so. It is never held while a Transport, a
	// breaker's callback or the network is waited for.
	mu        sync.Mutex
	config    config.Service
	settings  settings
	endpoints []*Endpoint
	draining  []*Endpoint // removed, with requests in flight
	hosts     map[string]*host
	failOpen  bool
	onStandby bool
	closed    bool
	ctx       context.Context // of the goroutines; nil before Start
	cancel    context.CancelFunc
	running   sync.WaitGroup
}

// New makes a service. Names of hosts are looked up, for at most a second; those that are not found by then have no
// endpoints until they are. Start runs its checks. It fails when a policy's configuration is impossible.
func New(name string, cfg config.Service, opt Options) (*Service, error) {
	opt.ResolveEvery = cmp.Or(opt.ResolveEvery, defaultResolveEvery)
	if opt.Resolver == nil {
		opt.Resolver = net.DefaultResolver
	}
	if opt.ask == nil {
		opt.ask = func(t probe.Target) func(context.Context) string { return probe.New(t).Ask }
	}
	f, err := fault.New(fault.Config{Name: name})
	if err != nil {
		return nil, err
	}
	s := &Service{name: name, opt: opt, hosts: map[string]*host{}, fault: f}
	s.policies.Store(&policies{})
	s.view.Store(&view{})
	if err := s.Update(cfg); err != nil {
		return nil, err
	}
	return s, nil
}

// Start begins health checks and name resolution. They end with ctx or Close. Only the first call counts.
func (s *Service) Start(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.ctx != nil {
		return
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	for _, e := range s.endpoints {
		s.startCheck(e)
	}
	for _, h := range s.hosts {
		s.startFollow(h)
	}
}

// Close ends what Start began, waits until it has ended, and closes the transports.
func (s *Service) Close() {
	s.mu.Lock()
	closing := append(s.endpoints, s.draining...)
	s.closed, s.endpoints, s.draining = true, nil, nil
	if s.cancel != nil {
		s.cancel()
	}
	s.view.Store(&view{})
	s.mu.Unlock()
	s.running.Wait()
	for _, e := range closing {
		e.close()
	}
}

// Name is the service's name.
func (s *Service) Name() string { return s.name }

// Breaker is the breaker of the whole service, nil when off.
func (s *Service) Breaker() *breaker.Breaker { return s.policies.Load().breaker }

// Retry decides about retries, nil when off.
func (s *Service) Retry() *retry.Retry { return s.policies.Load().retry }

// Bulkhead bounds the requests at a time, nil when off.
func (s *Service) Bulkhead() *bulkhead.Bulkhead { return s.policies.Load().bulkhead }

// Shed decides which requests start when more come than can be answered in time, nil when off.
func (s *Service) Shed() *shed.Shedder { return s.policies.Load().shed }

// Hedge decides when requests are sent again beside themselves, nil when off.
func (s *Service) Hedge() *hedge.Hedge { return s.policies.Load().hedge }

// Fault is where faults are injected. It stands in the place of the endpoints, so that all policies meet them.
func (s *Service) Fault() *fault.Fault { return s.fault }

// Timeouts bounds requests, nil when off.
func (s *Service) Timeouts() *timeout.Timeout { return s.policies.Load().timeout }

// failed remembers what an attempt failed with, as the cause of later refusals.
func (s *Service) failed(err error) { s.lastErr.Store(&err) }

func (s *Service) cause() error {
	if err := s.lastErr.Load(); err != nil {
		return *err
	}
	return nil
}

// pause waits. It returns false when ctx ends.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// refresh shows Pick what has become of an endpoint.
func (s *Service) refresh(now gabion.Instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.rebuild(now)
	}
}
