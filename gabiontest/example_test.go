package gabiontest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gabion-io/gabion"
	"github.com/gabion-io/gabion/breaker"
	"github.com/gabion-io/gabion/gabiontest"
	"github.com/gabion-io/gabion/retry"
	"github.com/gabion-io/gabion/timeout"
)

// These tests are those of the package's documentation, with the code that they test. It is kept equal by a test.

// catalog is a client of another service.
type catalog struct {
	client *http.Client
	pipe   *gabion.Pipe
}

func newCatalog(transport http.RoundTripper, observer gabion.Observer) (*catalog, error) {
	limits, err := timeout.New(timeout.Config{Name: "catalog", Observer: observer})
	if err != nil {
		return nil, err
	}
	again, err := retry.New(retry.Config{Name: "catalog", Observer: observer})
	if err != nil {
		return nil, err
	}
	stop, err := breaker.New(breaker.Config{Name: "catalog", Consecutive: 5, Observer: observer})
	if err != nil {
		return nil, err
	}
	pipe, err := gabion.New(gabion.Config{Name: "catalog", Policies: []gabion.Policy{limits, again, stop}})
	return &catalog{&http.Client{Transport: transport}, pipe}, err
}

func (c *catalog) price(ctx context.Context, product string) (string, error) {
	return gabion.Do(ctx, c.pipe, func(ctx context.Context) (string, error) { return c.fetch(ctx, product) })
}

func (c *catalog) fetch(ctx context.Context, product string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://catalog/price/"+product, nil)
	if err != nil {
		return "", err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the catalog answered %s", resp.Status)
	}
	price, err := io.ReadAll(io.LimitReader(resp.Body, 100))
	return string(price), err
}

func TestCatalogSurvives(t *testing.T) {
	handlers := gabiontest.Case{PanicsPass: true} // net/http recovers from panics
	gabiontest.Survives(t, handlers, func(t *testing.T, dep *gabiontest.Dependency, events *gabiontest.Recorder) func(context.Context) error {
		c, err := newCatalog(dep, events)
		if err != nil {
			t.Fatal(err)
		}
		return func(ctx context.Context) error {
			_, err := c.price(ctx, "hat")
			return err
		}
	})
}

func TestCatalogNeedsItsPolicies(t *testing.T) {
	breaks := gabiontest.Examine(t, gabiontest.Case{}, func(_ *testing.T, dep *gabiontest.Dependency, _ *gabiontest.Recorder) func(context.Context) error {
		c := &catalog{client: &http.Client{Transport: dep}}
		return func(ctx context.Context) error {
			_, err := c.fetch(ctx, "hat")
			return err
		}
	})
	if !slices.ContainsFunc(breaks, func(b gabiontest.Break) bool { return b.Mode == gabiontest.Hang }) {
		t.Error("it survives without them: then the other test proves nothing")
	}
}

func TestCatalogTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dep := gabiontest.New(t,
			gabiontest.Rule{Mode: gabiontest.Error, Status: 503, First: 1},
			gabiontest.Rule{Mode: gabiontest.Hang, First: 1})
		events := gabiontest.NewRecorder(t)
		c, err := newCatalog(dep, events)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := c.price(t.Context(), "hat"); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < 3*time.Second || took > 4*time.Second {
			t.Errorf("it took %v, want a timeout of 3s and two short waits", took)
		}
		events.Expect(
			gabion.Event{Kind: gabion.EventRetry, Attempt: 1},
			gabion.Event{Kind: gabion.EventTimeout},
			gabion.Event{Kind: gabion.EventRetry, Attempt: 2},
		)
	})
}
