package httpx_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/httpx"
	"github.com/gabion-io/gabion/ratelimit"
	"github.com/gabion-io/gabion/retry"
	"github.com/gabion-io/gabion/timeout"
)

// A client with timeouts, retries and a breaker for each host.
func ExampleNewTransport() {
	var calls atomic.Int32
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			http.Error(w, "not yet", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, "hello on try %s", r.Header.Get(httpx.HeaderAttempt))
	}))
	defer service.Close()

	transport, err := httpx.NewTransport(httpx.TransportConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()

	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, service.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	resp, err := client.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, string(body), err)
	// Output: 200 hello on try 2 <nil>
}

// Policies of one's own for each host, with a breaker that drops the connections to its host.
func ExampleTransportConfig() {
	connections := httpx.NewConnections(nil)
	limits, err := timeout.New(timeout.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	pipe, err := gabion.New(gabion.Config{
		Name: "partners", Classify: httpx.Classify,
		PerKey: func(host string) ([]gabion.Policy, error) {
			again, err := retry.New(retry.Config{Name: host, Attempts: 2})
			if err != nil {
				return nil, err
			}
			cfg := breaker.ForHTTP()
			cfg.Name, cfg.OnOpen = host, func() { connections.Drop(host) }
			fuse, err := breaker.New(cfg)
			return []gabion.Policy{limits, again, fuse}, err
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	transport, err := httpx.NewTransport(httpx.TransportConfig{Base: connections, Pipe: pipe, Key: httpx.HostOf})
	fmt.Println(transport != nil, err)
	// Output: true <nil>
}

// A server that limits each customer, and what it does at once.
func ExampleNewHandler() {
	limit, err := ratelimit.NewRequests(ratelimit.RequestsConfig{
		Rate: ratelimit.Rate{Count: 1, Per: 60e9}, Key: gabion.TenantOf,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	places, err := bulkhead.New(bulkhead.Config{Concurrency: 50, Queue: 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	pipe, err := gabion.New(gabion.Config{Policies: []gabion.Policy{limit, places}})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler, err := httpx.NewHandler(httpx.HandlerConfig{
		Pipe:   pipe,
		Tenant: func(r *http.Request) string { return r.Header.Get("Api-Key") },
		Priority: func(r *http.Request) gabion.Priority {
			if r.URL.Path == "/report" {
				return gabion.Sheddable
			}
			return gabion.Normal
		},
	}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello %s", gabion.TenantOf(r.Context()))
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Api-Key", "alice")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Printf("%d, Retry-After: %q\n", w.Code, w.Header().Get("Retry-After"))
	}
	// Output:
	// 200, Retry-After: ""
	// 429, Retry-After: "60"
}
