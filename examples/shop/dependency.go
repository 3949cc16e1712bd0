package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/bulkhead"
	"github.com/gabion-io/gabion/fallback"
	"github.com/gabion-io/gabion/retry"
	"github.com/gabion-io/gabion/timeout"
)

// errNotFound is an answer and no failure: the dependency works, it just does not know the thing.
var errNotFound = errors.New("not found")

// timeoutHeader tells the next service how many milliseconds are left for an answer.
const timeoutHeader = "X-Gabion-Timeout-Ms"

// dependency is another service, as seen from checkout.
type dependency struct {
	base   string
	client *http.Client
	pipe   *gabion.Pipe
}

// newDependency puts every call to the service at base through the policies that a call over a network needs, and
// lastResort when all of them could not help.
func newDependency(name, base string, observer gabion.Observer, lastResort ...fallback.Handler) (*dependency, error) {
	limits, err := timeout.New(timeout.Config{Name: name, Total: time.Second, Attempt: 300 * time.Millisecond, Observer: observer})
	if err != nil {
		return nil, err
	}
	again, err := retry.New(retry.Config{Name: name, Attempts: 3, Observer: observer})
	if err != nil {
		return nil, err
	}
	fuse, err := breaker.New(breaker.Config{Name: name, OpenFor: 2 * time.Second, Observer: observer})
	if err != nil {
		return nil, err
	}
	share, err := bulkhead.New(bulkhead.Config{Name: name, Concurrency: 50, Observer: observer})
	if err != nil {
		return nil, err
	}
	policies := []gabion.Policy{limits, again, fuse, share}
	if len(lastResort) > 0 {
		instead, err := fallback.New(fallback.Config{Name: name, Observer: observer}, lastResort...)
		if err != nil {
			return nil, err
		}
		policies = append(policies, instead)
	}
	pipe, err := gabion.New(gabion.Config{Name: name, Policies: policies, Classify: classify, Observer: observer})
	if err != nil {
		return nil, err
	}
	return &dependency{base: base, client: newClient(), pipe: pipe}, nil
}

// newClient makes a client with connections of its own, so that dependencies cannot starve each other.
func newClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 50
	return &http.Client{Transport: transport}
}

func classify(_ any, err error) gabion.Outcome {
	if err == nil || errors.Is(err, errNotFound) {
		return gabion.Success
	}
	return gabion.Failure
}

// get asks the dependency through its pipe.
func get[T any](ctx context.Context, d *dependency, path string) (T, error) {
	return gabion.Do(ctx, d.pipe, func(ctx context.Context) (T, error) { return fetch[T](ctx, d.client, d.base+path) })
}

// fetch is one plain call, without any protection.
func fetch[T any](ctx context.Context, client *http.Client, url string) (T, error) {
	var v T
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return v, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		req.Header.Set(timeoutHeader, strconv.FormatInt(max(1, time.Until(deadline).Milliseconds()), 10))
	}
	resp, err := client.Do(req)
	if err != nil {
		return v, err
	}
	defer resp.Body.Close()
	body := io.LimitReader(resp.Body, 1<<20)
	if resp.StatusCode == http.StatusOK {
		return v, json.NewDecoder(body).Decode(&v)
	}
	// Read to the end, so that the connection can be used again. What stands there does not matter.
	_, _ = io.Copy(io.Discard, body)
	if resp.StatusCode == http.StatusNotFound {
		return v, errNotFound
	}
	return v, fmt.Errorf("answered %s", resp.Status)
}
