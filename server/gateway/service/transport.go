package service

import (
	"context"
	"crypto/x509"
	"net/url"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/server/event"
	"github.com/gabion-io/gabion/server/gateway/probe"
	"github.com/gabion-io/gabion/server/gateway/resolve"
)

// Target is one address that requests are sent to.
type Target struct {
	// URL is the endpoint as configured: scheme (http, https, h2c) and host. TLS names and the Host header come from it.
	URL *url.URL
	// Address is what to dial: an IP address and a port. Only the loopback names ("localhost") stay names.
	Address string
	// Name is the label for metrics, events and status: the address, made unique within the service.
	Name string
	// Connect is how long a new connection may take.
	Connect time.Duration
}

// Transport carries requests to one Target. Who sends requests knows its real type.
type Transport interface {
	// Drop closes every connection at once, those in use included. Later requests dial anew.
	Drop()
	// Close gives up what is idle. Requests in flight finish.
	Close()
}

// Resolver finds the addresses of a host name. *net.Resolver is one.
type Resolver = resolve.Resolver

// Options are what a Service needs from outside.
type Options struct {
	// Transport makes the transport of an endpoint. Required.
	Transport func(Target) Transport
	// Events takes changes of state, those of breakers included. Default: nobody is told.
	Events event.Sink
	// Observer is told what the policies of the kit do, except changes of state, which go to Events.
	// Default: nobody is told.
	Observer gabion.Observer
	// Resolver finds addresses. Default: the system's.
	Resolver Resolver
	// ResolveEvery is the time between two look-ups of a host name, ±10 %. Default: 5 s.
	ResolveEvery time.Duration
	// Roots are the authorities that health checks of https endpoints believe. Default: the system's.
	Roots *x509.CertPool

	// ask makes what asks an endpoint for its health. Tests replace it.
	ask func(probe.Target) func(context.Context) string
}
