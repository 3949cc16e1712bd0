package service

import (
	"context"
	"net/url"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/retry"
	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/status"
	"github.com/gabion-io/gabion/timeout"
)

// Service is a set of endpoints that do the same work. It is safe for concurrent use.
type Service struct{}

// Endpoint is one address of a service.
type Endpoint struct{}

// New makes a service. Names of hosts are looked up, for at most a second. Start runs its checks.
func New(name string, cfg config.Service, opt Options) (*Service, error) { return &Service{}, nil }

// Start begins health checks and name resolution. They end with ctx or Close.
func (s *Service) Start(ctx context.Context) {}

// Close ends what Start began, and closes all transports.
func (s *Service) Close() {}

// Update changes the configuration. Endpoints that stay keep their state and connections.
func (s *Service) Update(cfg config.Service) error { return nil }

// Pick chooses an endpoint for an attempt. tried are those that this request was sent to before. hash is what
// balance hash goes by. The error is a *gabion.Error with the reason ErrUnavailable.
func (s *Service) Pick(now gabion.Instant, hash uint64, tried []*Endpoint) (Lease, error) {
	return Lease{}, nil
}

// Breaker is the breaker of the whole service, nil when off.
func (s *Service) Breaker() *breaker.Breaker { return nil }

// Retry decides about retries, nil when off.
func (s *Service) Retry() *retry.Retry { return nil }

// Bulkhead bounds the requests at a time, nil when off.
func (s *Service) Bulkhead() *bulkhead.Bulkhead { return nil }

// Timeouts bounds requests, nil when off.
func (s *Service) Timeouts() *timeout.Timeout { return nil }

// Snapshot is the service as of now.
func (s *Service) Snapshot(now gabion.Instant) status.Service { return status.Service{} }

// Name is the endpoint's name in metrics, events and status.
func (e *Endpoint) Name() string { return "" }

// URL is the endpoint as configured.
func (e *Endpoint) URL() *url.URL { return nil }

// Transport carries requests to it: what Options.Transport made.
func (e *Endpoint) Transport() Transport { return nil }

// Breaker is the endpoint's breaker, nil when off.
func (e *Endpoint) Breaker() *breaker.Breaker { return nil }

func (e *Endpoint) done(now gabion.Instant, l Lease, r Result) {}
