package httpx

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gabion-io/gabion"
)

// Transport is an http.RoundTripper that sends requests through policies. It is safe for concurrent use. Make it with
// [NewTransport].
//
// Its errors satisfy errors.Is for [gabion.ErrRejected] and the sentinels of policies, for the errors of contexts, and for
// what the base transport returned; those that are timeouts are a net.Error that says so.
type Transport struct {
	config TransportConfig // with defaults applied
	pipe   *gabion.Pipe
	key    func(*http.Request) string // nil: all requests go through pipe itself
}

// NewTransport makes a transport. It fails with what [TransportConfig.Validate] says.
func NewTransport(cfg TransportConfig) (*Transport, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("httpx: %w", err)
	}
	cfg = cfg.withDefaults()
	if cfg.Pipe != nil {
		return &Transport{config: cfg, pipe: cfg.Pipe, key: cfg.Key}, nil
	}
	pipe, err := gabion.New(gabion.Config{Name: cfg.Name, Classify: Classify, Observer: cfg.Observer, PerKey: cfg.perHost})
	return &Transport{config: cfg, pipe: pipe, key: HostOf}, err
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := checkURL(req); err != nil {
		return nil, err
	}
	c := &call{config: &t.config, req: req, upload: newUpload(req, t.config.KeepBody), repeatable: t.config.Repeatable(req)}
	defer c.end()
	pipe := t.pipe
	if t.key != nil {
		var err error
		if pipe, err = pipe.For(t.key(req)); err != nil {
			return nil, err
		}
	}
	// Whether the pipe hedges or not: what DoHedged costs more is nothing beside a request.
	resp, err := gabion.DoHedged(req.Context(), pipe, c.try)
	return c.result(resp, err)
}

// CloseIdleConnections closes the connections that are not in use, as http.Client's method of this name does.
func (t *Transport) CloseIdleConnections() {
	if base, ok := t.config.Base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

var errNoHost = errors.New("httpx: the request has no host in its URL")

// checkURL refuses a request that cannot be sent anywhere, and closes its body, as a RoundTripper must.
func checkURL(req *http.Request) error {
	if req.URL != nil && req.URL.Host != "" {
		return nil
	}
	if req.Body != nil {
		// It was not read, so closing it can lose nothing.
		_ = req.Body.Close()
	}
	return errNoHost
}
